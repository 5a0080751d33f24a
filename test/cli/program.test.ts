import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getMediaFragment } from '../support/matroska.ts';
import { makeVideo } from '../support/media.ts';

const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const FIRST = '91343852333181432392682062607743920146159169392';
const SECOND = '91343852333181432397633822764885441725874549018';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kvs-inference-cli-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function run(args: string[], input?: Buffer) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code: code as number, ...output };
}

async function file(name: string, bytes: Buffer | string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, bytes);
  return path;
}

test.each([
  [['worker']],
  [['health']],
  [['demo']],
  [['inspect']],
  [['frames']],
  [['config']],
  [['config', 'check']],
  [['config', 'schema']],
  [['emulator']],
  [[]],
])('%j has help', async (command) => {
  const { code, stdout } = await run([...command, '--help']);
  expect(code).toBe(0);
  expect(stdout).toContain(`Usage: ${['kvs-inference', ...command].join(' ')}`);
});

test.each([
  [['nonsense'], "unknown command 'nonsense'"],
  [['inspect'], "missing required argument 'files'"],
  [['frames', 'x.mkv'], "required option '--out <dir>' not specified"],
  [['frames', 'x.mkv', '--out', 'y', '--every', '0'], 'It must be a whole number from 1.'],
  [['frames', 'x.mkv', '--out', 'y', '--format', 'webp'], 'Allowed choices are jpeg, png, bmp, gif.'],
  [['demo', '--seconds', '-1'], 'It must be a number above 0.'],
  [['emulator', '--stream', 'nofile', '--no-model'], 'expected NAME=FILE'],
  [['emulator', '--port', '65532'], 'at most 65531'],
  [['emulator', '--page', 'x'], 'It must be a port from 0 to 65535.'],
  [['config', 'check', '/nowhere.json'], '/nowhere.json cannot be read'],
])('%j is wrong use: exit 2, and why', async (args, message) => {
  const { code, stderr } = await run(args);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});

describe('inspect', () => {
  const body = Buffer.concat([
    getMediaFragment({ number: FIRST, millisBehindNow: '15' }),
    getMediaFragment({ number: SECOND, producerSeconds: '1700000003.000' }),
  ]);

  test('prints one JSON object per file', async () => {
    const whole = await file('whole.mkv', body);
    const cut = await file('cut.mkv', body.subarray(0, -30));
    const { code, stdout } = await run(['inspect', '--json', whole, cut]);
    expect(code).toBe(0);
    const [first, second] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    const tracks = { 1: { codec: 'V_MPEG4/ISO/AVC', frames: 4, keyFrames: 2, bytes: 16 } };
    const fragment = {
      fragmentNumber: FIRST,
      serverTimestampMillis: 1700000000500,
      producerTimestampMillis: 1700000000000,
      millisBehindNow: 15,
      continuationToken: FIRST,
    };
    expect(first).toEqual({
      file: whole,
      size: body.length,
      truncated: false,
      ebmlHeaders: 2,
      clusters: 2,
      tracks,
      fragments: [
        fragment,
        {
          ...fragment,
          fragmentNumber: SECOND,
          producerTimestampMillis: 1700000003000,
          millisBehindNow: 0,
          continuationToken: SECOND,
        },
      ],
      errors: [],
    });
    expect(second).toMatchObject({
      truncated: true,
      tracks,
      fragments: [fragment, { continuationToken: null }],
    });
  });

  test('shows a person tables, without colour where there is no terminal', async () => {
    const { code, stdout } = await run(['inspect', '-'], body);
    expect(code).toBe(0);
    expect(stdout).toContain('2 EBML headers, 2 clusters, complete');
    expect(stdout).toMatch(/ 1 {2}video {2}H\.264 {2}Main 3\.0 {2}640x360 +4 +2 +16/);
    expect(stdout).toMatch(new RegExp(`${SECOND} .*gap of 2960 ms before`));
    expect(stdout).not.toContain('\u001b[');
  });

  test('fails for what is no Matroska, and says what was found before damage', async () => {
    const text = await file('text.txt', 'no video');
    const empty = await file('empty.mkv', '');
    const damaged = await file('damaged.mkv', Buffer.concat([body, Buffer.from([0])]));
    const { code, stdout, stderr } = await run([
      'inspect',
      '--json',
      text,
      empty,
      damaged,
      join(directory, 'nowhere'),
    ]);
    expect(code).toBe(1);
    const [noVideo, nothing, rest] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(noVideo).toMatchObject({ ebmlHeaders: 0, errors: [{ code: expect.any(String), offset: 0 }] });
    expect(nothing).toMatchObject({ errors: [{ code: 'NOT_MATROSKA', offset: 0 }] });
    expect(rest).toMatchObject({
      fragments: [{}, {}],
      errors: [
        {
          code: 'INVALID_ELEMENT_ID',
          offset: body.length,
          message: expect.stringContaining(String(body.length)),
        },
      ],
    });
    expect(stderr).toContain('nowhere cannot be read: ENOENT');
    expect((await run(['inspect', damaged])).code).toBe(0);
  });
});

describe('frames', () => {
  test.each([
    ['matroska', 'jpeg', 'jpg'],
    ['mp4', 'png', 'png'],
    ['mpegts', 'bmp', 'bmp'],
    ['avi', 'gif', 'gif'],
  ])('writes the sampled pictures of %s', async (container, format, extension) => {
    const { bytes } = await makeVideo({ container, width: 96, height: 64, frames: 30, gop: 5 });
    const input = await file(`clip.${container}`, bytes);
    const out = join(directory, container);
    const { code, stdout } = await run([
      'frames',
      input,
      '--every',
      '2',
      '--format',
      format,
      '--out',
      out,
      '--json',
    ]);
    expect(JSON.parse(stdout)).toEqual({ iFrames: 6, sampled: 3, written: 3, failed: 0 });
    expect(code).toBe(0);
    const index = JSON.parse(await readFile(join(out, 'frames.json'), 'utf8')) as {
      frames: Array<{ file: string }>;
    };
    expect(index.frames).toMatchObject([0, 2, 4].map((iFrame) => ({ iFrame, width: 96, height: 64 })));
    const names = index.frames.map((frame) => frame.file);
    expect((await readdir(out)).sort()).toEqual([...names, 'frames.json'].sort());
    for (const name of names)
      expect(name).toMatch(new RegExp(`^\\d\\d-\\d\\d-\\d\\d\\.\\d{3}\\.${extension}$`));
  });

  test('names the pictures of a GetMedia body by fragment; a damaged frame fails alone', async () => {
    const input = await file('damaged-frame.mkv', getMediaFragment({ number: FIRST }));
    const out = join(directory, 'damaged-frame');
    const { code, stdout, stderr } = await run(['frames', input, '--out', out, '--json']);
    expect(JSON.parse(stdout)).toEqual({ iFrames: 1, sampled: 1, written: 0, failed: 1 });
    expect(stderr).toContain(`${FIRST}-0.jpg: key frame cannot be decoded`);
    expect(code).toBe(1);
  });

  test('names a file that FFmpeg cannot open, with its reason', async () => {
    const input = await file('text.mp4', 'this is no video');
    const { code, stderr } = await run(['frames', input, '--out', join(directory, 'none')]);
    expect(stderr).toMatch(/text\.mp4: Invalid data found when processing input/);
    expect(code).toBe(2);
  });
});

describe('config check', () => {
  test('says that a configuration is right, or everything that is wrong', async () => {
    const right = await file(
      'right.json',
      '{"streamNames":["a"],"sageMakerEndpoint":"e","kdsStreamName":"k"}',
    );
    expect(await run(['config', 'check', right])).toMatchObject({
      code: 0,
      stdout: `${right}: the configuration is right\n`,
    });
    const wrong = await file('wrong.json', '{"streamNames":"a"}');
    const { code, stderr } = await run(['config', 'check', wrong]);
    expect(code).toBe(2);
    expect(stderr).toContain(`${wrong}: 3 problems in the configuration`);
    expect(stderr).toContain('  streamNames: "a", expected an array');
  });
});
