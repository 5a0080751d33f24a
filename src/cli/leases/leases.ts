import { createLogUpdate } from 'log-update';
import picocolors from 'picocolors';
import { applicationName, leaseTableName, readParameter } from '../../config/load.ts';
import { configError, parseConfig } from '../../config/parse.ts';
import { configKeys } from '../../config/schema.ts';
import { systemClock as clock } from '../../core/clock.ts';
import { readEnvironment } from '../../core/environment.ts';
import { errorMessage, errorText, KvsInferenceError, UsageError } from '../../core/errors.ts';
import type { TableClient } from '../../lease/table-client.ts';
import { openTable } from '../../lease/table-setup.ts';
import { type Clients, createClients } from '../../worker/clients.ts';
import { EXIT_FAILED, EXIT_OK, type ExitCode } from '../exit-code.ts';
import { untilSignal } from '../signals.ts';
import { type Change, parsePosition } from './change.ts';
import { leasesJson } from './json.ts';
import { changeLease } from './perform.ts';
import { leasesText } from './report.ts';
import { type LeasesView, leasesView } from './view.ts';

export interface LeasesOptions {
  parameter?: string;
  table?: string;
  json: boolean;
  watch: boolean;
  /** Seconds. */
  interval: number;
  release?: string;
  reset?: string;
  to?: string;
  yes: boolean;
}

/** Of one request. */
const REQUEST_TIMEOUT_MILLIS = 10_000;

interface OpenTable {
  readonly client: TableClient;
  readonly tableName: string;
  readonly failoverTimeMillis: number;
}

/** Shows the lease table, once or again and again, or changes one lease. Creates nothing. */
export async function leases(options: LeasesOptions): Promise<ExitCode> {
  const change = requestedChange(options);
  const signal = untilSignal();
  const clients = createClients();
  try {
    const table = await open(options, clients, signal);
    const read = () => readView(table, signal);
    if (change !== null) {
      return await changeLease({
        ...change,
        ...table,
        read,
        yes: options.yes,
        terminal: { input: process.stdin, output: process.stderr },
        print: (line) => process.stdout.write(`${line}\n`),
        clock,
        signal,
      });
    }
    if (options.watch) await watch(read, options, signal);
    else print(await read(), options);
    return EXIT_OK;
  } catch (error) {
    if (!signal.aborted) throw error;
    return change === null ? EXIT_OK : EXIT_FAILED;
  } finally {
    clients.destroy();
  }
}

function requestedChange({
  release,
  reset,
  to,
}: LeasesOptions): { streamName: string; change: Change } | null {
  if ((reset === undefined) !== (to === undefined)) throw new UsageError('--reset and --to need each other');
  if (release !== undefined) return { streamName: release, change: { type: 'RELEASE' } };
  if (reset === undefined || to === undefined) return null;
  return { streamName: reset, change: { type: 'RESET', to: parsePosition(to, clock.now()) } };
}

/** The table that the option names, or that of the application, as its workers find it. */
async function open(options: LeasesOptions, clients: Clients, signal: AbortSignal): Promise<OpenTable> {
  const common = { dynamoDb: clients.dynamoDb, requestTimeoutMillis: REQUEST_TIMEOUT_MILLIS, clock };
  if (options.table !== undefined) {
    const tableName = options.table;
    const { success } = configKeys.shape.leaseTable.safeParse(tableName);
    if (!success) throw new UsageError(`--table ${tableName}: no name for a DynamoDB table`);
    const client = await openTable({ ...common, tableName, applicationName: null }, signal);
    return { client, tableName, failoverTimeMillis: configKeys.shape.failoverTimeInMilli.parse(undefined) };
  }
  const parameterName = options.parameter ?? readEnvironment().configParameter;
  if (parameterName === null) {
    throw new UsageError(
      'CONFIG_PARAMETER is not set: name the SSM parameter with --parameter, or the lease table with --table',
    );
  }
  const { config, problems } = parseConfig(
    await readParameter(clients.ssm, parameterName, { clock, signal }),
  );
  if (config === null) throw configError(`ssm:${parameterName}`, problems);
  const tableName = leaseTableName(config, parameterName);
  const application = { tableName, applicationName: applicationName(parameterName) };
  const client = await openTable({ ...common, ...application }, signal);
  return { client, tableName, failoverTimeMillis: config.failoverTimeInMilli };
}

async function readView(
  { client, tableName, failoverTimeMillis }: OpenTable,
  signal: AbortSignal,
): Promise<LeasesView> {
  try {
    const items = await client.scan(signal);
    return leasesView({ tableName, items, nowMillis: clock.now(), failoverTimeMillis });
  } catch (error) {
    const problem = `DynamoDB table "${tableName}" cannot be read: ${errorText(error)}`;
    throw new KvsInferenceError('LEASE_TABLE', problem, { cause: error });
  }
}

function print(view: LeasesView, { json }: { json: boolean }): void {
  process.stdout.write(`${json ? leasesJson(view) : leasesText(view, colors())}\n`);
}

/** Until one of the signals aborts. What fails after the first time is tried again. */
async function watch(
  read: () => Promise<LeasesView>,
  { json, interval }: LeasesOptions,
  signal: AbortSignal,
): Promise<void> {
  const { stdout, stderr } = process;
  const redraw = stdout.isTTY && !json ? createLogUpdate(stdout) : null;
  const text = (view: LeasesView) => leasesText(view, colors(), stdout.rows - 1);
  let last = await read();
  try {
    while (!signal.aborted) {
      if (redraw === null) print(last, { json });
      else redraw(text(last));
      await clock.sleep(interval * 1000, signal).catch(() => undefined);
      if (signal.aborted) break;
      try {
        last = await read();
      } catch (error) {
        if (signal.aborted) break;
        if (redraw === null) stderr.write(`kvs-inference: ${errorMessage(error)}\n`);
        else redraw(`${text(last)}\n${colors().red(`  ${errorMessage(error)}`)}`);
      }
    }
  } finally {
    redraw?.done();
  }
}

/** On a terminal only: the package also colours what a CI run writes into a file. */
function colors() {
  return picocolors.createColors(process.stdout.isTTY === true && picocolors.isColorSupported);
}
