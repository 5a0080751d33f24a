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

test.each([
  ['a signal', (_readable: PassThrough, stop: AbortController) => stop.abort(new Error('enough'))],
  ['a cut', (readable: PassThrough) => readable.destroy(new Error('enough'))],
])('%s closes it at once, but it is over when the chunk has been taken', async (_what, end) => {
  const readable = new PassThrough();
  const stop = new AbortController();
  const events: string[] = [];
  let take = () => {};
  const taken = new Promise<void>((resolve) => {
    take = resolve;
  });
  const reading = readChunks(readable, () => taken, stop.signal).finally(() => events.push('over'));
  readable.write('a');
  await nextTurn();
  end(readable, stop);
  expect(readable.destroyed).toBe(true);
  await nextTurn();
  events.push('taken');
  take();
  await expect(reading).rejects.toThrow('enough');
  expect(events).toEqual(['taken', 'over']);
});

test('nothing is read once the signal has aborted', async () => {
  const stop = new AbortController();
  stop.abort(new Error('enough'));
  await expect(readChunks(chunks('a'), () => undefined, stop.signal)).rejects.toThrow('enough');
});
