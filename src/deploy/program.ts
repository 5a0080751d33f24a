import { setMaxListeners } from 'node:events';
import { Command, CommanderError, Option } from 'commander';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, type ExitCode } from '../cli/exit-code.ts';
import { errorMessage, errorText, httpStatusOf, KvsInferenceError, UsageError } from '../core/errors.ts';
import { ENGINES } from './container-engine.ts';
import { type Context, say } from './context.ts';
import { type DeployOptions, deploy } from './deploy.ts';
import { type DestroyOptions, destroy } from './destroy.ts';
import { optionName, type ParameterValues } from './parameters.ts';
import { readTemplateFile, type Template } from './template.ts';

/** Runs the command that the arguments name: `deploy` or `destroy`. */
export async function run(args: readonly string[], context: Context): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT_OK;
  // As many as there are calls at once.
  setMaxListeners(Number.POSITIVE_INFINITY, context.signal);
  const program = new Command('npm run').exitOverride();
  program.configureOutput({
    writeOut: (text) => context.print(text.trimEnd()),
    writeErr: (text) => say(context, text.trimEnd()),
  });
  const command = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .usage('-- [options]')
      .copyInheritedSettings(program)
      .showHelpAfterError('(run with -- --help for the options)');
  try {
    const file = readTemplateFile(`${context.root}cloudformation/kvs-inference.yaml`);
    const { template } = file;
    deployCommand(command('deploy', 'Check, build the image, and deploy the stack.'), template).action(
      async (options: Record<string, string | undefined> & Omit<DeployOptions, 'given'>) => {
        exitCode = await deploy(file, { ...options, given: givenParameters(template, options) }, context);
      },
    );
    destroyCommand(command('destroy', 'Delete the stack, and say what stays.')).action(
      async (options: DestroyOptions) => {
        exitCode = await destroy(options, context);
      },
    );
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, context);
  }
}

function deployCommand(command: Command, template: Template): Command {
  for (const name of Object.keys(template.Parameters)) command.addOption(parameterOption(name, template));
  return command
    .optionsGroup('This command:')
    .option('--stack-name <name>', 'Of the CloudFormation stack; default: the name of the application.')
    .option('--region <region>', 'Default: that of the environment or the profile.')
    .option('--dry-run', 'Check and show the difference; change nothing.')
    .option('--yes', 'Ask nothing.')
    .option('--force', 'Deploy in spite of problems that the checks find.')
    .option('--replace-config', 'Drop what was tuned in the SSM parameter since the last deployment.')
    .option('--adopt', 'Take over the SSM parameter of this name that is not of the stack, as of KIT.')
    .option('--create-service-linked-role', 'Create the role that ECS needs, if the account has none.')
    .addOption(
      new Option(
        '--engine <engine>',
        'What builds the image; default: the first of them that works.',
      ).choices([...ENGINES, 'codebuild']),
    );
}

function destroyCommand(command: Command): Command {
  return command
    .requiredOption('--app-name <name>', 'Name of the application.')
    .option('--stack-name <name>', 'Of the CloudFormation stack; default: the name of the application.')
    .option('--region <region>', 'Default: that of the environment or the profile.')
    .option('--with-image', 'Delete the stack of the image, too.')
    .option('--with-leases', 'Delete the lease table, too: how far each stream was read.')
    .option('--dry-run', 'Say what would go and what would stay; change nothing.')
    .option('--yes', 'Ask nothing.');
}

/** What this program does with it is not in the template. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  DockerImageRepository: 'An image in Amazon ECR that is there already; default: one is built and pushed.',
  SageMakerEndpointArn: "Default: looked up, if the endpoint's name has capital letters.",
};

function parameterOption(name: string, template: Template): Option {
  const { Default = '', AllowedValues, ...parameter } = template.Parameters[name] ?? { Type: 'String' };
  const Description = DESCRIPTIONS[name] ?? parameter.Description ?? '';
  const isDefaultShown = Default !== '' && !Description.includes('default');
  const values = AllowedValues === undefined ? '' : ` One of ${AllowedValues.filter(String).join(', ')}.`;
  const description = `${Description}${values}${isDefaultShown ? ` Default: ${Default}.` : ''}`;
  return new Option(`--${optionName(name)} <value>`, description).helpGroup(`${groupOf(name, template)}:`);
}

/** The heading that the console has, too. */
function groupOf(name: string, { Metadata }: Template): string {
  const groups = Metadata?.['AWS::CloudFormation::Interface']?.ParameterGroups ?? [];
  return groups.find(({ Parameters }) => Parameters.includes(name))?.Label.default ?? 'More';
}

/** Commander hands options over under names of its own. */
function givenParameters(
  template: Template,
  options: Readonly<Record<string, string | undefined>>,
): ParameterValues {
  return Object.fromEntries(
    Object.keys(template.Parameters).flatMap((name) => {
      const value = options[parameterOption(name, template).attributeName()];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** One line for what a user can mend, and for what a service says; a stack only for what we have to. */
function report(error: unknown, context: Context): ExitCode {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  if (error instanceof KvsInferenceError) say(context, `kvs-inference: ${error.message}`);
  else if (context.signal.aborted) say(context, 'kvs-inference: stopped');
  else if (httpStatusOf(error) !== undefined) {
    say(context, `kvs-inference: ${errorText(error)}`);
  } else say(context, `kvs-inference: ${error instanceof Error ? error.stack : errorMessage(error)}`);
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}
