import {
  type CloudFormationClient,
  paginateDescribeStackEvents,
  type StackEvent,
} from '@aws-sdk/client-cloudformation';
import type { Clock } from '../core/clock.ts';
import { errorName, errorText, httpStatusOf, KvsInferenceError } from '../core/errors.ts';
import { regionOf } from './stacks.ts';

export interface FollowOptions {
  readonly cloudFormation: CloudFormationClient;
  /** The stack's id: its name means nothing any more when it is deleted. */
  readonly stackId: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onEvent: (event: StackEvent) => void;
  /** Called after the events of each time that the stack is looked at. */
  readonly onPoll: () => Promise<void>;
}

const POLL_INTERVAL_MILLIS = 2000;
/** In a row, each tried several times by the SDK. */
const MAX_FAILED_POLLS = 5;

/** The code of an error that says nothing of the stack, only that nobody looks any more. */
const INTERRUPTED = 'INTERRUPTED';

export function isGoingOn(error: unknown): boolean {
  return error instanceof KvsInferenceError && error.code === INTERRUPTED;
}

/**
 * Starts something, and hands over each event of the stack, oldest first, until it is over.
 *
 * @returns the stack's last status, such as `CREATE_COMPLETE`
 * @throws {KvsInferenceError} INTERRUPTED if the signal aborts meanwhile, or the stack cannot be looked at any more:
 *   CloudFormation goes on. With any other error nothing has been started
 */
export async function follow(start: () => Promise<void>, options: FollowOptions): Promise<string> {
  const { stackId, clock, signal, onEvent, onPoll } = options;
  let lastSeen = (await eventsSince(null, options))[0]?.EventId ?? null;
  try {
    await start();
  } catch (error) {
    const isRefused = (httpStatusOf(error) ?? 500) < 500;
    throw isRefused ? error : goesOn(`no answer (${errorName(error)})`, stackId, error);
  }
  for (let failedPolls = 0; ; ) {
    try {
      await clock.sleep(POLL_INTERVAL_MILLIS, signal);
      const events = await eventsSince(lastSeen, options);
      failedPolls = 0;
      lastSeen = events[0]?.EventId ?? lastSeen;
      let status: string | null = null;
      for (const event of events.reverse()) {
        onEvent(event);
        if (event.PhysicalResourceId === stackId) status = event.ResourceStatus ?? null;
      }
      await onPoll();
      if (status !== null && !status.endsWith('_IN_PROGRESS')) return status;
    } catch (error) {
      if (signal.aborted) throw goesOn('stopped', stackId, error);
      failedPolls += 1;
      if (failedPolls < MAX_FAILED_POLLS) continue;
      throw goesOn(`cannot look: ${errorText(error)}`, stackId, error);
    }
  }
}

function goesOn(why: string, stackId: string, cause: unknown): KvsInferenceError {
  const command = `aws cloudformation describe-stack-events --stack-name ${stackId} --region ${regionOf(stackId)}`;
  return new KvsInferenceError(
    INTERRUPTED,
    `${why}; CloudFormation goes on by itself; to see how: ${command}`,
    {
      cause,
    },
  );
}

/** Newest first, as the service gives them; with null the newest page. */
async function eventsSince(
  lastSeen: string | null,
  { cloudFormation, stackId, signal }: FollowOptions,
): Promise<StackEvent[]> {
  const events: StackEvent[] = [];
  const pages = paginateDescribeStackEvents(
    { client: cloudFormation },
    { StackName: stackId },
    { abortSignal: signal },
  );
  for await (const { StackEvents = [] } of pages) {
    for (const event of StackEvents) {
      if (event.EventId === lastSeen) return events;
      events.push(event);
    }
    if (lastSeen === null) return events;
  }
  return events;
}
