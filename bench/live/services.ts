import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import dynalite from 'dynalite';
import { systemClock as clock } from '../../src/core/clock.ts';
import { controlPlane } from '../../src/emulator/kinesis-video/control-plane.ts';
import { Streams } from '../../src/emulator/kinesis-video/streams.ts';
import { Parameters } from '../../src/emulator/parameters.ts';
import { Random } from '../../test/support/random.ts';
import { blocksOf, Camera, type Clip } from './cameras.ts';

export interface ServicesOptions {
  readonly clip: Clip;
  readonly streamNames: readonly string[];
  /** The cameras begin at any time within so many milliseconds. */
  readonly spreadMillis: number;
  /** Of the SSM parameter with the configuration. */
  readonly parameterName: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Where GetMedia is to be asked. */
  readonly url: () => string;
}

/** What has come and gone since the start. */
export interface Counts {
  /** Of GetMedia's bodies. */
  readonly bytes: number;
  /** Whole ones. */
  readonly fragments: number;
  /** GetMedia calls. */
  readonly readers: number;
  readonly invocations: number;
  readonly pictureBytes: number;
  readonly records: number;
}

/** A key frame's, milliseconds since the Unix epoch. */
export interface Passage {
  /** The key frame's last byte was given to the system. */
  readonly sent: number;
  /** The head of the InvokeEndpoint request was there. */
  readonly asked: number;
}

const SEED = 1;
/** How much faster or slower a camera's clock goes: in a minute their phases come past one another. */
const DRIFT = 0.02;
const RETENTION = { fragments: 0, millis: 0, bytes: 0 };
const AWS_JSON = { 'content-type': 'application/x-amz-json-1.1' };
const JSON_HEADERS = { 'content-type': 'application/json' };
/** What an endpoint answers that sees a person. */
const DETECTION = '{"prediction":[[0,0.9,0.1,0.1,0.5,0.5]]}';
const RECORD = { SequenceNumber: '49607240692344560000000000000000000000000001', ShardId: 'shardId-0' };
/** Of one stream, after which a key frame that nobody asked about is forgotten. */
const MAX_KEY_FRAMES = 100;

/** Every service that a worker uses, on one port. Each answers at once and correctly. */
export class Services {
  readonly #cameras = new Map<string, Camera>();
  readonly #dynamoDb = dynalite({ createTableMs: 0 });
  readonly #parameters = new Parameters();
  readonly #control: ReturnType<typeof controlPlane>;
  /** By stream and fragment number. */
  readonly #keyFrames = new Map<string, Map<string, number>>();
  #passages: Passage[] = [];
  #invocations = 0;
  #pictureBytes = 0;
  #records = 0;

  constructor({ clip, streamNames, spreadMillis, parameterName, config, url }: ServicesOptions) {
    const random = new Random(SEED);
    const streams = new Streams({
      clock,
      retention: RETENTION,
      region: 'us-east-1',
      accountId: '123456789012',
    });
    const settings = { deviceName: null, mediaType: null, kmsKeyId: null, dataRetentionInHours: 24 };
    const blocks = blocksOf(clip);
    for (const name of streamNames) {
      const keyFrames = new Map<string, number>();
      this.#keyFrames.set(name, keyFrames);
      const onKeyFrame = (fragmentNumber: string, millis: number) => {
        keyFrames.set(fragmentNumber, millis);
        const [oldest] = keyFrames.keys();
        if (keyFrames.size > MAX_KEY_FRAMES && oldest !== undefined) keyFrames.delete(oldest);
      };
      const delayMillis = random.between(0, spreadMillis);
      const frameMillis = clip.frameMillis * random.between(1 - DRIFT, 1 + DRIFT);
      const { arn } = streams.create(name, settings, new Map());
      const camera = new Camera({ clip, delayMillis, frameMillis, onKeyFrame }, blocks);
      this.#cameras.set(name, camera);
      this.#cameras.set(arn, camera);
    }
    this.#control = controlPlane(streams, url);
    this.#parameters.set(parameterName, JSON.stringify(config));
  }

  readonly listener: RequestListener = (incoming, response) => {
    this.#handle(incoming, response).catch((error: unknown) => {
      process.stderr.write(`${incoming.url}: ${error}\n`);
      response.destroy();
    });
  };

  counts(): Counts {
    const cameras = [...new Set(this.#cameras.values())];
    const sum = (of: 'bytes' | 'fragments' | 'readers') =>
      cameras.reduce((total, camera) => total + camera[of], 0);
    return {
      bytes: sum('bytes'),
      fragments: sum('fragments'),
      readers: sum('readers'),
      invocations: this.#invocations,
      pictureBytes: this.#pictureBytes,
      records: this.#records,
    };
  }

  /** Those since the last call. */
  passages(): Passage[] {
    const passages = this.#passages;
    this.#passages = [];
    return passages;
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = String(incoming.headers['x-amz-target'] ?? '');
    const path = incoming.url ?? '';
    if (path.startsWith('/endpoints/')) return this.#invoke(incoming, response);
    if (target.startsWith('DynamoDB_')) {
      this.#dynamoDb.emit('request', incoming, response);
      return;
    }
    const input = JSON.parse(String(await readAll(incoming)));
    if (path === '/getMedia') {
      const camera = this.#cameras.get(input.StreamARN ?? input.StreamName);
      if (camera === undefined) throw new Error('no such stream');
      camera.open(response);
    } else if (target === 'Kinesis_20131202.PutRecords') {
      this.#records += input.Records.length;
      const answer = { FailedRecordCount: 0, Records: input.Records.map(() => RECORD) };
      send(response, AWS_JSON, JSON.stringify(answer));
    } else {
      const operation = this.#parameters.operations[target] ?? this.#control[path.slice(1)];
      if (operation === undefined) throw new Error(`no operation ${target} ${path}`);
      send(response, target === '' ? JSON_HEADERS : AWS_JSON, JSON.stringify(await operation(input)));
    }
  }

  async #invoke(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = performance.timeOrigin + performance.now();
    const attributes = String(incoming.headers['x-amzn-sagemaker-custom-attributes']);
    const [, streamName = '', fragmentNumber = ''] = /^id=([^/]+)\/(\d+)\//.exec(attributes) ?? [];
    const sent = this.#keyFrames.get(streamName)?.get(fragmentNumber);
    if (sent === undefined) throw new Error(`no such frame: ${attributes}`);
    this.#passages.push({ sent, asked });
    this.#invocations += 1;
    for await (const piece of incoming) this.#pictureBytes += (piece as Buffer).length;
    send(response, JSON_HEADERS, DETECTION);
  }
}

/** As AWS answers: with the length of the answer. */
function send(response: ServerResponse, headers: Readonly<Record<string, string>>, text: string): void {
  response.writeHead(200, { ...headers, 'content-length': String(Buffer.byteLength(text)) }).end(text);
}

async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
