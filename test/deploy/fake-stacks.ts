import { renderConfiguration } from '../../src/deploy/configuration.ts';
import { parseTemplate } from '../../src/deploy/template.ts';
import {
  ACCOUNT,
  describe,
  type FakeEvent,
  type FakeStack,
  page,
  physicalId,
  REGION,
  resourcesOf,
  stored,
  typeOf,
  type WithOutputs,
} from './fake-stack.ts';

interface FakeChangeSet {
  id: string;
  stack: FakeStack;
  body: string;
  parameters: Record<string, string>;
  isNew: boolean;
}

/** What the parameter store of the account has. */
export type FakeParameters = Map<string, { Value: string; Type: string; Tier?: string }>;

/** An error as CloudFormation answers it, synchronously. */
export interface QueryError {
  code: string;
  message: string;
}

/** Events that each call tells of at most, so that a stack takes several. */
const EVENTS_AT_ONCE = 16;

/** CloudFormation, as far as it is needed: stacks through their states, event by event, and their SSM parameter. */
export class FakeStacks {
  readonly stacks = new Map<string, FakeStack>();
  /** A resource that cannot be made, and why. */
  failing: { logicalId: string; reason: string } | null = null;
  /** Whether what was made cannot be deleted again. */
  isRollbackFailing = false;
  /** What the next change sets are refused with. */
  refusal: { reason: string; validations: readonly { path: string; reason: string }[] } | null = null;
  /** What the next calls of an action answer with. */
  readonly errors: Record<string, QueryError[]> = {};
  /** How often nothing is told until the service is done. */
  idlePolls = 0;
  /** Whether a name is not free yet. */
  isNameTaken = (_name: string): boolean => false;
  readonly #changeSets = new Map<string, FakeChangeSet>();
  readonly #parameters: FakeParameters;
  #count = 0;

  constructor(parameters: FakeParameters) {
    this.#parameters = parameters;
  }

  /** One that somebody else has made. */
  add(name: string, given: Partial<FakeStack>): FakeStack {
    this.#count += 1;
    const stack: FakeStack = {
      name,
      id: `arn:aws:cloudformation:${REGION}:${ACCOUNT}:stack/${name}/${this.#count}`,
      status: 'CREATE_COMPLETE',
      body: '',
      parameters: {},
      isProtected: false,
      resources: {},
      states: {},
      events: [],
      coming: [],
      ...given,
    };
    this.stacks.set(stack.id, stack);
    return stack;
  }

  call(action: string, input: Record<string, string>, parameters: Record<string, string>): unknown {
    const stack = this.#find(input['StackName'] ?? '');
    if (action === 'CreateChangeSet') return this.#createChangeSet(input, parameters);
    if (action === 'DescribeStackResources') return this.#owner(input['PhysicalResourceId'] ?? '');
    if (action === 'DescribeEvents') return this.#validations();
    if (action === 'DescribeChangeSet') return this.#describeChangeSet(input['ChangeSetName'] ?? '');
    if (action === 'ExecuteChangeSet') return this.#execute(input['ChangeSetName'] ?? '');
    if (action === 'DeleteChangeSet') return this.#changeSets.delete(input['ChangeSetName'] ?? '') && {};
    if (stack === undefined) return null;
    if (action === 'ListChangeSets') return { Summaries: this.#changeSetsOf(stack) };
    if (action === 'DescribeStacks') return { Stacks: [describe(stack)] };
    if (action === 'GetTemplate') return { TemplateBody: stack.body };
    if (action === 'DeleteStack') return this.#delete(stack);
    if (action === 'DescribeStackEvents') {
      const told = this.#next(stack);
      stack.events.push(...told);
      stack.status =
        told.filter((event) => event.PhysicalResourceId === stack.id).at(-1)?.ResourceStatus ?? stack.status;
      return page(stack.events, input['NextToken']);
    }
    return {
      StackResourceSummaries: Object.entries(stack.resources).map(([logicalId, physicalId]) => ({
        LogicalResourceId: logicalId,
        PhysicalResourceId: physicalId,
        ResourceType: typeOf(stack, logicalId),
        ResourceStatus: stack.states[logicalId] ?? 'CREATE_COMPLETE',
      })),
    };
  }

  /** Whether somebody who has seen the events so far finds the cluster. */
  get hasCluster(): boolean {
    return [...this.stacks.values()].some(({ events }) => {
      const states = events.filter((event) => event.LogicalResourceId === 'Cluster');
      return /^(CREATE|UPDATE)/.test(states.at(-1)?.ResourceStatus ?? '');
    });
  }

  /** Up to a failure: what is read then is read before the rollback. */
  #next({ coming }: FakeStack): FakeEvent[] {
    const [first] = coming;
    const isWaiting =
      first?.LogicalResourceId === 'SageMakerDriverService' && !first.ResourceStatus.endsWith('IN_PROGRESS');
    if (isWaiting && this.idlePolls > 0) {
      this.idlePolls -= 1;
      return [];
    }
    const last = coming.findIndex(
      ({ ResourceStatus, LogicalResourceId }) =>
        ResourceStatus.endsWith('_FAILED') || LogicalResourceId === 'SageMakerDriverService',
    );
    return coming.splice(0, last < 0 ? EVENTS_AT_ONCE : Math.min(last + 1, EVENTS_AT_ONCE));
  }

  #owner(physicalId: string) {
    const owner = [...this.stacks.values()].find(
      ({ status, resources }) =>
        status !== 'DELETE_COMPLETE' && Object.values(resources).includes(physicalId),
    );
    if (owner === undefined) return null;
    const StackResources = Object.entries(owner.resources).map(([LogicalResourceId, PhysicalResourceId]) => ({
      StackName: owner.name,
      LogicalResourceId,
      PhysicalResourceId,
      ResourceType: typeOf(owner, LogicalResourceId),
      ResourceStatus: owner.states[LogicalResourceId] ?? 'CREATE_COMPLETE',
      Timestamp: '2026-01-01T00:00:00Z',
    }));
    return { StackResources };
  }

  #validations() {
    const { validations = [] } = this.refusal ?? {};
    return {
      OperationEvents: validations.map(({ path, reason }, index) => ({
        EventId: `validation-${index}`,
        ValidationPath: path,
        ValidationStatus: 'FAILED',
        ValidationStatusReason: reason,
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
    const stack = this.#find(name) ?? this.add(name, { status: 'REVIEW_IN_PROGRESS', body });
    this.#count += 1;
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

  #changeSetsOf(stack: FakeStack) {
    return [...this.#changeSets.values()]
      .filter((changeSet) => changeSet.stack === stack)
      .map(({ id }) => ({ ChangeSetId: id }));
  }

  /** How many nobody has executed or deleted. */
  get changeSetsLeft(): number {
    return this.#changeSets.size;
  }

  #describeChangeSet(id: string) {
    const { stack, body, parameters, isNew } = this.#changeSets.get(id) as FakeChangeSet;
    if (this.refusal !== null) return { Status: 'FAILED', StatusReason: this.refusal.reason };
    const [now, then] = [parseTemplate(stack.body), parseTemplate(body)] as WithOutputs[];
    const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);
    const isSameStack = isSame(now?.Resources, then?.Resources) && isSame(stack.parameters, parameters);
    if (isSameStack && !isNew) {
      const StatusReason =
        "The submitted information didn't contain changes. Submit different information to create a change set.";
      return isSame(now?.Outputs, then?.Outputs)
        ? { Status: 'FAILED', StatusReason }
        : { Status: 'CREATE_COMPLETE', Changes: [] };
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
    for (const { ChangeSetId } of this.#changeSetsOf(stack)) this.#changeSets.delete(ChangeSetId);
    const verb = isNew ? 'CREATE' : 'UPDATE';
    const resources = resourcesOf(body, parameters);
    const before = isNew ? null : this.#configuration(stack);
    const physical: Record<string, string> = { ...stack.resources };
    for (const [logicalId, { Type }] of Object.entries(resources)) {
      physical[logicalId] ??= physicalId(stack.name, logicalId, Type, parameters);
    }
    const target: FakeStack = { ...stack, body, parameters, resources: physical };
    const after = this.#configuration(target);
    if (isNew) Object.assign(stack, { body, parameters });
    stack.status = `${verb}_IN_PROGRESS`;
    this.#add(stack, stack.status, null, 'User Initiated');
    const made: string[] = [];
    for (const logicalId of Object.keys(resources)) {
      const name = parameters['AppName'] ?? '';
      const isOwn = logicalId === 'Params';
      const isTaken = isNew && isOwn && (this.#parameters.has(name) || this.isNameTaken(name));
      const reason = isTaken ? `${name} already exists` : this.#failure(logicalId);
      this.#add(target, `${verb}_IN_PROGRESS`, logicalId);
      if (reason !== undefined) {
        this.#add(target, `${verb}_FAILED`, logicalId, reason);
        this.#rollBack(stack, target, made, after === before ? null : before, isNew);
        return {};
      }
      this.#add(target, `${verb}_COMPLETE`, logicalId);
      if (isOwn && after !== null && after !== before) this.#parameters.set(name, stored(after));
      made.push(logicalId);
    }
    Object.assign(stack, { body, parameters, resources: physical });
    this.#add(stack, `${verb}_COMPLETE`, null);
    return {};
  }

  /** @param before what the SSM parameter gets again; null: nothing */
  #rollBack(stack: FakeStack, target: FakeStack, made: string[], before: string | null, isNew: boolean) {
    const rollback = isNew ? 'ROLLBACK' : 'UPDATE_ROLLBACK';
    const name = target.parameters['AppName'] ?? '';
    this.#add(stack, `${rollback}_IN_PROGRESS`, null, 'The following resource(s) failed.');
    const isParameterMade = made.includes('Params');
    if (!isNew && isParameterMade && before !== null) this.#parameters.set(name, stored(before));
    if (isNew && this.isRollbackFailing) {
      this.#add(target, 'DELETE_FAILED', 'Params', 'not now');
      Object.assign(stack, { resources: { Params: name }, states: { Params: 'DELETE_FAILED' } });
      this.#add(stack, 'ROLLBACK_FAILED', null);
      return;
    }
    if (isNew) for (const logicalId of made.reverse()) this.#add(target, 'DELETE_COMPLETE', logicalId);
    if (isNew && isParameterMade) this.#parameters.delete(name);
    this.#add(stack, `${rollback}_COMPLETE`, null);
  }

  #delete(stack: FakeStack) {
    if (stack.status === 'REVIEW_IN_PROGRESS') {
      stack.status = 'DELETE_COMPLETE';
      return {};
    }
    const template = parseTemplate(stack.body);
    stack.status = 'DELETE_IN_PROGRESS';
    this.#add(stack, stack.status, null);
    for (const logicalId of Object.keys(stack.resources)) {
      const isKept = template.Resources[logicalId]?.DeletionPolicy?.startsWith('Retain');
      this.#add(stack, isKept ? 'DELETE_SKIPPED' : 'DELETE_COMPLETE', logicalId);
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

  #add(stack: FakeStack, status: string, logicalId: string | null, reason?: string) {
    this.#count += 1;
    stack.coming.push({
      EventId: `event-${this.#count}`,
      StackName: stack.name,
      LogicalResourceId: logicalId ?? stack.name,
      PhysicalResourceId: logicalId === null ? stack.id : (stack.resources[logicalId] ?? ''),
      ResourceType: logicalId === null ? 'AWS::CloudFormation::Stack' : typeOf(stack, logicalId),
      ResourceStatus: status,
      Timestamp: '2026-01-01T00:00:00Z',
      ...(reason === undefined ? {} : { ResourceStatusReason: reason }),
    });
  }
}
