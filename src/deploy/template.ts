import { readFileSync } from 'node:fs';
import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml';
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

/** @throws {KvsInferenceError} TEMPLATE if the text is no YAML or JSON, or has no resources */
export function parseTemplate(text: string): Template {
  // The short forms of the intrinsic functions are tags that no schema knows.
  const document = parseDocument(text, { logLevel: 'silent' });
  const [error] = document.errors;
  if (error !== undefined) throw new KvsInferenceError('TEMPLATE', error.message, { cause: error });
  const value = plain(document.contents);
  const hasResources = typeof value === 'object' && value !== null && 'Resources' in value;
  if (!hasResources) throw new KvsInferenceError('TEMPLATE', 'a template without resources');
  return { Parameters: {}, ...(value as Omit<Template, 'Parameters'>) };

  function plain(node: unknown): unknown {
    if (isAlias(node)) return plain(node.resolve(document));
    const content = untagged(node);
    const tag = (node as Node | null)?.tag;
    return tag?.startsWith('!') && !tag.startsWith('!!') ? longForm(tag.slice(1), content) : content;
  }

  function untagged(node: unknown): unknown {
    if (isScalar(node)) return node.value;
    if (isSeq(node)) return node.items.map(plain);
    if (!isMap(node)) return null;
    return Object.fromEntries(node.items.map(({ key, value }) => [String(plain(key)), plain(value)]));
  }
}

function longForm(name: string, value: unknown): Record<string, unknown> {
  if (name === 'Ref' || name === 'Condition') return { [name]: value };
  if (name === 'GetAtt' && typeof value === 'string') {
    const dot = value.indexOf('.');
    return { 'Fn::GetAtt': [value.slice(0, dot), value.slice(dot + 1)] };
  }
  return { [`Fn::${name}`]: value };
}
