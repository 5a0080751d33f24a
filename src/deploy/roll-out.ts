import type { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { applyChangeSet, removeStack, sayChanges } from './apply.ts';
import { type ChangeSet, createChangeSet, discardChangeSet } from './change-set.ts';
import type { Clients } from './clients.ts';
import { type Context, isAgreed, say } from './context.ts';
import { LiveParameter } from './live-parameter.ts';
import { changeSetParameters } from './parameters.ts';
import type { Plan } from './plan.ts';
import { watchService } from './service-watch.ts';
import { describeStack, stackState } from './stacks.ts';
import type { TemplateFile } from './template.ts';

export interface RollOutOptions {
  readonly file: TemplateFile;
  readonly clients: Pick<Clients, 'cloudFormation' | 'ssm' | 'ecs' | 'logs'>;
  readonly region: string;
  readonly yes: boolean | undefined;
}

/**
 * Makes the stack what the plan says, with its SSM parameter.
 *
 * @returns whether it is; false: that is not wanted
 * @throws {KvsInferenceError} STACK_FAILED, INTERRUPTED if CloudFormation goes on alone, CHANGED if the SSM parameter
 *   does not hold any more what the plan was made with
 */
export async function rollOut(plan: Plan, options: RollOutOptions, context: Context): Promise<boolean> {
  return await new RollOut(plan, options, context).run();
}

class RollOut {
  readonly #plan: Plan;
  readonly #options: RollOutOptions;
  readonly #cloudFormation: CloudFormationClient;
  readonly #live: LiveParameter;
  readonly #context: Context;

  constructor(plan: Plan, options: RollOutOptions, context: Context) {
    this.#plan = plan;
    this.#options = options;
    this.#cloudFormation = options.clients.cloudFormation;
    this.#live = new LiveParameter(options.clients.ssm, plan.appName, options.region, context);
    this.#context = context;
  }

  async run(): Promise<boolean> {
    const { state, foreign } = this.#plan;
    if (state === 'failed' && !(await this.#removeFailed())) return false;
    if (state === 'usable') return await this.#update();
    return foreign === null ? await this.#create() : await this.#createInPlaceOf(foreign);
  }

  /** Its own SSM parameter goes with it. */
  async #removeFailed(): Promise<boolean> {
    const { stackName, stack } = this.#plan;
    const question = `Stack ${stackName} is ${stack?.StackStatus}, and has to be deleted first. Delete it?`;
    if (!(await this.#isAgreed(question))) return false;
    const stackId = stack?.StackId ?? stackName;
    await removeStack({ cloudFormation: this.#cloudFormation, stackName, stackId }, this.#context);
    return true;
  }

  async #create(): Promise<boolean> {
    const changeSet = await this.#changeSet();
    if (changeSet === null) return true;
    if (!(await this.#isGo(changeSet, null))) return false;
    await this.#apply(changeSet);
    return true;
  }

  async #update(): Promise<boolean> {
    const { stackName, seen, before, lost } = this.#plan;
    const changeSet = await this.#changeSet();
    if (changeSet === null) {
      say(this.#context, `stack ${stackName}: no changes`);
      return await this.#setParameterAlone();
    }
    if (!(await this.#isGo(changeSet, seen))) return false;
    const live = seen ?? lost;
    const update = () => this.#apply(changeSet);
    if (live === null) await update();
    else await this.#live.keepThrough(live, before, update);
    await this.#overwriteLeftAlone();
    return true;
  }

  /** CloudFormation has nothing to do, and writes no value a second time. */
  async #setParameterAlone(): Promise<boolean> {
    const { appName, lost, isLeftAlone } = this.#plan;
    if (lost === null && !isLeftAlone) return true;
    const question = `Put the configuration as shown into the SSM parameter ${appName}?`;
    if (!(await this.#isAgreed(question))) return false;
    if (lost !== null) await this.#live.putBack(lost);
    await this.#overwriteLeftAlone();
    return true;
  }

  async #overwriteLeftAlone(): Promise<void> {
    const { isLeftAlone, tuning, seen } = this.#plan;
    if (!isLeftAlone) return;
    await this.#live.requireStill(seen);
    await this.#live.overwrite(tuning.next);
  }

  /** Asks first: from when it is deleted on, nobody is to wait for an answer. */
  async #createInPlaceOf(foreign: string): Promise<boolean> {
    const { stackName, appName } = this.#plan;
    const question = `Create the stack ${stackName}, with an SSM parameter ${appName} of its own in place of this one?`;
    if (!(await this.#isAgreed(question))) return false;
    await this.#live.requireStill(foreign);
    const create = async () => {
      const changeSet = await this.#changeSet();
      if (changeSet === null) return;
      sayChanges(changeSet, this.#context);
      await this.#apply(changeSet);
    };
    const isGone = async (signal: AbortSignal) =>
      stackState(await describeStack(this.#cloudFormation, stackName, signal)) === 'none';
    await this.#live.setAside(foreign, create, isGone);
    return true;
  }

  async #changeSet(): Promise<ChangeSet | null> {
    const { stackName, state, changed, previous } = this.#plan;
    const { body, template } = this.#options.file;
    const { clock, signal } = this.#context;
    return await createChangeSet({
      cloudFormation: this.#cloudFormation,
      stackName,
      templateBody: body,
      parameters: changeSetParameters(template, changed, previous),
      type: state === 'usable' ? 'UPDATE' : 'CREATE',
      clock,
      signal,
    });
  }

  /**
   * Asks, and has the SSM parameter there for the change.
   *
   * @param expected what it has to hold still when the answer has come
   */
  async #isGo(changeSet: ChangeSet, expected: string | null): Promise<boolean> {
    sayChanges(changeSet, this.#context);
    try {
      const isAgreedTo = await this.#isAgreed(`Deploy this as stack ${this.#plan.stackName}?`);
      if (isAgreedTo) {
        await this.#live.requireStill(expected);
        if (this.#plan.lost !== null) await this.#live.putBack(this.#plan.lost);
        return true;
      }
    } catch (error) {
      // The first error is the one to be told.
      await discardChangeSet(this.#cloudFormation, changeSet).catch(() => undefined);
      throw error;
    }
    await discardChangeSet(this.#cloudFormation, changeSet);
    return false;
  }

  async #apply(changeSet: ChangeSet): Promise<void> {
    const { stackName, appName } = this.#plan;
    const { stackId } = changeSet;
    const observer = watchService(this.#options.clients, appName, this.#context);
    const cloudFormation = this.#cloudFormation;
    await applyChangeSet(changeSet, { cloudFormation, stackName, stackId, observer }, this.#context);
  }

  async #isAgreed(question: string): Promise<boolean> {
    return await isAgreed(question, this.#options.yes, this.#context);
  }
}
