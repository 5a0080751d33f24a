import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseTemplate as parse } from '../../src/deploy/template.ts';

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

export const parseTemplate = (text: string) => parse(text) as unknown as Template;

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
