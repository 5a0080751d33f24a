/*
 * One contestant, or what it needs, in a process of its own: `child.mjs NAME OPTIONS`. Nothing is loaded but that program.
 */

interface Program {
  // What it is given is written by its own case.
  // biome-ignore lint/suspicious/noExplicitAny: through JSON
  run(options: any): Promise<unknown>;
}

/** By the name that inChild knows them by. */
const PROGRAMS: Readonly<Record<string, () => Promise<Program>>> = {
  parse: () => import('./parse/contestant.ts'),
  'live-emulator': () => import('./live/emulator.ts'),
  'live-reader': () => import('./live/reader.ts'),
  decode: () => import('./decode/contestant.ts'),
  'parse-memory': () => import('./parse/memory.ts'),
  'throughput-client': () => import('./throughput/bare-client.ts'),
  'throughput-decoder': () => import('./throughput/decoder.ts'),
  'adaptive-concurrency': () => import('./adaptive-concurrency/client.ts'),
  publish: () => import('./publish/contestant.ts'),
  costs: () => import('./leases/costs.ts'),
  demux: () => import('./parse/node-av-demux.ts'),
};

const [name = '', options = 'null'] = process.argv.slice(2);
const program = await PROGRAMS[name]?.();
if (program === undefined) throw new Error(`no program "${name}"`);
const result = await program.run(JSON.parse(options));
process.stdout.write(JSON.stringify(result ?? null));
