import type { Clock } from '../../core/clock.ts';
import { errorText, KvsInferenceError, UsageError } from '../../core/errors.ts';
import { isTransientAwsError, retry } from '../../core/retry.ts';
import { isStreamLease } from '../../lease/keys.ts';
import { LeaseTable } from '../../lease/table.ts';
import type { TableClient } from '../../lease/table-client.ts';
import { EXIT_FAILED, EXIT_OK, type ExitCode } from '../exit-code.ts';
import { type Change, consequences, positionText, startAt } from './change.ts';
import { isConfirmed, isInteractive, type Terminal } from './question.ts';
import { similarNames } from './similar.ts';
import type { LeasesView, LeaseView } from './view.ts';

export interface ChangeLeaseOptions {
  client: TableClient;
  tableName: string;
  read: () => Promise<LeasesView>;
  streamName: string;
  change: Change;
  /** Do not ask. */
  yes: boolean;
  /** Where the consequences stand, and the question is asked. */
  terminal: Terminal;
  /** Is handed what is so in the end. */
  print: (line: string) => void;
  clock: Clock;
  signal: AbortSignal;
}

const RETRIES = { attempts: 5, baseDelayMillis: 100, maxDelayMillis: 1000 };

/**
 * Says what the change does, asks, and makes it.
 *
 * @returns EXIT_FAILED if the answer is no
 * @throws {UsageError} if there is no such lease, or nobody to ask
 * @throws {KvsInferenceError} LEASE_CHANGED if it changes again and again
 */
export async function changeLease(options: ChangeLeaseOptions): Promise<ExitCode> {
  const { change, clock, print, read, signal, streamName, tableName, terminal, yes } = options;
  const view = find(await read(), streamName);
  if (change.type === 'RELEASE' && view.state !== 'OWNED') {
    if (view.state === 'RETIRED') {
      throw new UsageError(`${streamName} is retired: its stream is gone, or not wanted any more`);
    }
    print(`${streamName} is free already`);
    return EXIT_OK;
  }
  terminal.output.write(`${consequences(change, view, clock.now())}\n`);
  if (!yes && !isInteractive(terminal)) {
    throw new UsageError(`${tableName}: nothing changed: there is no terminal to confirm it on; add --yes`);
  }
  if (!yes && !(await isConfirmed('Go on?', terminal, signal))) {
    terminal.output.write('nothing changed\n');
    return EXIT_FAILED;
  }
  print(await perform(options));
  return EXIT_OK;
}

/** @throws {UsageError} naming leases that may have been meant */
function find({ leases, invalid, tableName }: LeasesView, streamName: string): LeaseView {
  const found = leases.find(({ lease }) => lease.leaseKey === streamName);
  if (found !== undefined) return found;
  const unreadable = invalid.find(({ leaseKey }) => leaseKey === streamName && isStreamLease(leaseKey));
  if (unreadable !== undefined) throw new KvsInferenceError('INVALID_LEASE', unreadable.problem);
  const names = leases.map(({ lease }) => lease.leaseKey);
  const similar = similarNames(streamName, names);
  const hint = similar.length === 0 ? '' : `; did you mean ${similar.join(', ')}?`;
  throw new UsageError(`DynamoDB table "${tableName}" has no lease of a stream "${streamName}"${hint}`);
}

/** Reads the lease and changes it; again if it has changed in between. @returns what is so now */
async function perform({
  client,
  streamName,
  change,
  clock,
  signal,
  tableName,
}: ChangeLeaseOptions): Promise<string> {
  const table = new LeaseTable({
    client,
    onInvalid: (error) => {
      throw error;
    },
  });
  const attempt = async (): Promise<string> => {
    const [lease] = await table.get([streamName], signal);
    if (lease === undefined) throw changed(streamName, 'it has been deleted', { retryable: false });
    const { leaseOwner, retiredAtMillis } = lease;
    if (change.type === 'RELEASE') {
      if (retiredAtMillis !== null) {
        throw changed(streamName, 'it has been retired', { retryable: false });
      }
      // An earlier attempt may have done it although its answer was lost.
      const isFree = leaseOwner === null || (await table.free(lease, {}, signal));
      if (isFree) return `${streamName} is free`;
    } else {
      const start = startAt(change.to, clock.now());
      const retired = retiredAtMillis === null ? {} : { retiredAtMillis };
      if (await table.free(lease, { start, ...retired }, signal)) {
        return `${streamName} is read from ${positionText(start)} on`;
      }
    }
    throw changed(streamName, 'its lease has another owner again and again', { retryable: true });
  };
  const isRetryable = (error: unknown) =>
    error instanceof KvsInferenceError ? error.retryable : isTransientAwsError(error);
  try {
    return await retry(attempt, { clock, signal, ...RETRIES, isRetryable });
  } catch (error) {
    if (error instanceof KvsInferenceError && error.code !== 'TIMEOUT') throw error;
    const problem = `DynamoDB table "${tableName}" cannot be written: ${errorText(error)}`;
    throw new KvsInferenceError('LEASE_TABLE', problem, { cause: error });
  }
}

function changed(streamName: string, what: string, { retryable }: { retryable: boolean }): KvsInferenceError {
  return new KvsInferenceError('LEASE_CHANGED', `${streamName} not changed: ${what}`, { retryable });
}
