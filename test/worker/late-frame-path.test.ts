import { parseConfig } from '../../src/config/parse.ts';
import { systemClock as clock } from '../../src/core/clock.ts';
import type { MediaSource } from '../../src/stream/source.ts';
import { createClients } from '../../src/worker/clients.ts';
import { LateFramePath } from '../../src/worker/late-frame-path.ts';
import { recorded } from '../support/services.ts';

const parsed = parseConfig('{"streamNames":["a"],"sageMakerEndpoint":"e","kdsStreamName":"k"}');
const clients = createClients();
const STREAM = { streamName: 'a', streamArn: null };
const BEGINNING = { type: 'EARLIEST' } as const;
const { signal } = new AbortController();

afterAll(() => clients.destroy());

function latePath(load?: ConstructorParameters<typeof LateFramePath>[1]): LateFramePath {
  if (parsed.config === null) throw new Error('not good');
  const { config } = parsed;
  const { log, metrics } = recorded(clock);
  const options = { config: () => config, queueBytes: () => 2 ** 20, applicationName: 'app', clients };
  return new LateFramePath({ ...options, clock, log, metrics }, load);
}

test('loads its code once, when the first body is there, which is given when that is done', async () => {
  const events: string[] = [];
  const path = latePath(async () => {
    events.push('loading');
    const loaded = await import('../../src/worker/frame-path.ts');
    events.push('loaded');
    return loaded;
  });
  const body = { read: async () => undefined };
  const source: MediaSource = {
    open: async () => {
      events.push('opened');
      return body;
    },
  };
  const late = path.behind(source);
  expect(events).toEqual([]);
  const open = async () => {
    expect(await late.open(STREAM, BEGINNING, signal)).toBe(body);
    events.push('given');
  };
  await open();
  await open();
  expect(events).toEqual(['opened', 'loading', 'loaded', 'given', 'opened', 'given']);
  await path.close();
});

test('a source that cannot be opened needs no code yet', async () => {
  const path = latePath(() => {
    throw new Error('loaded');
  });
  const late = path.behind({
    open: async () => {
      throw new Error('no such stream');
    },
  });
  await expect(late.open(STREAM, BEGINNING, signal)).rejects.toThrow('no such stream');
  expect([path.depth, path.bytes]).toEqual([0, 0]);
  await path.close();
});

test('code that cannot be loaded gives no body, and is said', async () => {
  const path = latePath(async () => {
    throw new Error('no FFmpeg');
  });
  let ofBody = signal;
  const late = path.behind({
    open: async (_stream, _position, bodySignal) => {
      ofBody = bodySignal;
      return { read: async () => undefined };
    },
  });
  await expect(late.open(STREAM, BEGINNING, signal)).rejects.toThrow('no FFmpeg');
  // Its connection is closed.
  expect(ofBody.aborted).toBe(true);
  await path.failed;
  await expect(path.close()).rejects.toThrow('no FFmpeg');
});
