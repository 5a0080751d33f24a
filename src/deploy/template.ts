import { readFileSync } from 'node:fs';
import { type CollectionTag, parseDocument, type ScalarTag, visit, YAMLMap, type YAMLSeq } from 'yaml';
import { KvsInferenceError } from '../core/errors.ts';

/** Of what CreateChangeSet takes as TemplateBody, in bytes. */
const MAX_BODY_BYTES = 51_200;

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html */
export interface TemplateParameter {
  readonly Type: 'String' | 'Number';
  readonly Default?: string | number;
  readonly Description?: string;
  readonly AllowedPattern?: string;
  readonly AllowedValues?: ReadonlyArray<string | number>;
  readonly MinValue?: number;
  readonly MaxValue?: number;
  readonly MinLength?: number;
  readonly MaxLength?: number;
  readonly ConstraintDescription?: string;
}

export interface TemplateResource {
  readonly Type: string;
  readonly DeletionPolicy?: string;
  readonly Condition?: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
}

export interface TemplateRule {
  readonly RuleCondition?: unknown;
  readonly Assertions: ReadonlyArray<{ readonly Assert: unknown; readonly AssertDescription?: string }>;
}

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-cloudformation-interface.html */
interface ConsoleInterface {
  readonly ParameterGroups?: ReadonlyArray<{
    readonly Label: { readonly default: string };
    readonly Parameters: readonly string[];
  }>;
}

/** A template with its intrinsic functions in their long form: `{"Fn::Sub": …}`, `{"Ref": …}`. */
export interface Template {
  readonly Metadata?: { readonly 'AWS::CloudFormation::Interface'?: ConsoleInterface };
  readonly Parameters: Readonly<Record<string, TemplateParameter>>;
  readonly Rules?: Readonly<Record<string, TemplateRule>>;
  readonly Conditions?: Readonly<Record<string, unknown>>;
  readonly Resources: Readonly<Record<string, TemplateResource>>;
}

export interface TemplateFile {
  /** As it is deployed. */
  readonly body: string;
  readonly template: Template;
}

/** @throws {KvsInferenceError} TEMPLATE if it is too large to be deployed without a bucket */
export function readTemplateFile(path: string): TemplateFile {
  const body = readFileSync(path, 'utf8');
  const bytes = Buffer.byteLength(body);
  if (bytes > MAX_BODY_BYTES) {
    throw new KvsInferenceError('TEMPLATE', `${path} has ${bytes} bytes, more than ${MAX_BODY_BYTES}`);
  }
  return { body, template: parseTemplate(body) };
}

/** Intrinsic functions that have a short form, without their `Fn::`. */
const FUNCTIONS = [
  ...['And', 'Base64', 'Cidr', 'Contains', 'EachMemberEquals', 'EachMemberIn', 'Equals', 'FindInMap'],
  ...['GetAtt', 'GetAZs', 'If', 'ImportValue', 'Join', 'Not', 'Or', 'Select', 'Split', 'Sub'],
];

const SHORT_FORMS: (ScalarTag | CollectionTag)[] = [
  ...['Ref', 'Condition'].flatMap((name) => shortForm(name, name)),
  ...FUNCTIONS.flatMap((name) => shortForm(name, `Fn::${name}`)),
];

/** `!Name argument` is `{ key: argument }`. */
function shortForm(name: string, key: string): (ScalarTag | CollectionTag)[] {
  const tag = `!${name}`;
  const resolve = (argument: YAMLMap | YAMLSeq) => {
    const call = new YAMLMap();
    call.set(key, argument);
    return call;
  };
  return [
    { tag, resolve: (text) => ({ [key]: scalarArgument(name, text) }) },
    { tag, collection: 'seq', resolve },
    { tag, collection: 'map', resolve },
  ];
}

/** `!GetAtt A.B.C` is short for `[A, B.C]`. */
function scalarArgument(name: string, text: string): string | string[] {
  const dot = text.indexOf('.');
  return name === 'GetAtt' && dot > 0 ? [text.slice(0, dot), text.slice(dot + 1)] : text;
}

/**
 * Reads a template as CloudFormation does: JSON or YAML 1.1, where `yes` is a boolean, with short forms and without
 * aliases (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html).
 *
 * @throws {KvsInferenceError} TEMPLATE if the text is none of them, or has no resources
 */
export function parseTemplate(text: string): Template {
  const template = parsed.get(text) ?? parse(text);
  parsed.set(text, template);
  return template;
}

/** By their texts: that of the stack is mostly that of the clone, and takes a while. */
const parsed = new Map<string, Template>();

function parse(text: string): Template {
  const document = parseDocument(text, { version: '1.1', customTags: SHORT_FORMS, logLevel: 'silent' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw new KvsInferenceError('TEMPLATE', problem.message, { cause: problem });
  visit(document, {
    Alias: (_key, { source }) => {
      throw new KvsInferenceError('TEMPLATE', `CloudFormation knows no aliases: *${source}`);
    },
  });
  const value: unknown = document.toJS();
  const hasResources = typeof value === 'object' && value !== null && 'Resources' in value;
  if (!hasResources) throw new KvsInferenceError('TEMPLATE', 'a template without resources');
  return { Parameters: {}, ...(value as Omit<Template, 'Parameters'>) };
}
