import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import * as tf from '@tensorflow/tfjs';
import type { Detector } from '../../../src/emulator/model/detector.ts';
import { decodePicture } from '../../../src/emulator/model/picture.ts';
import type { Prediction } from '../../../src/emulator/model/predictions.ts';
import { type ModelServer, startModelServer } from '../../../src/emulator/model/server.ts';
import { CAR_BOX, CAR_JPEG, encode, intersectionOverUnion, PERSON_BOX, PERSON_JPEG } from './pictures.ts';

const PERSON = 0;
const CAR = 2;

const post = (server: ModelServer, body: Buffer, contentType: string) =>
  fetch(`http://127.0.0.1:${server.port}/invocations`, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body: new Uint8Array(body),
  });

/** Sends a whole request and closes the connection without waiting for the answer. */
async function postAndLeave(server: ModelServer, body: Buffer): Promise<void> {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n`);
  socket.end(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]));
  await once(socket.resume(), 'close');
}

const ping = async (server: ModelServer) => (await fetch(`http://127.0.0.1:${server.port}/ping`)).status;

describe('with the model', () => {
  let server: ModelServer;
  let tensorsOfModel: number;

  beforeAll(async () => {
    server = await startModelServer({ host: '127.0.0.1', port: 0 });
    await server.loaded;
    tensorsOfModel = tf.memory().numTensors;
  });

  afterEach(() => {
    expect(tf.memory().numTensors).toBe(tensorsOfModel);
  });

  afterAll(async () => {
    await server.close();
    expect(tf.memory().numTensors).toBe(0);
  });

  const detect = async (body: Buffer, contentType: string): Promise<Prediction[]> => {
    const response = await post(server, body, contentType);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      expect.stringMatching(/^application\/json/),
    ]);
    return ((await response.json()) as { prediction: Prediction[] }).prediction;
  };

  test('answers ping', async () => {
    expect(await ping(server)).toBe(200);
  });

  test.each([
    { what: 'car', jpeg: CAR_JPEG, classIndex: CAR, box: CAR_BOX },
    { what: 'person', jpeg: PERSON_JPEG, classIndex: PERSON, box: PERSON_BOX },
  ])('finds the $what where it is, and nothing else', async ({ jpeg, classIndex, box }) => {
    const [best, ...others] = await detect(jpeg, 'image/jpeg');
    expect(best).toEqual([classIndex, expect.any(Number), ...box.map(() => expect.any(Number))]);
    const [, score = 0, xmin = 0, ymin = 0, xmax = 0, ymax = 0] = best ?? [];
    expect(score).toBeGreaterThan(0.6);
    expect(intersectionOverUnion([xmin, ymin, xmax, ymax], box)).toBeGreaterThan(0.9);
    expect(others).toEqual([]);
  });

  test.each(['png', 'bmp', 'gif'] as const)('finds the car in a %s', async (format) => {
    const body = await encode(await decodePicture(CAR_JPEG, 'image/jpeg', 512), format);
    const found = await detect(body, `image/${format}`);
    expect(found.map(([classIndex]) => classIndex)).toEqual([CAR]);
    expect(await detect(body, 'application/x-image')).toEqual(found);
  });

  test('finds nothing in an empty picture', async () => {
    const grey = { width: 64, height: 36, data: new Uint8Array(64 * 36 * 3).fill(128) };
    expect(await detect(await encode(grey, 'png'), 'image/png')).toEqual([]);
  });

  test.each([
    {
      what: 'garbage',
      body: Buffer.from('hello'),
      contentType: 'image/jpeg',
      status: 400,
      message: /is none of JPEG, PNG/,
    },
    {
      what: 'nothing',
      body: Buffer.alloc(0),
      contentType: 'image/jpeg',
      status: 400,
      message: /\(0 bytes\)/,
    },
    {
      what: 'half a JPEG',
      body: CAR_JPEG.subarray(0, 99_999),
      contentType: 'image/jpeg',
      status: 400,
      message: /cannot be decoded/,
    },
    {
      what: 'a wrong content type',
      body: Buffer.from('{}'),
      contentType: 'application/json',
      status: 415,
      message: /must be one of image\/jpeg/,
    },
    {
      what: 'too much',
      body: Buffer.alloc(6_291_457),
      contentType: 'image/jpeg',
      status: 413,
      message: /has 6291457 bytes; at most 6291456/,
    },
  ])('refuses $what with $status', async ({ body, contentType, status, message }) => {
    const response = await post(server, body, contentType);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ message: expect.stringMatching(message) });
  });
});

/** Finds nothing, and only once it is released. */
class HeldDetector extends EventEmitter implements Detector {
  detections = 0;
  #isReleased = false;

  async detect(): Promise<Prediction[]> {
    this.detections += 1;
    this.emit('detect');
    if (!this.#isReleased) await once(this, 'release');
    return [];
  }

  release(): void {
    this.#isReleased = true;
    this.emit('release');
  }

  dispose(): void {
    this.emit('dispose');
  }
}

describe('with a detector that is held', () => {
  let png: Buffer;
  let detector: HeldDetector;
  let server: ModelServer;

  beforeEach(async () => {
    png = await encode({ width: 2, height: 2, data: new Uint8Array(12) }, 'png');
    detector = new HeldDetector();
    server = await startModelServer({ host: '127.0.0.1', port: 0, load: async () => detector });
    await server.loaded;
  });

  afterEach(async () => {
    await server.close();
  });

  test('refuses the request that would have to wait behind 64 others', async () => {
    const requests = Array.from({ length: 66 }, () => post(server, png, 'image/png'));
    const refused = await Promise.race(requests);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ message: '64 requests are waiting for the model already' });
    detector.release();
    const statuses = (await Promise.all(requests)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(65);
  });

  test('skips a request whose client is gone, and serves the others', async () => {
    const isDetecting = once(detector, 'detect');
    const first = post(server, png, 'image/png');
    await isDetecting;
    await postAndLeave(server, png);
    const last = post(server, png, 'image/png');
    detector.release();
    expect([(await first).status, (await last).status]).toEqual([200, 200]);
    expect(detector.detections).toBe(2);
  });

  test('frees the model when it closes, after the inference that runs', async () => {
    const events: string[] = [];
    detector.once('release', () => events.push('release')).once('dispose', () => events.push('dispose'));
    const isDetecting = once(detector, 'detect');
    const request = post(server, png, 'image/png').then(
      () => 'answered',
      () => 'cut',
    );
    await isDetecting;
    const closed = server.close();
    expect(await request).toBe('cut');
    detector.release();
    await closed;
    expect(events).toEqual(['release', 'dispose']);
    await expect(ping(server)).rejects.toThrow();
  });
});

test('is unavailable until the model is loaded', async () => {
  const loading = new EventEmitter();
  const detector = new HeldDetector();
  detector.release();
  const load = async () => {
    await once(loading, 'loaded');
    return detector;
  };
  const server = await startModelServer({ host: '127.0.0.1', port: 0, load });
  try {
    expect(await ping(server)).toBe(503);
    const refused = await post(server, CAR_JPEG, 'image/jpeg');
    expect([refused.status, await refused.json()]).toEqual([
      503,
      expect.objectContaining({ message: 'The model is not loaded yet' }),
    ]);
    loading.emit('loaded');
    await server.loaded;
    expect(await ping(server)).toBe(200);
    expect((await post(server, CAR_JPEG, 'image/jpeg')).status).toBe(200);
  } finally {
    await server.close();
  }
});

test('a model that cannot be loaded is told to whoever waits for it', async () => {
  const load = async () => {
    throw new Error('no such file');
  };
  const server = await startModelServer({ host: '127.0.0.1', port: 0, load });
  await expect(server.loaded).rejects.toThrow('no such file');
  await server.close();
});
