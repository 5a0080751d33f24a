import { PassThrough, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { readChunks } from '../../src/stream/read-chunks.ts';

const never = new AbortController().signal;
const chunks = (...texts: string[]) => Readable.from(texts.map((text) => Buffer.from(text)));

test('a chunk waits until the one before has been taken, and the end until the last one has', async () => {
  const seen: string[] = [];
  await readChunks(
    chunks('a', 'b', 'c'),
    (chunk) => {
      seen.push(`${chunk}`);
      if (String(chunk) === 'b') return undefined;
      return nextTurn().then(() => void seen.push(`${chunk} taken`));
    },
    never,
  );
  expect(seen).toEqual(['a', 'a taken', 'b', 'c', 'c taken']);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('no');
    },
  ],
  ['rejects', () => Promise.reject(new Error('no'))],
])('nothing more is given when a write %s', async (_how, write: () => Promise<void>) => {
  const readable = chunks('a', 'b');
  let writes = 0;
  const reading = readChunks(
    readable,
    () => {
      writes += 1;
      return write();
    },
    never,
  );
  await expect(reading).rejects.toThrow('no');
  await nextTurn();
  expect(writes).toBe(1);
  expect(readable.destroyed).toBe(true);
});

test('what breaks the stream is thrown', async () => {
  const readable = new PassThrough();
  const reading = readChunks(readable, () => undefined, never);
  readable.write('a');
  readable.destroy(new Error('cut'));
  await expect(reading).rejects.toThrow('cut');
});

test('a signal ends it at once, also while a chunk is being taken', async () => {
  const readable = new PassThrough();
  const stop = new AbortController();
  const reading = readChunks(readable, () => new Promise(() => undefined), stop.signal);
  readable.write('a');
  await nextTurn();
  stop.abort(new Error('enough'));
  await expect(reading).rejects.toThrow('enough');
  expect(readable.destroyed).toBe(true);
  await expect(readChunks(chunks('a'), () => undefined, stop.signal)).rejects.toThrow('enough');
});
