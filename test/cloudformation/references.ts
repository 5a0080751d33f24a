import type { SpecDatabase } from '@aws-cdk/service-spec-types';
import { conditionHolds, equalities } from './conditions.ts';
import { PSEUDO_PARAMETERS as PSEUDO_VALUES } from './evaluate.ts';
import { resourceType } from './specification.ts';
import {
  calledFunction,
  isObject,
  type Json,
  substitutedNames,
  type Template,
  type TemplateResource,
} from './template.ts';

/** Something that a template names somewhere. */
export interface Reference {
  readonly kind: 'name' | 'attribute' | 'resource' | 'condition' | 'mapping';
  readonly name: string;
  readonly attribute?: string;
  /** Where it stands, such as `Resources.Kds.Properties`. */
  readonly path: string;
  /** What holds there: the resource's own condition, and those of the Fn::If around it. */
  readonly given: readonly Given[];
}

type Given = readonly [condition: string, holds: boolean];

const PSEUDO_PARAMETERS = ['AWS::NoValue', ...Object.keys(PSEUDO_VALUES)];

/** All references of a template. */
export function references({ Rules = {}, Conditions = {}, Resources, Outputs = {} }: Template): Reference[] {
  return [
    ...within(Rules as unknown as Json, 'Rules', []),
    ...within(Conditions, 'Conditions', []),
    ...Object.entries(Resources).flatMap(([id, resource]) => ofResource(resource, `Resources.${id}`)),
    ...Object.entries(Outputs).flatMap(([id, { Condition, ...output }]) =>
      conditionally(output, Condition, `Outputs.${id}`),
    ),
  ];
}

function ofResource(
  { Condition, DependsOn = [], Properties = {} }: TemplateResource,
  path: string,
): Reference[] {
  const given: Given[] = Condition === undefined ? [] : [[Condition, true]];
  return [
    ...[DependsOn].flat().map((name) => ({ kind: 'resource', name, path, given }) as const),
    ...conditionally(Properties, Condition, path),
  ];
}

function conditionally(value: Json, condition: Json | undefined, path: string): Reference[] {
  if (typeof condition !== 'string') return within(value, path, []);
  return [
    { kind: 'condition', name: condition, path, given: [] },
    ...within(value, path, [[condition, true]]),
  ];
}

function within(value: Json, path: string, given: readonly Given[]): Reference[] {
  if (Array.isArray(value)) return value.flatMap((each, index) => within(each, `${path}[${index}]`, given));
  const call = calledFunction(value);
  if (call !== null) return ofCall(call, path, given);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, each]) => within(each, `${path}.${key}`, given));
}

function ofCall([name, argument]: [string, Json], path: string, given: readonly Given[]): Reference[] {
  const args = Array.isArray(argument) ? argument : [argument];
  const first = String(args[0]);
  switch (name) {
    case 'Ref':
      return [{ kind: 'name', name: first, path, given }];
    case 'Condition':
      return [{ kind: 'condition', name: first, path, given }];
    case 'Fn::GetAtt':
      return [{ kind: 'attribute', name: first, attribute: args.slice(1).join('.'), path, given }];
    case 'Fn::FindInMap':
      return [{ kind: 'mapping', name: first, path, given }, ...within(args.slice(1), path, given)];
    case 'Fn::If':
      return [
        { kind: 'condition', name: first, path, given },
        ...within(args[1] ?? null, path, [...given, [first, true]]),
        ...within(args[2] ?? null, path, [...given, [first, false]]),
      ];
    case 'Fn::Sub': {
      const own = isObject(args[1]) ? args[1] : {};
      const names = substitutedNames(first).filter((each) => !(each in own));
      return [...names.map((each) => substituted(each, path, given)), ...within(own, path, given)];
    }
    default:
      return within(argument, path, given);
  }
}

function substituted(text: string, path: string, given: readonly Given[]): Reference {
  const [name = '', ...attribute] = text.split('.');
  if (attribute.length === 0) return { kind: 'name', name, path, given };
  return { kind: 'attribute', name, attribute: attribute.join('.'), path, given };
}

/** References to nothing, to what is not always there, in a circle, and declarations that nothing refers to. */
export function referenceProblems(template: Template, specification: SpecDatabase): string[] {
  const all = references(template);
  return [
    ...all.flatMap((reference) => problemsOf(reference, template, specification)),
    ...circles(template, all),
    ...unused(template, all),
  ];
}

/** Resources that can only be made after themselves. */
function circles({ Resources }: Template, all: readonly Reference[]): string[] {
  const needing = all.filter(({ kind }) => kind !== 'condition' && kind !== 'mapping');
  const needs = (id: string) =>
    needing
      .filter(({ path }) => path === `Resources.${id}` || path.startsWith(`Resources.${id}.`))
      .map(({ name }) => name);
  const needed = (id: string): Set<string> => {
    const found = new Set<string>();
    const next = needs(id);
    for (let name = next.pop(); name !== undefined; name = next.pop()) {
      if (found.has(name) || !(name in Resources)) continue;
      found.add(name);
      next.push(...needs(name));
    }
    return found;
  };
  return Object.keys(Resources)
    .filter((id) => needed(id).has(id))
    .map((id) => `${id} needs itself`);
}

function problemsOf(reference: Reference, template: Template, specification: SpecDatabase): string[] {
  const { kind, name, attribute = '', path, given } = reference;
  const { Parameters = {}, Mappings = {}, Conditions = {}, Resources } = template;
  if (kind === 'condition') return name in Conditions ? [] : [`${path}: there is no condition ${name}`];
  if (kind === 'mapping') return name in Mappings ? [] : [`${path}: there is no mapping ${name}`];
  const resource = Resources[name];
  if (resource === undefined) {
    const isParameter = kind === 'name' && (name in Parameters || PSEUDO_PARAMETERS.includes(name));
    return isParameter
      ? []
      : [`${path}: there is no ${kind === 'name' ? 'parameter or ' : ''}resource ${name}`];
  }
  const attributes = resourceType(specification, resource.Type)?.attributes ?? {};
  if (kind === 'attribute' && !(attribute in attributes)) {
    return [`${path}: ${name}, ${resource.Type}, has no attribute ${attribute}`];
  }
  const { Condition } = resource;
  if (Condition === undefined || isImplied(Condition, given, Conditions)) return [];
  return [`${path}: ${name} exists only with ${Condition}`];
}

/** Whether a condition holds whenever the given ones are as they are given, whatever the parameters. */
function isImplied(condition: string, given: readonly Given[], conditions: Record<string, Json>): boolean {
  const names = [condition, ...given.map(([name]) => name)].filter((name) => name in conditions);
  const atoms = [...new Set(names.flatMap((name) => equalities(name, conditions)))];
  return Array.from(
    { length: 2 ** atoms.length },
    (_, bits) => new Set(atoms.filter((_atom, i) => bits & (1 << i))),
  )
    .filter((holding) => given.every(([name, holds]) => conditionHolds(name, conditions, holding) === holds))
    .every((holding) => conditionHolds(condition, conditions, holding));
}

function unused({ Parameters = {}, Mappings = {}, Conditions = {} }: Template, all: Reference[]): string[] {
  const named = (kind: Reference['kind']) =>
    new Set(all.filter((reference) => reference.kind === kind).map(({ name }) => name));
  const names = named('name');
  const conditions = named('condition');
  const mappings = named('mapping');
  return [
    ...Object.keys(Parameters).filter((name) => !names.has(name)),
    ...Object.keys(Conditions).filter((name) => !conditions.has(name)),
    ...Object.keys(Mappings).filter((name) => !mappings.has(name)),
  ].map((name) => `${name} is used nowhere`);
}
