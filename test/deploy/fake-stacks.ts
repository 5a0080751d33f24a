import { renderConfiguration } from '../../src/deploy/configuration.ts';
import { evaluate, type Scope } from '../../src/deploy/intrinsics.ts';
import { parseTemplate as parse, type Template } from '../../src/deploy/template.ts';

export const ACCOUNT = '123456789012';
export const REGION = 'eu-central-1';

export interface FakeStack {
  name: string;
  id: string;
  status: string;
  body: string;
  parameters: Record<string, string>;
  /** Physical ids by logical ids. */
  resources: Record<string, string>;
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
}

interface FakeChangeSet {
  id: string;
  stack: FakeStack;
  body: string;
  parameters: Record<string, string>;
  isNew: boolean;
}

/** What the parameter store of the account has. */
export type FakeParameters = Map<string, { Value: string; Type: string }>;

/** Events that each call tells of at most, so that a stack takes several. */
const EVENTS_AT_ONCE = 8;

const parsed = new Map<string, Template>();

/** Each text once. */
function parseTemplate(body: string): Template {
  const template = parsed.get(body) ?? parse(body);
  parsed.set(body, template);
  return template;
}

/** CloudFormation, as far as it is needed: stacks through their states, event by event, and their SSM parameter. */
export class FakeStacks {
  readonly stacks = new Map<string, FakeStack>();
  /** A resource that cannot be made, and why. */
  failing: { logicalId: string; reason: string } | null = null;
  readonly #changeSets = new Map<string, FakeChangeSet>();
  readonly #parameters: FakeParameters;
  #count = 0;

  constructor(parameters: FakeParameters) {
    this.#parameters = parameters;
  }

  call(action: string, input: Record<string, string>, parameters: Record<string, string>): unknown {
    const stack = this.#find(input['StackName'] ?? '');
    if (action === 'CreateChangeSet') return this.#createChangeSet(input, parameters);
    if (action === 'DescribeChangeSet') return this.#describeChangeSet(input['ChangeSetName'] ?? '');
    if (action === 'ExecuteChangeSet') return this.#execute(input['ChangeSetName'] ?? '');
    if (action === 'DeleteChangeSet') return {};
    if (stack === undefined) return null;
    if (action === 'DescribeStacks') return { Stacks: [describe(stack)] };
    if (action === 'GetTemplate') return { TemplateBody: stack.body };
    if (action === 'DeleteStack') return this.#delete(stack);
    if (action === 'DescribeStackEvents') {
      const told = stack.coming.splice(0, EVENTS_AT_ONCE);
      stack.events.push(...told);
      stack.status =
        told.filter((event) => event.PhysicalResourceId === stack.id).at(-1)?.ResourceStatus ?? stack.status;
      return { StackEvents: [...stack.events].reverse() };
    }
    return {
      StackResourceSummaries: Object.entries(stack.resources).map(([logicalId, physicalId]) => ({
        LogicalResourceId: logicalId,
        PhysicalResourceId: physicalId,
        ResourceType: typeOf(stack, logicalId),
        ResourceStatus: 'CREATE_COMPLETE',
      })),
    };
  }

  /** By name only those that are not deleted. */
  #find(nameOrId: string): FakeStack | undefined {
    return [...this.stacks.values()].find(
      ({ name, id, status }) => id === nameOrId || (name === nameOrId && status !== 'DELETE_COMPLETE'),
    );
  }

  #createChangeSet(input: Record<string, string>, given: Record<string, string>) {
    const { StackName: name = '', TemplateBody: body = '', ChangeSetType: type } = input;
    this.#count += 1;
    const id = `arn:aws:cloudformation:${REGION}:${ACCOUNT}:stack/${name}/${this.#count}`;
    const before = this.#find(name);
    const stack: FakeStack = before ?? {
      name,
      id,
      status: 'REVIEW_IN_PROGRESS',
      body,
      parameters: {},
      resources: {},
      events: [],
      coming: [],
    };
    if (before === undefined) this.stacks.set(id, stack);
    const { Parameters } = parseTemplate(body);
    const parameters = Object.fromEntries(
      Object.entries(Parameters).map(([key, { Default = '' }]) => {
        const value = given[key];
        return [key, String(value === 'UsePreviousValue' ? stack.parameters[key] : (value ?? Default))];
      }),
    );
    const changeSetId = `arn:aws:cloudformation:${REGION}:${ACCOUNT}:changeSet/${this.#count}`;
    this.#changeSets.set(changeSetId, { id: changeSetId, stack, body, parameters, isNew: type === 'CREATE' });
    return { Id: changeSetId, StackId: stack.id };
  }

  #describeChangeSet(id: string) {
    const { stack, body, parameters, isNew } = this.#changeSets.get(id) as FakeChangeSet;
    const isSame = stack.body === body && JSON.stringify(stack.parameters) === JSON.stringify(parameters);
    if (isSame) {
      const StatusReason =
        "The submitted information didn't contain changes. Submit different information to create a change set.";
      return { Status: 'FAILED', StatusReason };
    }
    const names = isNew ? Object.keys(resourcesOf(body, parameters)) : ['Params'];
    const Changes = names.map((LogicalResourceId) => ({
      Type: 'Resource',
      ResourceChange: { Action: isNew ? 'Add' : 'Modify', LogicalResourceId, ResourceType: 'AWS::A::Type' },
    }));
    return { Status: 'CREATE_COMPLETE', Changes };
  }

  #execute(id: string) {
    const { stack, body, parameters, isNew } = this.#changeSets.get(id) as FakeChangeSet;
    const verb = isNew ? 'CREATE' : 'UPDATE';
    const resources = resourcesOf(body, parameters);
    const before = isNew ? null : this.#configuration(stack);
    const physical: Record<string, string> = { ...stack.resources };
    for (const [logicalId, { Type }] of Object.entries(resources)) {
      const name = `${stack.name}-${logicalId}-0123456789AB`;
      const isLower = Type === 'AWS::S3::Bucket' || Type === 'AWS::ECR::Repository';
      const made = isLower ? name.toLowerCase() : name;
      physical[logicalId] ??= logicalId === 'Params' ? (parameters['AppName'] ?? '') : made;
    }
    this.#add(stack, `${verb}_IN_PROGRESS`, null, 'User Initiated');
    for (const logicalId of Object.keys(resources)) {
      const isTaken = isNew && logicalId === 'Params' && this.#parameters.has(parameters['AppName'] ?? '');
      const reason = isTaken ? `${parameters['AppName']} already exists` : this.#failure(logicalId);
      this.#add(stack, `${verb}_IN_PROGRESS`, logicalId, undefined, physical);
      if (reason !== undefined) {
        this.#add(stack, `${verb}_FAILED`, logicalId, reason, physical);
        const rollback = isNew ? 'ROLLBACK' : 'UPDATE_ROLLBACK';
        this.#add(
          stack,
          `${rollback}_IN_PROGRESS`,
          null,
          `The following resource(s) failed: [${logicalId}].`,
        );
        this.#add(stack, `${rollback}_COMPLETE`, null);
        return {};
      }
      this.#add(stack, `${verb}_COMPLETE`, logicalId, undefined, physical);
    }
    Object.assign(stack, { body, parameters, resources: physical });
    const after = this.#configuration(stack);
    if (after !== null && after !== before) {
      this.#parameters.set(parameters['AppName'] ?? '', { Value: after, Type: 'String' });
    }
    this.#add(stack, `${verb}_COMPLETE`, null);
    return {};
  }

  #delete(stack: FakeStack) {
    if (stack.status === 'REVIEW_IN_PROGRESS') {
      stack.status = 'DELETE_COMPLETE';
      return {};
    }
    const template = parseTemplate(stack.body);
    this.#add(stack, 'DELETE_IN_PROGRESS', null);
    for (const logicalId of Object.keys(stack.resources)) {
      const isKept = template.Resources[logicalId]?.DeletionPolicy?.startsWith('Retain');
      this.#add(stack, isKept ? 'DELETE_SKIPPED' : 'DELETE_COMPLETE', logicalId, undefined, stack.resources);
    }
    this.#parameters.delete(stack.resources['Params'] ?? '');
    this.#add(stack, 'DELETE_COMPLETE', null);
    return {};
  }

  #failure(logicalId: string): string | undefined {
    return this.failing?.logicalId === logicalId ? this.failing.reason : undefined;
  }

  #configuration({ body, parameters, resources }: FakeStack): string | null {
    const template = parseTemplate(body);
    return template.Resources['Params'] === undefined
      ? null
      : renderConfiguration(template, parameters, resources);
  }

  #add(
    stack: FakeStack,
    status: string,
    logicalId: string | null,
    reason?: string,
    physical = stack.resources,
  ) {
    this.#count += 1;
    stack.coming.push({
      EventId: `event-${this.#count}`,
      StackName: stack.name,
      LogicalResourceId: logicalId ?? stack.name,
      PhysicalResourceId: logicalId === null ? stack.id : (physical[logicalId] ?? ''),
      ResourceType: logicalId === null ? 'AWS::CloudFormation::Stack' : typeOf(stack, logicalId),
      ResourceStatus: status,
      ...(reason === undefined ? {} : { ResourceStatusReason: reason }),
    });
  }
}

function typeOf({ body }: FakeStack, logicalId: string): string {
  return parseTemplate(body).Resources[logicalId]?.Type ?? '';
}

/** Those whose condition holds. */
function resourcesOf(body: string, parameters: Record<string, string>) {
  const template = parseTemplate(body);
  return Object.fromEntries(
    Object.entries(template.Resources).filter(([, { Condition }]) =>
      Condition === undefined ? true : evaluate({ Condition }, scopeOf(template, parameters, {})),
    ),
  );
}

function describe({ name, id, status, body, parameters, resources }: FakeStack) {
  const template = parseTemplate(body) as Template & {
    Outputs?: Record<string, { Value: unknown; Condition?: string }>;
  };
  const scope = scopeOf(template, parameters, resources);
  const outputs = Object.entries(status.endsWith('_COMPLETE') ? (template.Outputs ?? {}) : {}).filter(
    ([, { Condition }]) => Condition === undefined || evaluate({ Condition }, scope) === true,
  );
  return {
    StackName: name,
    StackId: id,
    StackStatus: status,
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

function scopeOf(
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
