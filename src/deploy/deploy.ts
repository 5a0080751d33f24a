import { EXIT_FAILED, EXIT_OK, type ExitCode } from '../cli/exit-code.ts';
import { textTable } from '../cli/text-table.ts';
import { errorText, UsageError } from '../core/errors.ts';
import { type Account, findAccount } from './account.ts';
import { checkAll } from './checks/checks.ts';
import { findingsText } from './checks/finding.ts';
import { type Clients, createClients } from './clients.ts';
import type { Engine } from './container-engine.ts';
import { type Context, isWanted, requireSomebody, say } from './context.ts';
import type { DifferenceRow } from './difference.ts';
import { endpointArn } from './endpoint-arn.ts';
import { ensureImage, givenBefore, imageOutputs } from './image.ts';
import { type ParameterValues, valueProblems } from './parameters.ts';
import { makePlan, type Plan } from './plan.ts';
import { rollOut } from './roll-out.ts';
import { describeStack, outputsOf } from './stacks.ts';
import { quickCreateLink, summaryLines, uploadTemplate } from './summary.ts';
import type { TemplateFile } from './template.ts';

export interface DeployOptions {
  /** Stack parameters by their names. */
  readonly given: ParameterValues;
  readonly stackName?: string;
  readonly region?: string;
  readonly engine?: Engine | 'codebuild';
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
    const plan = await this.#plan();
    say(this.#context, `${account.arn}, ${account.region}`);
    this.#sayDifference(plan);
    const existing = await this.#existingImage(plan);
    const isRight = await this.#check(plan, existing, account);
    if (this.#options.dryRun) {
      say(this.#context, 'dry run: nothing changed');
      return isRight ? EXIT_OK : EXIT_FAILED;
    }
    if (!isRight && !this.#options.force) {
      say(this.#context, 'not deployed: mend the problems first, or deploy all the same with --force');
      return EXIT_FAILED;
    }
    if (!this.#options.yes) requireSomebody(this.#context);
    if (!(await this.#mayAdopt(plan))) return EXIT_FAILED;
    const image = existing ?? (await this.#image(plan));
    if (image === null) return this.#notDeployed();
    const changed = { ...plan.changed, DockerImageRepository: image };
    const values = { ...plan.values, DockerImageRepository: image };
    return await this.#put({ ...plan, changed, values }, account);
  }

  async #plan(): Promise<Plan> {
    const { given, stackName, replaceConfig } = this.#options;
    const { signal } = this.#context;
    const clients = this.#clients;
    const plan = await makePlan({ file: this.#file, given, stackName, replaceConfig, ...clients, signal });
    const arn = await endpointArn(given, plan.values, clients.sageMaker, signal);
    return { ...plan, values: { ...plan.values, ...arn }, changed: { ...plan.changed, ...arn } };
  }

  /** @returns null: one is to be built */
  async #existingImage({ previous, appName }: Plan): Promise<string | null> {
    const { given, engine } = this.#options;
    const image = given['DockerImageRepository'];
    if (image !== undefined || engine !== undefined) return image ?? null;
    const { cloudFormation } = this.#clients;
    const kept = await givenBefore(previous, appName, cloudFormation, this.#context.signal);
    if (kept !== null) {
      say(
        this.#context,
        `image ${kept} is kept, as it was given and not built: --engine builds one in its place`,
      );
    }
    return kept;
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
  async #check(plan: Plan, image: string | null, account: Account): Promise<boolean> {
    const { colors, signal } = this.#context;
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
    say(this.#context, 'not deployed: choose another --app-name, or --adopt');
    return false;
  }

  async #image({ appName, values }: Plan): Promise<string | null> {
    const { engine, yes } = this.#options;
    const cpuArchitecture = values['CpuArchitecture'] ?? '';
    const clients = this.#clients;
    return await ensureImage({ appName, cpuArchitecture, engine, yes, clients }, this.#context);
  }

  async #put(plan: Plan, account: Account): Promise<ExitCode> {
    const { yes } = this.#options;
    const options = { file: this.#file, clients: this.#clients, region: account.region, yes };
    if (!(await rollOut(plan, options, this.#context))) return this.#notDeployed();
    await this.#printSummary(plan, account);
    return EXIT_OK;
  }

  async #printSummary(plan: Plan, { region }: Account): Promise<void> {
    const { signal, print } = this.#context;
    const { cloudFormation } = this.#clients;
    const { appName, stackName } = plan;
    const stack = await this.#lookUp('the outputs of the stack cannot be read', () =>
      describeStack(cloudFormation, stackName, signal),
    );
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

  /** The template has to be in a bucket for it: that of the image's stack. */
  async #quickCreateLink({ appName, stackName, values }: Plan, region: string) {
    const { signal } = this.#context;
    const { cloudFormation, s3 } = this.#clients;
    return await this.#lookUp('there is no quick-create link', async () => {
      const { Bucket: bucket } = await imageOutputs(appName, cloudFormation, signal);
      if (bucket === undefined) return null;
      const templateUrl = await uploadTemplate(s3, { bucket, region, file: this.#file, signal });
      return quickCreateLink(this.#file.template, values, { region, templateUrl, stackName });
    });
  }

  /** For what is only told: the stack is there all the same. @returns null if that fails, having said so */
  async #lookUp<T>(failure: string, call: () => Promise<T>): Promise<T | null> {
    try {
      return await call();
    } catch (error) {
      say(this.#context, `${failure}: ${errorText(error)}`);
      return null;
    }
  }

  #notDeployed(): ExitCode {
    say(this.#context, 'not deployed');
    return EXIT_FAILED;
  }
}

function shorten(text: string): string {
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text;
}
