import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import { type Camera, startCamera } from '../../../src/emulator/camera/camera.ts';
import { loopFromMemory } from '../../../src/emulator/camera/looping.ts';
import type { KinesisVideoApi } from '../../../src/emulator/camera/put-media-endpoint.ts';
import type { EncodedFrame, VideoSource } from '../../../src/emulator/camera/video-source.ts';
import { acknowledgePrevious, PutMediaServer, type ReceivedFragment } from './put-media-server.ts';
import { StepClock } from './step-clock.ts';

const TRACK = {
  codecId: 'V_MPEG4/ISO/AVC',
  codecPrivate: Buffer.from('0164001f', 'hex'),
  pixelWidth: 640,
  pixelHeight: 360,
};
/** What `source` gives, frame by frame: two seconds of three frames each. */
const TIMES = [0, 333, 666, 1000, 1333, 1666];

let clock: StepClock;
let server: PutMediaServer;
let api: FakeApi;
let source: VideoSource;
let end: AbortController;
let logged: Record<string, unknown>[];

beforeEach(async () => {
  clock = new StepClock();
  server = new PutMediaServer();
  api = new FakeApi(await server.start());
  source = loopFromMemory(TRACK, twoSeconds);
  end = new AbortController();
  logged = [];
});

afterEach(async () => {
  end.abort();
  await source.close();
  await server.close();
});

async function* twoSeconds(): AsyncGenerator<EncodedFrame, void, undefined> {
  for (const timeMillis of TIMES) {
    const payload = Buffer.from(`frame at ${timeMillis}`);
    yield { timeMillis, durationMillis: 334, keyFrame: timeMillis % 1000 === 0, payload };
  }
}

/** Kinesis Video Streams as far as a camera calls it. */
class FakeApi implements KinesisVideoApi {
  readonly calls: unknown[] = [];
  readonly #endpoint: string;
  #exists = false;

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
  }

  async describeStream(input: unknown) {
    this.calls.push(['DescribeStream', input]);
    if (!this.#exists) throw Object.assign(new Error('no stream'), { name: 'ResourceNotFoundException' });
  }

  async createStream(input: unknown) {
    this.calls.push(['CreateStream', input]);
    this.#exists = true;
  }

  async getDataEndpoint(input: unknown) {
    this.calls.push(['GetDataEndpoint', input]);
    return { DataEndpoint: this.#endpoint };
  }
}

function start(): Camera {
  const log = pino({ level: 'info' }, { write: (line) => logged.push(JSON.parse(line)) });
  return startCamera({ api, streamName: 'front-door', source, clock, log, signal: end.signal });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate();
}

/** Goes on until the server has so many frames. */
async function stream(count: number): Promise<void> {
  for (let frames = server.frames.length + 1; frames <= count; frames += 1) {
    if (frames > 1) await clock.step();
    await until(() => server.frames.length >= frames);
  }
}

function timecodes({ fragments }: { fragments: readonly ReceivedFragment[] }): number[] {
  return fragments.map(({ timecodeMillis }) => timecodeMillis - 1_700_000_000_000);
}

test('creates the stream and sends one Matroska document', async () => {
  const camera = start();
  await stream(4);
  end.abort();
  await camera.closed;

  expect(api.calls).toEqual([
    ['DescribeStream', { StreamName: 'front-door' }],
    ['CreateStream', { StreamName: 'front-door', MediaType: 'video/h264', DataRetentionInHours: 24 }],
    ['GetDataEndpoint', { StreamName: 'front-door', APIName: 'PUT_MEDIA' }],
  ]);
  const [request] = server.requests;
  expect(request?.headers).toMatchObject({
    'x-amzn-stream-name': 'front-door',
    'x-amzn-fragment-timecode-type': 'ABSOLUTE',
    'x-amzn-fragment-acknowledgment-required': '1',
    'x-amzn-producer-start-timestamp': '1700000000.000',
    'transfer-encoding': 'chunked',
  });
  expect([...(request?.tracks.values() ?? [])]).toMatchObject([
    { trackNumber: 1, trackType: 'video', ...TRACK },
  ]);
  expect(request?.fragments).toMatchObject([
    {
      timecodeMillis: 1_700_000_000_000,
      frames: [
        { offsetMillis: 0, keyFrame: true, payload: Buffer.from('frame at 0') },
        { offsetMillis: 333, keyFrame: false, payload: Buffer.from('frame at 333') },
        { offsetMillis: 666, keyFrame: false, payload: Buffer.from('frame at 666') },
      ],
    },
    {
      timecodeMillis: 1_700_000_001_000,
      frames: [{ offsetMillis: 0, keyFrame: true, payload: Buffer.from('frame at 1000') }],
    },
  ]);
});

test('sends each frame when it is due, loop after loop', async () => {
  const camera = start();
  const sent: number[] = [];
  for (let frames = 1; frames <= 3 * TIMES.length; frames += 1) {
    await stream(frames);
    sent.push(clock.monotonic());
  }
  end.abort();
  await camera.closed;

  expect(sent).toEqual([0, 2000, 4000].flatMap((loop) => TIMES.map((time) => loop + time)));
});

test('catches up after a pause', async () => {
  const camera = start();
  await stream(2);
  clock.advance(1400);
  await clock.step();
  await until(() => server.frames.length === 6);
  const lateMillis = clock.monotonic();
  await stream(7);
  end.abort();
  await camera.closed;

  expect([lateMillis, clock.monotonic()]).toEqual([1733, 2000]);
  expect(timecodes(server)).toEqual([0, 1000, 2000]);
});

test('counts what the service has persisted, and ends with the open fragment', async () => {
  const camera = start();
  await stream(8);
  end.abort();
  await camera.closed;

  expect(camera.fragmentsPersisted).toBe(3);
  expect(server.requests).toMatchObject([{ isEnded: true }]);
  expect(server.requests[0]?.body).toContain('AWS_KINESISVIDEO_END_OF_FRAGMENT');
  expect(server.fragments.at(-1)?.frames).toHaveLength(2);
});

test('waits a second for the last acknowledgement and no longer', async () => {
  const camera = start();
  await stream(2);
  server.endsAnswers = false;
  const startMillis = clock.monotonic();
  end.abort();
  await clock.step();
  await camera.closed;

  expect(clock.monotonic() - startMillis).toBe(1000);
  expect(logged.at(-1)).toMatchObject({ streamName: 'front-door', unacknowledged: 1 });
});

test('sends what was not acknowledged again when the connection is lost', async () => {
  server.onFrame = (request, answer) => {
    acknowledgePrevious(request, answer);
    if (server.requests.length === 1 && request.fragments[1]?.frames.length === 2) answer.cut();
  };
  const camera = start();
  await stream(5);
  while (server.requests.length === 1) await clock.step();
  await stream(12);
  end.abort();
  await camera.closed;

  const [first, second] = server.requests.map(timecodes);
  expect(first).toEqual([0, 1000]);
  expect(second?.slice(0, 2)).toEqual([1000, 2000]);
  expect(server.fragments[1]?.frames).toHaveLength(2);
  expect(server.fragments[2]?.frames).toHaveLength(3);
  expect(server.fragments[2]?.frames.slice(0, 2)).toEqual(server.fragments[1]?.frames);
  expect(logged.map(({ msg, failures }) => [msg, failures])).toEqual([
    ['camera is live', undefined],
    ['camera lost its connection', 1],
    ['camera is live', undefined],
  ]);
});

test('tries again when it is refused, and says why', async () => {
  server.statusCodes.push(503);
  const camera = start();
  while (server.frames.length === 0) await clock.step();
  end.abort();
  await camera.closed;

  expect(server.requests).toHaveLength(2);
  const failure = logged.find(({ msg }) => msg === 'camera lost its connection');
  expect(JSON.stringify(failure)).toContain('HTTP 503 not now');
});

test('does not send again what the service refuses', async () => {
  server.onFrame = ({ fragments }, answer) => {
    if (server.requests.length > 1) return;
    const FragmentTimecode = fragments[0]?.timecodeMillis;
    answer.acknowledge('ERROR', { FragmentTimecode, ErrorCode: 'INVALID_MKV_DATA', ErrorId: 4006 });
    answer.end();
  };
  const camera = start();
  await stream(1);
  while (server.requests.length === 1) await clock.step();
  await stream(4);
  end.abort();
  await camera.closed;

  expect(server.requests.map((request) => timecodes(request)[0])).toEqual([0, 1000]);
  expect(logged).toContainEqual(expect.objectContaining({ msg: 'fragment was refused', ErrorId: 4006 }));
});

test('ends at once between two attempts', async () => {
  server.statusCodes.push(503);
  const camera = start();
  await clock.step();
  await until(() => logged.some(({ msg }) => msg === 'camera lost its connection'));
  end.abort();
  await camera.closed;

  expect(server.requests).toHaveLength(1);
});

test('fails with its source', async () => {
  source = loopFromMemory(TRACK, async function* () {
    yield* twoSeconds();
    throw new Error('Input/output error');
  });
  const camera = start();
  const failure = camera.closed.catch((error: Error) => error.message);
  await stream(2);
  await clock.step();

  expect(await failure).toBe('The source of camera front-door failed: Input/output error');
  expect(logged).toContainEqual(expect.objectContaining({ msg: 'camera failed', streamName: 'front-door' }));
});
