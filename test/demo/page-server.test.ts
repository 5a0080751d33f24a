import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/core/clock.ts';
import type { StoredPicture } from '../../src/demo/page-server.ts';
import { type PageServer, startPageServer } from '../../src/demo/page-server.ts';
import type { DemoState } from '../../src/demo/state.ts';

const ID = 'parking/91343852333181432392682062607743920146264094720/0';
const PICTURE: StoredPicture = {
  body: Buffer.from([0xff, 0xd8, 0x00, 0xff, 0xd9]),
  contentType: 'image/jpeg',
};

/** Time passes when the test says so. */
class ManualClock implements Clock {
  readonly sleepers = new Set<() => void>();
  #now = 0;

  now = () => this.#now;
  monotonic = () => this.#now;
  sleep = (_millis: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const wake = () => resolve();
      this.sleepers.add(wake);
      signal?.addEventListener('abort', () => {
        this.sleepers.delete(wake);
        reject(signal.reason);
      });
    });

  passSecond(): void {
    this.#now += 1000;
    for (const wake of this.sleepers) {
      this.sleepers.delete(wake);
      wake();
    }
  }
}

/** What an `EventSource` does, with a pause. */
class Events {
  readonly states: DemoState[] = [];
  readonly response: IncomingMessage;
  #chunks: string[] = [];

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8').on('data', (chunk: string) => {
      this.#chunks.push(chunk);
      if (!chunk.includes('\n\n')) return;
      const events = this.#chunks.join('').split('\n\n');
      this.#chunks = [events.pop() ?? ''];
      for (const event of events) this.states.push(JSON.parse(event.replace(/^data: /, '')));
    });
  }

  get newestUptime(): number | undefined {
    return this.states.at(-1)?.uptimeMillis;
  }
}

let pageDirectory: string;
let clock: ManualClock;
let padding: string;
let server: PageServer;

function start(port = 0): Promise<PageServer> {
  const id = (name: string) => ({ id: name, streamName: name, serverTimestamp: null, lagMillis: null });
  return startPageServer({
    port,
    pageDirectory,
    clock,
    state: () => ({
      uptimeMillis: clock.now(),
      streams: [],
      results: padding === '' ? [] : [{ ...id(padding), detections: [] }],
    }),
    picture: (wanted) => (wanted === ID ? PICTURE : null),
  });
}

async function request(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const [response] = await once(get(server.url + path, { headers }), 'response');
  return response;
}

async function listen(): Promise<Events> {
  return new Events(await request('/events'));
}

async function until(condition: () => boolean): Promise<void> {
  const limit = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > limit) throw new Error(`Waited in vain until ${condition}.`);
    await setImmediate();
  }
}

beforeAll(() => {
  pageDirectory = mkdtempSync(join(tmpdir(), 'kvs-inference-page-'));
  writeFileSync(join(pageDirectory, 'index.html'), '<!doctype html>');
  writeFileSync(join(pageDirectory, 'client.js'), 'start()');
  writeFileSync(join(pageDirectory, 'client.css'), 'body{}');
  writeFileSync(join(pageDirectory, 'other.txt'), 'not for the world');
});

afterAll(() => rmSync(pageDirectory, { recursive: true, force: true }));

beforeEach(async () => {
  clock = new ManualClock();
  padding = '';
  server = await start();
});

afterEach(() => server.close());

test.each([
  ['/', 'text/html; charset=utf-8', '<!doctype html>'],
  ['/client.js', 'text/javascript; charset=utf-8', 'start()'],
  ['/client.css', 'text/css; charset=utf-8', 'body{}'],
])('serves %s', async (path, contentType, content) => {
  const response = await request(path);
  expect(response.statusCode).toBe(200);
  expect(response.headers['content-type']).toBe(contentType);
  expect(await text(response)).toBe(content);
});

test.each(['/other.txt', '/index.html', '/../page-server.test.ts', '/nowhere'])(
  'serves nothing else: %s',
  async (path) => {
    const response = await request(path);
    expect(response.statusCode).toBe(404);
    response.resume();
  },
);

test.each(['/', '/client.js', '/events', `/picture?id=${encodeURIComponent(ID)}`, '/nowhere'])(
  'answers %s with headers that keep the page to itself',
  async (path) => {
    const response = await request(path);
    response.destroy();
    const { headers } = response;
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; /,
    );
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['cross-origin-resource-policy']).toBe('same-origin');
    expect(headers['cache-control']).toBe('no-store');
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  },
);

test.each(['/', '/client.js', '/events', `/picture?id=${encodeURIComponent(ID)}`, '/nowhere'])(
  'refuses %s under a foreign name',
  async (path) => {
    const foreign = [
      'evil.example',
      'evil.example:80',
      '127.0.0.1.evil.example',
      'localhost.evil.example:80',
    ];
    for (const host of [...foreign, 'evil.example#localhost', '127.0.0.2']) {
      const response = await request(path, { host });
      expect([host, response.statusCode]).toEqual([host, 421]);
      expect(await text(response)).toContain('127.0.0.1');
    }
    expect(clock.sleepers.size).toBe(0);
  },
);

test.each(['localhost', 'localhost:8080', 'LOCALHOST', '127.0.0.1', '127.0.0.1:1'])(
  'answers under the name %s',
  async (host) => {
    const response = await request('/', { host });
    expect(response.statusCode).toBe(200);
    response.resume();
  },
);

test('serves a picture by its id', async () => {
  const response = await request(`/picture?id=${encodeURIComponent(ID)}`);
  expect(response.headers['content-type']).toBe('image/jpeg');
  expect(await buffer(response)).toEqual(PICTURE.body);
});

test.each(['/picture', '/picture?id=', '/picture?id=gone%2F1%2F0', `/picture?id=${ID}&id=${ID}`])(
  'has no picture at %s',
  async (path) => {
    const response = await request(path);
    expect(response.statusCode).toBe(404);
    response.resume();
  },
);

test('sends the state at once, then every second, and keeps one timer for all', async () => {
  const first = await listen();
  expect(first.response.headers['content-type']).toBe('text/event-stream');
  await until(() => first.states.length === 1);
  clock.passSecond();
  await until(() => first.states.length === 2);

  const second = await listen();
  await until(() => second.states.length === 1);
  expect(clock.sleepers.size).toBe(1);
  clock.passSecond();
  await until(() => first.states.length === 3 && second.states.length === 2);
  expect(first.states.map(({ uptimeMillis }) => uptimeMillis)).toEqual([0, 1000, 2000]);
  expect(second.states.map(({ uptimeMillis }) => uptimeMillis)).toEqual([1000, 2000]);
});

test('has no timer while nobody listens', async () => {
  expect(clock.sleepers.size).toBe(0);
  const [first, second] = [await listen(), await listen()];
  first.response.destroy();
  await until(() => first.response.closed);
  clock.passSecond();
  await until(() => second.newestUptime === 1000);
  expect(clock.sleepers.size).toBe(1);
  second.response.destroy();
  await until(() => clock.sleepers.size === 0);

  const third = await listen();
  expect(clock.sleepers.size).toBe(1);
  clock.passSecond();
  await until(() => third.newestUptime === 2000);
});

test('passes a slow listener by until it has read what it has', async () => {
  padding = 'x'.repeat(500_000);
  const [slow, fast] = [await listen(), await listen()];
  slow.response.pause();
  await until(() => {
    clock.passSecond();
    return fast.states.length >= 60;
  });

  const resumedAt = clock.now();
  slow.response.resume();
  await until(() => {
    clock.passSecond();
    return (slow.newestUptime ?? 0) > resumedAt;
  });
  // What the sockets of both sides can hold is all that comes late.
  expect(slow.states.filter(({ uptimeMillis }) => uptimeMillis <= resumedAt).length).toBeLessThan(30);
});

test('takes another port when the wished one is in use', async () => {
  const port = Number(new URL(server.url).port);
  const other = await start(port);
  try {
    expect(other.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(other.url).not.toBe(server.url);
    expect((await fetch(other.url)).status).toBe(200);
  } finally {
    await other.close();
  }
  const again = await start(Number(new URL(other.url).port));
  expect(again.url).toBe(other.url);
  await again.close();
});

test('ends the event streams and every connection when it closes', async () => {
  const [first, second] = [await listen(), await listen()];
  await until(() => first.states.length === 1 && second.states.length === 1);
  second.response.pause();
  await server.close();
  await until(() => first.response.complete);
  expect(clock.sleepers.size).toBe(0);
  await expect(fetch(server.url)).rejects.toThrow('fetch failed');
});

test('says how to build a page that is missing', async () => {
  const missing = join(pageDirectory, 'missing');
  await expect(
    startPageServer({
      port: 0,
      pageDirectory: missing,
      clock,
      state: () => ({ uptimeMillis: 0, streams: [], results: [] }),
      picture: () => null,
    }),
  ).rejects.toThrow(`The demo's page has no ${join(missing, 'index.html')}: run "npm run build".`);
});
