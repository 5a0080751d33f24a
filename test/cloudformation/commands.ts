import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A command of the SDK, such as `client-kinesis` and `PutRecords`. */
export interface SdkCommand {
  readonly client: string;
  readonly name: string;
}

/** The commands of AWS's SDK that the code which these files import, directly or not, can send. */
export async function reachableCommands(entryPoints: readonly string[]): Promise<SdkCommand[]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [...entryPoints],
    outdir: 'unused',
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
  });
  return Object.keys(metafile.inputs).flatMap((file) => commandsOf(readFileSync(join(ROOT, file), 'utf8')));
}

function commandsOf(source: string): SdkCommand[] {
  return [...source.matchAll(/(?:import|export) \{([^}]*)\} from '@aws-sdk\/([\w-]+)'/g)].flatMap(
    ([, names = '', client = '']) =>
      names
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name.endsWith('Command') && !name.startsWith('type '))
        .map((name) => ({ client, name: name.slice(0, -'Command'.length) })),
  );
}
