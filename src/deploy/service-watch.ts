import type { StackEvent } from '@aws-sdk/client-cloudformation';
import type { Clients } from './clients.ts';
import { type Context, say } from './context.ts';
import { taskFailures } from './task-failures.ts';

/** Looks on while a stack is created or updated. */
export interface StackObserver {
  readonly event: (event: StackEvent) => void;
  /** After the events of each time that the stack is looked at. */
  readonly poll: () => Promise<void>;
  /** What it has found out about the reasons of a failure. */
  readonly reasons: () => readonly string[];
}

/** Logical id of the workers' service. */
const SERVICE = 'SageMakerDriverService';

/** A service that becomes steady is done before; one that does not takes many minutes until it is given up. */
const READ_INTERVAL_MILLIS = 60_000;
const MAX_REASONS = 12;

/** Says why the workers' tasks do not start, now and then while ECS tries, and at once when that has failed. */
export function watchService(
  { ecs, logs }: Pick<Clients, 'ecs' | 'logs'>,
  appName: string,
  context: Context,
): StackObserver {
  const { clock, signal } = context;
  const found = new Set<string>();
  let service: string | null = null;
  let since: Date | null = null;
  let state: 'none' | 'starting' | 'failed' | 'over' = 'none';
  let readAt = clock.monotonic();

  const read = async () => {
    readAt = clock.monotonic();
    if (service === null || since === null) return;
    const logGroup = `/kvs-inference/${appName}/worker`;
    const lines = await taskFailures({ ecs, logs, logGroup, service, since, signal });
    for (const line of lines) {
      if (found.has(line) || found.size === MAX_REASONS) continue;
      found.add(line);
      say(context, `  ${SERVICE}: ${line}`);
    }
  };
  return {
    event: ({ LogicalResourceId, PhysicalResourceId, ResourceStatus = '', Timestamp }) => {
      // What the rollback does to it says nothing.
      if (LogicalResourceId !== SERVICE || state === 'failed' || state === 'over') return;
      if (state === 'none') readAt = clock.monotonic();
      since ??= Timestamp ?? null;
      service = PhysicalResourceId || service;
      if (ResourceStatus.endsWith('_FAILED')) state = 'failed';
      else state = ResourceStatus.endsWith('_COMPLETE') ? 'over' : 'starting';
    },
    poll: async () => {
      const isDue = state === 'starting' && clock.monotonic() - readAt >= READ_INTERVAL_MILLIS;
      if (state !== 'failed' && !isDue) return;
      await read();
      if (state === 'failed') state = 'over';
    },
    reasons: () => [...found].map((line) => `${SERVICE}: ${line}`),
  };
}
