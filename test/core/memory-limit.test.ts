import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { defaultQueueBytes, memoryLimitBytes } from '../../src/core/memory-limit.ts';
import { type Answer, type ReceivedRequest, serve } from '../support/http-server.ts';
import { ManualClock } from '../support/manual-clock.ts';

const MIB = 2 ** 20;
const MACHINE = 16_384 * MIB;
const HUGE = '9223372036854771712\n';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'memory-limit-'));
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

/** What a process sees whose `/` is the temporary directory. */
async function read(
  files: Record<string, string>,
  metadataUri: string | null = null,
  clock = new ManualClock(),
) {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const { bytes, source } = await memoryLimitBytes({
    readFile: (path, encoding) => readFile(join(root, path), encoding),
    fetch,
    metadataUri,
    clock,
    totalBytes: MACHINE,
  });
  return { mib: bytes / MIB, source };
}

async function withMetadata<T>(
  answer: (request: ReceivedRequest) => Answer | Promise<Answer>,
  use: (uri: string) => Promise<T>,
): Promise<T> {
  const server = await serve(answer);
  try {
    return await use(`${server.url}/v4/container`);
  } finally {
    await server.close();
  }
}

test('is that of the control group, version 2', async () => {
  const limit = await read({ '/sys/fs/cgroup/memory.max': `${512 * MIB}\n` });
  expect(limit).toEqual({ mib: 512, source: '/sys/fs/cgroup/memory.max' });
});

test('is the least of its own nested control group and those above', async () => {
  const files = {
    '/proc/self/cgroup': '0::/service/worker/main\n',
    '/sys/fs/cgroup/memory.max': 'max\n',
    '/sys/fs/cgroup/service/memory.max': `${900 * MIB}\n`,
    '/sys/fs/cgroup/service/worker/memory.max': `${700 * MIB}\n`,
    '/sys/fs/cgroup/service/worker/main/memory.max': `${800 * MIB}\n`,
  };
  expect(await read(files)).toEqual({ mib: 700, source: '/sys/fs/cgroup/service/worker/memory.max' });
});

test('is that of the control group, version 1, where a huge number is no limit', async () => {
  const own = '/sys/fs/cgroup/memory/docker/worker/memory.limit_in_bytes';
  const files = {
    '/proc/self/cgroup': '5:cpu,cpuacct:/docker/other\n4:memory:/docker/worker\n0::/\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': HUGE,
    '/sys/fs/cgroup/memory/docker/other/memory.limit_in_bytes': `${1 * MIB}\n`,
  };
  expect(await read(files)).toEqual({ mib: 16_384, source: 'os.totalmem' });
  expect(await read({ ...files, [own]: `${2048 * MIB}\n` })).toEqual({ mib: 2048, source: own });
});

test.each(['max\n', '', '0\n', '-1\n', 'garbage', '12 34'])('%j is no limit', async (text) => {
  const limit = await read({ '/sys/fs/cgroup/memory.max': text, '/proc/self/cgroup': 'garbage\n:::\n' });
  expect(limit).toEqual({ mib: 16_384, source: 'os.totalmem' });
});

test("is the task's on Fargate, where the container has none", async () => {
  await withMetadata(
    ({ path }) => ({
      body: JSON.stringify({ Limits: path.endsWith('/task') ? { Memory: 2048 } : { CPU: 2 } }),
    }),
    async (uri) => {
      const limit = await read({ '/sys/fs/cgroup/memory.max': 'max\n' }, uri);
      expect(limit).toEqual({ mib: 2048, source: `${uri}/task` });
    },
  );
});

test("is the container's if that is less, and the control group's if that is even less", async () => {
  await withMetadata(
    ({ path }) => ({ body: JSON.stringify({ Limits: { Memory: path.endsWith('/task') ? 2048 : 1024 } }) }),
    async (uri) => {
      expect(await read({}, uri)).toEqual({ mib: 1024, source: uri });
      const files = { '/sys/fs/cgroup/memory.max': `${256 * MIB}\n` };
      expect(await read(files, uri)).toEqual({ mib: 256, source: '/sys/fs/cgroup/memory.max' });
    },
  );
});

const BAD_ANSWERS: Record<string, Answer> = {
  'an error': { status: 500, body: '{"Limits":{"Memory":1}}' },
  garbage: { body: '<html>' },
  'another type': { body: '{"Limits":{"Memory":"1"}}' },
  null: { body: 'null' },
  'no limits': { body: '{}' },
  'a limit of nothing': { body: '{"Limits":{"Memory":0}}' },
  'nothing, and the connection is cut': { trouble: 'reset' },
  'more than a task has to say': { body: `{"Limits":{"Memory":1},"Labels":"${'x'.repeat(MIB)}"}` },
};

test.each(Object.keys(BAD_ANSWERS))('an endpoint that answers %s is passed over', async (name) => {
  await withMetadata(
    () => BAD_ANSWERS[name] ?? {},
    async (uri) => {
      const limit = await read({ '/sys/fs/cgroup/memory.max': `${512 * MIB}` }, uri);
      expect(limit.mib).toBe(512);
    },
  );
});

test('an endpoint that answers never is passed over', async () => {
  const clock = new ManualClock();
  let asked = 0;
  const answer = (): Answer => {
    asked += 1;
    if (asked === 2) clock.advance(1_000);
    return { trouble: 'hang' };
  };
  await withMetadata(answer, async (uri) => {
    expect(await read({}, uri, clock)).toEqual({ mib: 16_384, source: 'os.totalmem' });
  });
});

test('a real process has a limit', async () => {
  const { bytes, source } = await memoryLimitBytes({ readFile, fetch, metadataUri: null });
  expect(bytes).toBeGreaterThan(MIB);
  expect(source).not.toBe('');
});

test('the queue gets a quarter, and at least 64 MiB', () => {
  expect(defaultQueueBytes(2048 * MIB)).toBe(512 * MIB);
  expect(defaultQueueBytes(128 * MIB)).toBe(64 * MIB);
  expect(defaultQueueBytes(1e9 + 1)).toBe(250_000_000);
});
