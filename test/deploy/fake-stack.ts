import { evaluate, type Scope } from '../../src/deploy/intrinsics.ts';
import { parseTemplate, type Template } from '../../src/deploy/template.ts';

export const ACCOUNT = '123456789012';
export const REGION = 'eu-central-1';

export interface FakeStack {
  name: string;
  id: string;
  status: string;
  body: string;
  parameters: Record<string, string>;
  isProtected: boolean;
  /** Physical ids by logical ids. */
  resources: Record<string, string>;
  /** Those that are not CREATE_COMPLETE, by logical ids. */
  states: Record<string, string>;
  events: FakeEvent[];
  /** Not told of yet. */
  coming: FakeEvent[];
}

export interface FakeEvent {
  EventId: string;
  StackName: string;
  LogicalResourceId: string;
  PhysicalResourceId: string;
  ResourceType: string;
  ResourceStatus: string;
  ResourceStatusReason?: string;
  Timestamp: string;
}

const EVENTS_PER_PAGE = 10;

/** Newest first, the last ones or those up to the token. */
export function page(events: readonly FakeEvent[], token: string | undefined) {
  const end = token === undefined ? events.length : Number(token);
  const begin = Math.max(0, end - EVENTS_PER_PAGE);
  const StackEvents = events.slice(begin, end).reverse();
  return begin === 0 ? { StackEvents } : { StackEvents, NextToken: String(begin) };
}

export function stored(Value: string) {
  return { Value, Type: 'String' };
}

export function physicalId(
  stack: string,
  logicalId: string,
  type: string,
  parameters: Record<string, string>,
) {
  const name = `${stack}-${logicalId}-0123456789AB`;
  if (logicalId === 'Params') return parameters['AppName'] ?? '';
  if (type === 'AWS::ECS::Service') {
    return `arn:aws:ecs:${REGION}:${ACCOUNT}:service/${stack}-Cluster-0123456789AB/${name}`;
  }
  return type === 'AWS::S3::Bucket' || type === 'AWS::ECR::Repository' ? name.toLowerCase() : name;
}

/** What this program does not look at. */
export type WithOutputs = Template & {
  Description?: string;
  Outputs?: Record<string, { Value: unknown; Condition?: string }>;
};

export function typeOf({ body }: FakeStack, logicalId: string): string {
  return parseTemplate(body).Resources[logicalId]?.Type ?? '';
}

/** Those whose condition holds. */
export function resourcesOf(body: string, parameters: Record<string, string>) {
  const template = parseTemplate(body);
  return Object.fromEntries(
    Object.entries(template.Resources).filter(([, { Condition }]) =>
      Condition === undefined ? true : evaluate({ Condition }, scopeOf(template, parameters, {})),
    ),
  );
}

export function describe({ name, id, status, body, parameters, resources, isProtected }: FakeStack) {
  const template = parseTemplate(body) as WithOutputs;
  const scope = scopeOf(template, parameters, resources);
  const outputs = Object.entries(status.endsWith('_COMPLETE') ? (template.Outputs ?? {}) : {}).filter(
    ([, { Condition }]) => Condition === undefined || evaluate({ Condition }, scope) === true,
  );
  return {
    StackName: name,
    StackId: id,
    StackStatus: status,
    EnableTerminationProtection: isProtected,
    ...(template.Description === undefined ? {} : { Description: template.Description }),
    CreationTime: '2026-01-01T00:00:00Z',
    Parameters: Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({
      ParameterKey,
      ParameterValue,
    })),
    Outputs: outputs.map(([OutputKey, { Value }]) => ({
      OutputKey,
      OutputValue: String(evaluate(Value, scope)),
    })),
  };
}

export function scopeOf(
  template: Template,
  parameters: Record<string, string>,
  resources: Record<string, string>,
): Scope {
  const pseudo: Record<string, string> = {
    'AWS::Region': REGION,
    'AWS::AccountId': ACCOUNT,
    'AWS::Partition': 'aws',
  };
  return {
    ref: (name) => parameters[name] ?? resources[name] ?? pseudo[name],
    getAtt: (logicalId, attribute) =>
      attribute === 'RepositoryUri'
        ? `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com/${resources[logicalId]}`
        : `${logicalId}.${attribute}`,
    conditions: template.Conditions ?? {},
  };
}
