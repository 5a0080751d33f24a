import { type CloudWatchLogsClient, GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeTasksCommand, type ECSClient, ListTasksCommand, type Task } from '@aws-sdk/client-ecs';
import { errorName, errorText } from '../core/errors.ts';

export interface TaskFailureOptions {
  readonly ecs: Pick<ECSClient, 'send'>;
  readonly logs: Pick<CloudWatchLogsClient, 'send'>;
  /** ARN of the service. */
  readonly service: string;
  /** Of the worker's container. */
  readonly logGroup: string;
  /** Tasks that were made before do not count. */
  readonly since: Date;
  readonly signal: AbortSignal;
}

const MAX_TASKS = 3;
const MAX_LINES = 30;
const MAX_SHOWN_LINES = 3;
const MAX_LINE_LENGTH = 500;

/** What ECS stops because there is a newer deployment, or fewer are needed. */
const WANTED = /^Scaling activity initiated by/;
/** What says why the worker ended, among its lines of JSON and what Node.js says itself. */
const TROUBLE = /"level":"(error|fatal)"|Error/;

/**
 * Why tasks of a service did not stay: what ECS says of those that have stopped, and the last that they have logged.
 * Both are gone as soon as the stack is rolled back. What cannot be read is a line, too.
 */
export async function taskFailures(options: TaskFailureOptions): Promise<string[]> {
  const { ecs, service, since, signal } = options;
  const [, cluster, serviceName] = /:service\/([^/]+)\/([^/]+)$/.exec(service) ?? [];
  if (cluster === undefined || serviceName === undefined) return [];
  try {
    const list = new ListTasksCommand({ cluster, serviceName, desiredStatus: 'STOPPED', maxResults: 100 });
    const { taskArns = [] } = await ecs.send(list, { abortSignal: signal });
    if (taskArns.length === 0) return [];
    const describe = new DescribeTasksCommand({ cluster, tasks: taskArns });
    const { tasks = [] } = await ecs.send(describe, { abortSignal: signal });
    const failed = tasks
      .filter(({ createdAt, stoppedReason = '' }) => !WANTED.test(stoppedReason) && isAfter(createdAt, since))
      .sort((one, other) => (isAfter(one.createdAt, other.createdAt) ? -1 : 1))
      .slice(0, MAX_TASKS);
    const lines = await Promise.all(failed.map((task) => taskLines(task, options)));
    return [...new Set(lines.flat())];
  } catch (error) {
    signal.throwIfAborted();
    return [`why its tasks stopped cannot be read: ${errorText(error)}`];
  }
}

function isAfter(date: Date | undefined, other: Date | undefined): boolean {
  return (date?.getTime() ?? 0) >= (other?.getTime() ?? 0);
}

/** Without the task's id: one reason of many tasks is said once. */
async function taskLines(task: Task, options: TaskFailureOptions): Promise<string[]> {
  const { stoppedReason = 'no reason given', containers = [] } = task;
  const containerLines = containers.flatMap(({ name, reason, exitCode }) => [
    ...(reason === undefined ? [] : [`container ${name}: ${reason}`]),
    ...(exitCode === undefined ? [] : [`container ${name}: exit code ${exitCode}`]),
  ]);
  return [`a task stopped: ${stoppedReason}`, ...containerLines, ...(await lastLines(task, options))];
}

/** The log driver names the stream by the prefix, the container and the task. A task that never ran has none. */
async function lastLines(
  { taskArn = '' }: Task,
  { logs, logGroup, signal }: TaskFailureOptions,
): Promise<string[]> {
  const command = new GetLogEventsCommand({
    logGroupName: logGroup,
    logStreamName: `worker/worker/${taskArn.split('/').at(-1)}`,
    startFromHead: false,
    limit: MAX_LINES,
  });
  try {
    const { events = [] } = await logs.send(command, { abortSignal: signal });
    const lines = events.flatMap(({ message }) => message?.trim().slice(0, MAX_LINE_LENGTH) || []);
    const trouble = lines.filter((line) => TROUBLE.test(line));
    return (trouble.length > 0 ? trouble : lines).slice(-MAX_SHOWN_LINES).map((line) => `log: ${line}`);
  } catch (error) {
    signal.throwIfAborted();
    if (errorName(error) === 'ResourceNotFoundException') return [];
    return [`its log cannot be read: ${errorName(error)}`];
  }
}
