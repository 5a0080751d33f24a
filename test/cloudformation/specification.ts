import type { Property, PropertyType, Resource, SpecDatabase } from '@aws-cdk/service-spec-types';
import { calledFunction, isObject, type Json, type JsonObject, type Template } from './template.ts';

/** What a value can stand for once its functions are called. */
type Shape = 'scalar' | 'list' | 'any';

const SHAPE_OF_FUNCTION: Record<string, Shape> = {
  'Fn::Split': 'list',
  'Fn::GetAZs': 'list',
  'Fn::Cidr': 'list',
  'Fn::Sub': 'scalar',
  'Fn::Join': 'scalar',
  'Fn::Base64': 'scalar',
  'Fn::Select': 'scalar',
  'Fn::ImportValue': 'scalar',
  'Fn::FindInMap': 'any',
};

/** The specification's entry of a resource type, such as `AWS::SQS::Queue`; undefined if there is none. */
export function resourceType(specification: SpecDatabase, type: string): Resource | undefined {
  return specification.lookup('resource', 'cloudFormationType', 'equals', type)[0];
}

/** Everything in the resources of a template that AWS's resource specification does not know or allow. */
export function specificationProblems(template: Template, specification: SpecDatabase): string[] {
  return Object.entries(template.Resources).flatMap(([id, { Type, Properties = {} }]) => {
    const type = resourceType(specification, Type);
    if (type === undefined) return [`${id}: there is no resource type ${Type}`];
    return new PropertyCheck(template, specification).object(Properties, type.properties, id);
  });
}

class PropertyCheck {
  readonly #template: Template;
  readonly #specification: SpecDatabase;

  constructor(template: Template, specification: SpecDatabase) {
    this.#template = template;
    this.#specification = specification;
  }

  object(value: JsonObject, properties: Readonly<Record<string, Property>>, path: string): string[] {
    const missing = Object.entries(properties)
      .filter(([name, { required }]) => required === true && !(name in value))
      .map(([name]) => `${path}.${name} is missing`);
    const present = Object.entries(value).flatMap(([name, propertyValue]) => {
      const property = properties[name];
      if (property === undefined) return [`${path} has no property ${name}`];
      return this.#typed(propertyValue, property.type, `${path}.${name}`, property.required !== true);
    });
    return [...missing, ...present];
  }

  #typed(value: Json, type: PropertyType, path: string, optional = false): string[] {
    const call = calledFunction(value);
    if (call !== null) return this.#call(call, type, path, optional);
    switch (type.type) {
      case 'string':
        return typeof value === 'string'
          ? allowed(value, type.allowedValues, path)
          : [not(value, 'text', path)];
      case 'integer':
        return Number.isInteger(value) ? [] : [not(value, 'a whole number', path)];
      case 'number':
        return typeof value === 'number' ? [] : [not(value, 'a number', path)];
      case 'boolean':
        return typeof value === 'boolean' ? [] : [not(value, 'true or false', path)];
      case 'date-time':
        return typeof value === 'string' ? [] : [not(value, 'a time as text', path)];
      case 'null':
        return value === null ? [] : [not(value, 'null', path)];
      case 'json':
        return value === null ? [not(value, 'JSON', path)] : [];
      case 'tag':
        return isObject(value) ? this.object(value, TAG, path) : [not(value, 'a tag', path)];
      case 'array':
        if (!Array.isArray(value)) return [not(value, 'a list', path)];
        return value.flatMap((each, index) => this.#typed(each, type.element, `${path}[${index}]`, true));
      case 'map':
        if (!isObject(value)) return [not(value, 'an object', path)];
        return Object.entries(value).flatMap(([key, each]) =>
          this.#typed(each, type.element, `${path}.${key}`),
        );
      case 'ref': {
        if (!isObject(value)) return [not(value, 'an object', path)];
        const definition = this.#specification.get('typeDefinition', type.reference.$ref);
        return this.object(value, definition.properties, path);
      }
      case 'union': {
        const attempts = type.types.map((each) => this.#typed(value, each, path));
        return attempts.find((problems) => problems.length === 0) ?? attempts[0] ?? [];
      }
    }
  }

  #call([name, argument]: [string, Json], type: PropertyType, path: string, optional: boolean): string[] {
    if (name === 'Fn::If' && Array.isArray(argument)) {
      return argument.slice(1).flatMap((branch) => this.#typed(branch, type, path, optional));
    }
    if (name === 'Ref' && argument === 'AWS::NoValue') {
      return optional ? [] : [`${path} cannot be left out`];
    }
    if (type.type === 'union') {
      const attempts = type.types.map((each) => this.#call([name, argument], each, path, optional));
      return attempts.find((problems) => problems.length === 0) ?? attempts[0] ?? [];
    }
    const shape = this.#shape(name, argument);
    const wanted =
      type.type === 'array' ? 'list' : ['ref', 'map', 'tag'].includes(type.type) ? 'object' : 'scalar';
    if (shape !== 'any' && shape !== wanted && type.type !== 'json') {
      return [`${path}: ${name} gives a ${shape}, not a ${wanted}`];
    }
    return name === 'Ref' ? this.#parameter(String(argument), type, path) : [];
  }

  #shape(name: string, argument: Json): Shape {
    if (name === 'Ref') {
      const type = this.#template.Parameters?.[String(argument)]?.Type ?? 'String';
      return /List/.test(type) ? 'list' : 'scalar';
    }
    if (name === 'Fn::GetAtt' && Array.isArray(argument)) {
      const [id, attribute] = argument.map(String);
      const type = resourceType(this.#specification, this.#template.Resources[id ?? '']?.Type ?? '');
      const kind = type?.attributes[attribute ?? '']?.type.type;
      return kind === 'array' ? 'list' : kind === 'json' ? 'any' : 'scalar';
    }
    return SHAPE_OF_FUNCTION[name] ?? 'any';
  }

  /** Each value that a parameter allows must suit the property, too. */
  #parameter(name: string, type: PropertyType, path: string): string[] {
    const parameter = this.#template.Parameters?.[name];
    if (parameter === undefined) return [];
    const isNumber = type.type === 'integer' || type.type === 'number';
    if (isNumber && parameter.Type !== 'Number')
      return [`${path} is a number, but ${name} is a ${parameter.Type}`];
    if (type.type !== 'string') return [];
    return (parameter.AllowedValues ?? [])
      .filter((value) => value !== '')
      .flatMap((value) => allowed(String(value), type.allowedValues, `${path} from ${name}`));
  }
}

const TAG: Record<string, Property> = {
  Key: { type: { type: 'string' }, required: true },
  Value: { type: { type: 'string' }, required: true },
};

const not = (value: Json, expected: string, path: string) =>
  `${path} is ${JSON.stringify(value)}, not ${expected}`;

function allowed(value: string, values: readonly string[] | undefined, path: string): string[] {
  if (values === undefined || values.includes(value)) return [];
  return [`${path} is ${value}, not one of ${values.join(', ')}`];
}
