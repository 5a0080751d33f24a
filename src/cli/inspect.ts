import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import picocolors from 'picocolors';
import { errorMessage } from '../core/errors.ts';
import { Inspection } from '../matroska/inspection.ts';
import { EXIT_FAILED, EXIT_OK, type ExitCode } from './exit-code.ts';
import { inspectionJson, inspectionText } from './inspection-report.ts';

/** Shows each file; fails if one cannot be read or is no Matroska. What is cut or damaged is shown all the same. */
export async function inspect(files: readonly string[], { json }: { json: boolean }): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT_OK;
  // On a terminal only: the package also colours what a CI run writes into a file.
  const colors = picocolors.createColors(process.stdout.isTTY === true && picocolors.isColorSupported);
  for (const file of files) {
    try {
      const inspection = await inspectStream(file === '-' ? process.stdin : createReadStream(file));
      process.stdout.write(
        json ? `${inspectionJson(file, inspection)}\n` : inspectionText(file, inspection, colors),
      );
      if (inspection.errors.some(({ code }) => code === 'NOT_MATROSKA')) exitCode = EXIT_FAILED;
    } catch (error) {
      process.stderr.write(`kvs-inference: ${file} cannot be read: ${errorMessage(error)}\n`);
      exitCode = EXIT_FAILED;
    }
  }
  return exitCode;
}

async function inspectStream(stream: Readable): Promise<Inspection> {
  const inspection = new Inspection();
  for await (const chunk of stream) inspection.add(chunk as Buffer);
  inspection.end();
  return inspection;
}
