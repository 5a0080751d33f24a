import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { base64, kinesisEvent, PREDICTION, resultRecord, sequenceNumber } from './events.ts';

const run = promisify(execFile);
const script = new URL('../../scripts/build-lambda.mjs', import.meta.url).href;

let directory: string;
let sizes: { codeBytes: number; zipBytes: number };

async function build(output: string, timezone: string) {
  const code = `import { buildLambda } from ${JSON.stringify(script)};
    console.log(JSON.stringify(await buildLambda(${JSON.stringify(output)})));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code], {
    env: { ...process.env, TZ: timezone },
  });
  return JSON.parse(stdout);
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'kvs-inference-lambda-'));
  sizes = await build(directory, 'Asia/Tokyo');
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Requires the bundle in a process of its own, as Lambda's runtime does, and calls its handler. */
function invoke(event: unknown, environment: Record<string, string> = {}) {
  const code = `require(${JSON.stringify(join(directory, 'lambda', 'index.js'))})
    .handler(${JSON.stringify(event)}, {})
    .then((response) => console.log(JSON.stringify(response)));`;
  return run(process.execPath, ['--input-type=commonjs', '--eval', code], { env: environment });
}

test('is small, and has nothing in it that a template would replace or that is not plain text', () => {
  const code = readFileSync(join(directory, 'lambda', 'index.js'), 'utf8');
  expect(Buffer.byteLength(code)).toBe(sizes.codeBytes);
  expect(sizes.codeBytes).toBeLessThan(12_288);
  expect(code).not.toContain('${');
  expect(code).toMatch(/^[\x20-\x7e]+\n$/);
});

test('the archive holds the same code, readable for all, and the same bytes whatever the time zone', async () => {
  const zip = readFileSync(join(directory, 'lambda.zip'));
  expect(zip.length).toBe(sizes.zipBytes);
  const files = unzipSync(zip);
  expect(Object.keys(files)).toEqual(['index.js']);
  expect(Buffer.from(files['index.js'] ?? [])).toEqual(readFileSync(join(directory, 'lambda', 'index.js')));
  // External attributes of the one central directory entry, 46 bytes and the name before the 22 of the end record.
  expect(zip.readUInt32LE(zip.length - 22 - 'index.js'.length - 8) >>> 16).toBe(0o644);

  const again = join(directory, 'again');
  await build(again, 'America/New_York');
  expect(readFileSync(join(again, 'lambda.zip'))).toEqual(zip);
});

test('logs what it reads to standard output and what it cannot read to standard error', async () => {
  const event = kinesisEvent(base64(resultRecord(PREDICTION)), base64('no record'));
  const { stdout, stderr } = await invoke(event, { CONFIDENCE_THRESHOLD: '0.8' });
  const [entry, ...lines] = stdout.trimEnd().split('\n');
  expect(JSON.parse(entry ?? '')).toMatchObject({
    level: 'info',
    id: 'front-door/91343852333181432392682062607743920146264172589/4',
    detections: [{ label: 'dog' }],
    belowThreshold: 2,
  });
  expect(lines).toEqual([
    'detected object: dog, with confidence: 0.8641945540904998',
    JSON.stringify({ batchItemFailures: [{ itemIdentifier: sequenceNumber(1) }] }),
  ]);
  expect(JSON.parse(stderr)).toMatchObject({
    level: 'error',
    sequenceNumber: sequenceNumber(1),
    message: expect.stringMatching(/^data is not JSON: /),
  });
});

test('a frame that has failed is a line of level error', async () => {
  const failed = { error: 'ModelError', errorMessage: 'bad tensor', attempts: 5 };
  const { stdout, stderr } = await invoke(kinesisEvent(base64(resultRecord('', failed))));
  const [entry, ...lines] = stdout.trimEnd().split('\n');
  expect(JSON.parse(entry ?? '')).toMatchObject({ level: 'error', streamName: 'front-door', ...failed });
  expect(lines).toEqual([JSON.stringify({ batchItemFailures: [] })]);
  expect(stderr).toBe('');
});

test('an invalid environment fails the cold start', async () => {
  await expect(invoke(kinesisEvent(), { CONFIDENCE_THRESHOLD: 'high' })).rejects.toMatchObject({
    stderr: expect.stringContaining('CONFIDENCE_THRESHOLD must be a number from 0 to 1, not high'),
  });
});
