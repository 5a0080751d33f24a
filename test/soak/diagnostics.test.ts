import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Sample } from './sample.ts';

const DIAGNOSTICS = fileURLToPath(new URL('./diagnostics.mjs', import.meta.url));

/** A process that leaves something behind for each line that it reads, says so, and ends with its input. */
const LEAK = `
  import { EventEmitter } from 'node:events';
  import { createInterface } from 'node:readline';
  const signal = new AbortController().signal;
  const emitter = new EventEmitter();
  const kept = [];
  for await (const line of createInterface({ input: process.stdin })) {
    signal.addEventListener('abort', () => undefined);
    emitter.on('event', () => undefined);
    new EventEmitter().on('garbage', () => undefined);
    setInterval(() => undefined, 1000);
    kept.push(Array.from({ length: 100_000 }, () => ({})), Buffer.alloc(2 ** 20));
    process.stdout.write(line);
  }
  process.exit();
`;
const LEAKS = 5;

async function ask(child: ChildProcess): Promise<Sample> {
  const answered = once(child, 'message');
  child.send({ sample: 1, collect: true });
  const [answer] = (await answered) as [Sample];
  return answer;
}

test('a process tells what it holds: memory, timers and listeners that are left behind, and no garbage', async () => {
  const args = ['--import', DIAGNOSTICS, '--input-type=module', '--eval', LEAK];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit', 'ipc'] });
  const ended = once(child, 'close');
  try {
    const before = await ask(child);
    for (let leak = 0; leak < LEAKS; leak += 1) {
      child.stdin?.write('leak\n');
      if (child.stdout !== null) await once(child.stdout, 'data');
    }
    const after = await ask(child);
    expect((after.resources['Timeout'] ?? 0) - (before.resources['Timeout'] ?? 0)).toBe(LEAKS);
    expect(after.holders).toEqual(
      expect.arrayContaining([
        { target: 'AbortSignal', event: 'abort', count: LEAKS },
        { target: 'EventEmitter', event: 'event', count: LEAKS },
      ]),
    );
    // The third of each leak's listeners is garbage.
    expect(after.listeners - before.listeners).toBeGreaterThanOrEqual(2 * LEAKS);
    expect(after.listeners - before.listeners).toBeLessThan(3 * LEAKS);
    expect(after.heapUsed - before.heapUsed).toBeGreaterThan(LEAKS * 100_000 * 8);
    // What was read before may be free by now.
    expect(after.arrayBuffers - before.arrayBuffers).toBeGreaterThan((LEAKS - 1) * 2 ** 20);
    expect(after.rss).toBeGreaterThan(after.heapUsed);
  } finally {
    child.stdin?.end();
    await ended;
  }
});
