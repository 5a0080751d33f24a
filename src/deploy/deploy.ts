import { PutParameterCommand } from '@aws-sdk/client-ssm';
import { EXIT_FAILED, EXIT_OK, type ExitCode } from '../cli/exit-code.ts';
import { textTable } from '../cli/text-table.ts';
import { errorMessage, errorName, UsageError } from '../core/errors.ts';
import { type Account, findAccount } from './account.ts';
import { applyChangeSet, removeStack, sayChanges } from './apply.ts';
import { type ChangeSet, createChangeSet, discardChangeSet } from './change-set.ts';
import { checkAll } from './checks/checks.ts';
import { findingsText } from './checks/finding.ts';
import { type Clients, createClients } from './clients.ts';
import type { Engine } from './container-engine.ts';
import { type Context, isAgreed, isWanted, requireSomebody, say } from './context.ts';
import type { DifferenceRow } from './difference.ts';
import { withoutForeign } from './foreign-parameter.ts';
import { ensureImage, imageStackName } from './image.ts';
import { changeSetParameters, type ParameterValues, valueProblems } from './parameters.ts';
import { makePlan, type Plan } from './plan.ts';
import { describeStack, outputsOf } from './stacks.ts';
import { quickCreateLink, summaryLines, uploadTemplate } from './summary.ts';
import type { TemplateFile } from './template.ts';

export interface DeployOptions {
  /** Stack parameters by their names. */
  readonly given: ParameterValues;
  readonly stackName?: string;
  readonly region?: string;
  readonly engine?: Engine | 'codebuild';
  readonly templateBucket?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly replaceConfig?: boolean;
  readonly adopt?: boolean;
  readonly createServiceLinkedRole?: boolean;
}

/** Longer values are cut in the table of differences. */
const MAX_VALUE_LENGTH = 48;

/** Checks, builds the image, shows what changes, asks, and deploys. */
export async function deploy(
  file: TemplateFile,
  options: DeployOptions,
  context: Context,
): Promise<ExitCode> {
  const problems = valueProblems(file.template, options.given);
  if (problems.length > 0) throw new UsageError(problems.join('\n'));
  const clients = createClients(options.region);
  try {
    return await new Deployment(file, options, clients, context).run();
  } finally {
    clients.destroy();
  }
}

class Deployment {
  readonly #file: TemplateFile;
  readonly #options: DeployOptions;
  readonly #clients: Clients;
  readonly #context: Context;

  constructor(file: TemplateFile, options: DeployOptions, clients: Clients, context: Context) {
    this.#file = file;
    this.#options = options;
    this.#clients = clients;
    this.#context = context;
  }

  async run(): Promise<ExitCode> {
    const { signal } = this.#context;
    const account = await findAccount(this.#clients, signal);
    const { given, stackName, replaceConfig, dryRun } = this.#options;
    const plan = await makePlan({
      file: this.#file,
      given,
      stackName,
      replaceConfig,
      ...this.#clients,
      signal,
    });
    say(this.#context, `${account.arn}, ${account.region}`);
    this.#sayDifference(plan);
    const isRight = await this.#check(plan, account);
    if (dryRun) {
      say(this.#context, 'dry run: nothing changed');
      return isRight ? EXIT_OK : EXIT_FAILED;
    }
    if (!isRight && !this.#options.force) {
      say(this.#context, 'nothing changed: mend the problems first, or deploy all the same with --force');
      return EXIT_FAILED;
    }
    if (!this.#options.yes) requireSomebody(this.#context);
    if (!(await this.#mayAdopt(plan))) return EXIT_FAILED;
    const image = plan.changed['DockerImageRepository'] ?? (await this.#image(plan));
    if (image === null) return this.#nothingChanged();
    return await this.#put({ ...plan, changed: { ...plan.changed, DockerImageRepository: image } }, account);
  }

  #sayDifference({ appName, tuning, foreign, state }: Plan): void {
    const { colors } = this.#context;
    const whose = foreign === null ? '' : ', which is not of this stack';
    if (tuning.rows.length > 0) {
      const rows = tuning.rows.map(({ key, live, next, what }: DifferenceRow) => [
        key,
        shorten(live ?? '(none)'),
        shorten(next ?? '(none)'),
        what,
      ]);
      say(this.#context, `configuration in the SSM parameter ${appName}${whose}:`);
      say(this.#context, textTable(['key', 'live', 'new', 'what happens'], rows, [], colors));
    } else if (state === 'usable') say(this.#context, `configuration in ${appName}: stays as it is`);
  }

  /** @returns whether nothing is in the way */
  async #check(plan: Plan, account: Account): Promise<boolean> {
    const { colors, signal } = this.#context;
    const image = this.#options.given['DockerImageRepository'];
    const mayCreateRole = () => this.#mayCreateRole();
    const findings = await checkAll(plan, {
      ...account,
      image,
      mayCreateRole,
      clients: this.#clients,
      signal,
    });
    say(this.#context, findingsText(findings, colors));
    return findings.every(({ state }) => state !== 'problem');
  }

  async #mayCreateRole(): Promise<boolean> {
    const { createServiceLinkedRole, dryRun } = this.#options;
    if (dryRun) return false;
    if (createServiceLinkedRole) return true;
    const question = 'This account has no role AWSServiceRoleForECS, which ECS needs. Create it?';
    return await isWanted(question, '--create-service-linked-role', this.#options.yes, this.#context);
  }

  async #mayAdopt({ appName, foreign, stackName }: Plan): Promise<boolean> {
    if (foreign === null || this.#options.adopt) return true;
    say(
      this.#context,
      `There is an SSM parameter ${appName} already, and it is not of the stack ${stackName}.`,
    );
    const question = 'Take its keys over, and put the parameter of the stack in its place?';
    if (await isWanted(question, '--adopt', this.#options.yes, this.#context)) return true;
    say(this.#context, 'nothing changed: choose another --app-name, or --adopt');
    return false;
  }

  async #image({ appName, values }: Plan): Promise<string | null> {
    const { engine, yes } = this.#options;
    const cpuArchitecture = values['CpuArchitecture'] ?? '';
    const clients = this.#clients;
    return await ensureImage({ appName, cpuArchitecture, engine, yes, clients }, this.#context);
  }

  async #put(plan: Plan, account: Account): Promise<ExitCode> {
    const { cloudFormation, ssm } = this.#clients;
    const { appName, stackName, state, stack } = plan;
    if (state === 'failed') {
      const question = `Stack ${stackName} is ${stack?.StackStatus}, and has to be deleted first. Delete it?`;
      if (!(await isAgreed(question, this.#options.yes, this.#context))) return this.#nothingChanged();
      await removeStack({ cloudFormation, stackName, stackId: stack?.StackId ?? stackName }, this.#context);
    }
    if (plan.lost !== null) await this.#putBack(appName, plan.lost);
    const isDone = await withoutForeign(plan, ssm, () => this.#change(plan), this.#context);
    if (!isDone) return this.#nothingChanged();
    if (plan.isLeftAlone) await this.#overwrite(plan);
    await this.#printSummary(plan, account);
    return EXIT_OK;
  }

  /** @returns whether the stack is as it should be; false: it is not wanted */
  async #change(plan: Plan): Promise<boolean> {
    const { clock, signal } = this.#context;
    const { cloudFormation } = this.#clients;
    const { stackName, previous, changed } = plan;
    const changeSet: ChangeSet = await createChangeSet({
      cloudFormation,
      stackName,
      templateBody: this.#file.body,
      parameters: changeSetParameters(this.#file.template, changed, previous),
      type: plan.state === 'usable' ? 'UPDATE' : 'CREATE',
      clock,
      signal,
    });
    if (changeSet.changes.length === 0) {
      say(this.#context, `stack ${stackName}: no changes`);
      return true;
    }
    sayChanges(changeSet, this.#context);
    const isGo = await isAgreed(`Deploy this as stack ${stackName}?`, this.#options.yes, this.#context);
    if (!isGo) {
      await discardChangeSet(cloudFormation, changeSet);
      return false;
    }
    await applyChangeSet(changeSet, { cloudFormation, stackName, stackId: changeSet.stackId }, this.#context);
    return true;
  }

  /** CloudFormation cannot change what is gone. */
  async #putBack(Name: string, Value: string): Promise<void> {
    await this.#clients.ssm.send(new PutParameterCommand({ Name, Value, Type: 'String' }));
    say(this.#context, `the SSM parameter ${Name} was deleted: put back`);
  }

  async #overwrite({ appName: Name, tuning: { next: Value } }: Plan): Promise<void> {
    await this.#clients.ssm.send(new PutParameterCommand({ Name, Value, Overwrite: true }));
    say(this.#context, `configuration in ${Name} replaced`);
  }

  async #printSummary(plan: Plan, { region }: Account): Promise<void> {
    const { signal, print } = this.#context;
    const { cloudFormation } = this.#clients;
    const { appName, stackName } = plan;
    const stack = await describeStack(cloudFormation, stackName, signal);
    const link = await this.#quickCreateLink(plan, region);
    const lines = summaryLines({
      appName,
      stackName,
      region,
      outputs: outputsOf(stack),
      quickCreateLink: link,
    });
    for (const line of lines) print(line);
  }

  /** The template has to be in a bucket for it: one that is named, or that of the image's stack. */
  async #quickCreateLink({ appName, stackName, values, changed }: Plan, region: string) {
    const { signal } = this.#context;
    const { cloudFormation, s3 } = this.#clients;
    const bucket =
      this.#options.templateBucket ??
      outputsOf(await describeStack(cloudFormation, imageStackName(appName), signal))['Bucket'];
    if (bucket === undefined) return null;
    try {
      const templateUrl = await uploadTemplate(s3, { bucket, region, file: this.#file, signal });
      const all = { ...values, ...changed };
      return quickCreateLink(this.#file.template, all, { region, templateUrl, stackName });
    } catch (error) {
      // The stack is there all the same.
      say(
        this.#context,
        `the template cannot be put into ${bucket}: ${errorName(error)}: ${errorMessage(error)}`,
      );
      return null;
    }
  }

  #nothingChanged(): ExitCode {
    say(this.#context, 'nothing changed');
    return EXIT_FAILED;
  }
}

function shorten(text: string): string {
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text;
}
