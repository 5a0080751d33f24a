import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CollectionTag, parseDocument, type ScalarTag, visit, YAMLMap, type YAMLSeq } from 'yaml';

export type Json = string | number | boolean | null | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

export interface TemplateParameter {
  Type: string;
  Default?: string | number;
  Description?: string;
  ConstraintDescription?: string;
  AllowedPattern?: string;
  AllowedValues?: (string | number)[];
  MinValue?: number;
  MaxValue?: number;
  MinLength?: number;
  MaxLength?: number;
}

export interface TemplateResource {
  Type: string;
  Properties?: JsonObject;
  Condition?: string;
  DependsOn?: string | string[];
  DeletionPolicy?: string;
  UpdateReplacePolicy?: string;
}

export interface TemplateRule {
  RuleCondition?: Json;
  Assertions: { Assert: Json; AssertDescription: string }[];
}

/** A template as its JSON form has it: functions are objects with the one key `Ref`, `Condition` or `Fn::…`. */
export interface Template {
  Description?: string;
  Metadata?: JsonObject;
  Parameters?: Record<string, TemplateParameter>;
  Mappings?: Record<string, JsonObject>;
  Rules?: Record<string, TemplateRule>;
  Conditions?: Record<string, Json>;
  Resources: Record<string, TemplateResource>;
  Outputs?: Record<string, JsonObject>;
}

const FUNCTIONS = [
  ...[
    'And',
    'Base64',
    'Cidr',
    'Contains',
    'EachMemberEquals',
    'EachMemberIn',
    'Equals',
    'FindInMap',
    'GetAtt',
  ],
  ...['GetAZs', 'If', 'ImportValue', 'Join', 'Not', 'Or', 'Select', 'Split', 'Sub'],
];

const functionKey = (name: string) => (FUNCTIONS.includes(name) ? `Fn::${name}` : name);

/** `!GetAtt A.B.C` is short for `[A, B.C]`. */
function scalarArgument(name: string, text: string): Json {
  const dot = text.indexOf('.');
  return name === 'GetAtt' && dot > 0 ? [text.slice(0, dot), text.slice(dot + 1)] : text;
}

const SHORT_TAGS: (ScalarTag | CollectionTag)[] = ['Ref', 'Condition', ...FUNCTIONS].flatMap((name) => {
  const key = functionKey(name);
  const collection = (kind: 'seq' | 'map'): CollectionTag => ({
    tag: `!${name}`,
    collection: kind,
    resolve: (argument: YAMLMap | YAMLSeq) => {
      const call = new YAMLMap();
      call.set(key, argument);
      return call;
    },
  });
  const scalar: ScalarTag = { tag: `!${name}`, resolve: (text) => ({ [key]: scalarArgument(name, text) }) };
  return [scalar, collection('seq'), collection('map')];
});

/**
 * Reads a template as CloudFormation does: YAML 1.1 with short tags, without aliases
 * (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html).
 */
export function parseTemplate(text: string): Template {
  const document = parseDocument(text, { version: '1.1', customTags: SHORT_TAGS });
  for (const problem of [...document.errors, ...document.warnings]) throw problem;
  visit(document, {
    Alias: (_key, alias) => {
      throw new Error(`CloudFormation knows no aliases: *${alias.source}`);
    },
  });
  return document.toJS() as Template;
}

const FOLDER = new URL('../../cloudformation/', import.meta.url);

/** File names of all templates. */
export const TEMPLATES = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'));

export const templatePath = (file: string) => fileURLToPath(new URL(file, FOLDER));

export const readTemplate = (file: string) => parseTemplate(readFileSync(templatePath(file), 'utf8'));

/** The stack of the worker. */
export const MAIN_TEMPLATE = 'kvs-inference.yaml';

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The function that a value calls, such as `['Fn::Sub', argument]`; null for a plain value. */
export function calledFunction(value: Json): [name: string, argument: Json] | null {
  if (!isObject(value)) return null;
  const [entry, ...others] = Object.entries(value);
  if (entry === undefined || others.length > 0) return null;
  const [name, argument] = entry;
  // IAM policies have a key `Condition` too, but with an object.
  if (name === 'Ref' || name.startsWith('Fn::')) return entry;
  return name === 'Condition' && typeof argument === 'string' ? entry : null;
}

/** The names in a text of `Fn::Sub`, as `Name` or `Name.Attribute`; `${!Literal}` is none. */
export const substitutedNames = (text: string): string[] =>
  [...text.matchAll(/\$\{([^!}][^}]*)\}/g)].map(([, name = '']) => name.trim());
