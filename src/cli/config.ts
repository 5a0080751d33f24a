import { readFile } from 'node:fs/promises';
import { SSMClient } from '@aws-sdk/client-ssm';
import { z } from 'zod';
import { readParameter } from '../config/load.ts';
import { configError, parseConfig } from '../config/parse.ts';
import { configKeys } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import { errorMessage, UsageError } from '../core/errors.ts';
import { resultRecordSchema } from '../result/record.ts';
import { EXIT_OK, type ExitCode } from './exit-code.ts';
import { untilSignal } from './signals.ts';

const SSM_PREFIX = 'ssm:';

/** Prints that the configuration is right, or every problem, with exit code 2. */
export async function checkConfig(source: string): Promise<ExitCode> {
  const text = await readSource(source);
  const { config, problems } = parseConfig(text);
  if (config === null) throw configError(source, problems);
  process.stdout.write(`${source}: the configuration is right\n`);
  return EXIT_OK;
}

export function printSchema({ record }: { record: boolean }): ExitCode {
  process.stdout.write(`${record ? recordJsonSchema() : configJsonSchema()}\n`);
  return EXIT_OK;
}

export function configJsonSchema(): string {
  return JSON.stringify(z.toJSONSchema(configKeys, { io: 'input' }), null, 2);
}

export function recordJsonSchema(): string {
  return JSON.stringify(z.toJSONSchema(resultRecordSchema), null, 2);
}

async function readSource(source: string): Promise<string> {
  if (source.startsWith(SSM_PREFIX)) {
    const client = new SSMClient({});
    const name = source.slice(SSM_PREFIX.length);
    return await readParameter(client, name, { clock: systemClock, signal: untilSignal() }).finally(() =>
      client.destroy(),
    );
  }
  try {
    return await readFile(source, 'utf8');
  } catch (error) {
    throw new UsageError(`${source} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}
