import { createHash } from 'node:crypto';
import type { MetricName } from '../../src/core/metric-names.ts';
import { eventually } from '../support/eventually.ts';
import { newGate } from '../support/gate.ts';
import { type Answer, awsError, type ReceivedRequest } from '../support/http-server.ts';
import {
  configOf,
  DETECTION,
  errorLines,
  FRAME_MILLIS,
  PRODUCER_MILLIS,
  type Run,
  withPipeline,
} from './pipeline-run.ts';

test('a frame is decoded, asked about, published, and only then settled', async () => {
  const gate = newGate();
  await withPipeline({ publish: () => gate.opened }, async (run) => {
    const { pipeline, clock, events, outcomes, requests, lines, total } = run;
    await run.submit(1);
    await eventually(() => lines.some(({ msg }) => msg === 'inferred'));
    expect([pipeline.depth, events]).toEqual([1, []]);
    clock.advance(3000);
    gate.open();
    await eventually(() => pipeline.depth === 0);
    expect(events).toEqual(['published 1', 'settled 1']);

    expect(outcomes).toMatchObject([
      {
        picture: { width: 64, height: 48, reduced: null },
        answer: { body: Buffer.from(String(DETECTION.body)), contentType: 'application/json' },
      },
    ]);
    expect(outcomes[0]?.picture).not.toHaveProperty('data');
    expect(requests[0]?.body.subarray(0, 2).toString('hex')).toBe('ffd8');
    expect(requests[0]?.headers).toMatchObject({
      'x-amzn-sagemaker-custom-attributes': expect.stringMatching(
        /^id=front\/7\/1,streamName=front,fragmentNumber=7,frameIndex=1,serverTimestamp=2023-/,
      ),
      'x-amzn-sagemaker-inference-id': createHash('sha256').update('front/7/1').digest('hex'),
    });
    expect(
      ['FramesSent', 'FramesSucceeded', 'ResultsPublished', 'FramesFailed'].map((name) =>
        total(name, 'front'),
      ),
    ).toEqual([1, 1, 1, 0]);
    expect(lines).toContainEqual(
      expect.objectContaining({
        StreamName: 'front',
        IngestToProcessLatency: [3000 - FRAME_MILLIS],
        ProducerToProcessLatency: [3000 - FRAME_MILLIS + PRODUCER_MILLIS],
      }),
    );
  });
});

const idOf = ({ headers }: ReceivedRequest) =>
  /^id=([^,]+)/.exec(String(headers['x-amzn-sagemaker-custom-attributes']))?.[1];

test('every frame is settled once, whatever became of it', async () => {
  const answer = (request: ReceivedRequest) =>
    idOf(request) === 'front/7/2' ? awsError('ValidationError') : DETECTION;
  const publish = async (index: number) => {
    if (index === 4) throw new TypeError('unforeseen');
  };
  await withPipeline({ answer, publish }, async (run) => {
    for (const index of [0, 1, 2, 3, 4, 5]) await run.submit(index);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.settled().toSorted()).toEqual([0, 1, 2, 3, 4, 5].map((index) => `settled ${index}`));
    const ends = [0, 1, 2, 3, 4, 5].map((index) => run.ends.get(index));
    expect(ends).toEqual(['PUBLISHED', 'PUBLISHED', 'FAILED', 'PUBLISHED', 'FAILED', 'PUBLISHED']);
    expect(run.events.filter((event) => event.startsWith('published')).toSorted()).toEqual(
      [0, 1, 3, 5].map((index) => `published ${index}`),
    );
    expect(run.total('FramesFailed', 'front')).toBe(2);
  });
});

describe('a frame that fails for good', () => {
  test('is counted, and a line with stream, fragment, frame, error and attempts', async () => {
    await withPipeline({ answer: () => awsError('ValidationError') }, async (run) => {
      await run.submit(3);
      await eventually(() => run.pipeline.depth === 0);
      expect(errorLines(run)).toEqual([
        expect.objectContaining({
          endpoint: 'detector',
          id: 'front/7/3',
          streamName: 'front',
          fragmentNumber: '7',
          frameIndex: 3,
          error: 'ValidationError',
          attempts: 1,
          msg: 'frame failed: ValidationError happened',
        }),
      ]);
      expect(run.events).toEqual(['settled 3']);
      expect(run.outcomes).toEqual([]);
      expect(['FramesFailed', 'FramesSucceeded'].map((name) => run.total(name, 'front'))).toEqual([1, 0]);
    });
  });

  test('is published where that is wanted, and only then settled', async () => {
    const config = { publishFailures: true };
    await withPipeline({ config, answer: () => awsError('ValidationError') }, async (run) => {
      await run.submit(3);
      await run.submit(4, { payload: Buffer.from('not a frame at all') });
      await eventually(() => run.pipeline.depth === 0);
      expect(run.events.toSorted()).toEqual(['published 3', 'published 4', 'settled 3', 'settled 4']);
      expect(run.outcomes).toHaveLength(2);
      expect(run.outcomes).toEqual(
        expect.arrayContaining([
          {
            error: expect.objectContaining({ name: 'ValidationError' }),
            attempts: 1,
            picture: { width: 64, height: 48, reduced: null },
          },
          { error: expect.objectContaining({ code: 'DECODE_FAILED' }), attempts: 0, picture: null },
        ]),
      );
    });
  });
});

test('a damaged frame fails alone, and the endpoint is not asked about it', async () => {
  await withPipeline({}, async (run) => {
    await run.submit(0);
    await run.submit(1, { payload: Buffer.from('not a frame at all') });
    await run.submit(2);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.events.toSorted()).toEqual([
      'published 0',
      'published 2',
      'settled 0',
      'settled 1',
      'settled 2',
    ]);
    expect(run.requests).toHaveLength(2);
    expect(errorLines(run)).toMatchObject([{ error: 'DECODE_FAILED', attempts: 0, id: 'front/7/1' }]);
    expect(['FramesSent', 'FramesFailed'].map((name) => run.total(name, 'front'))).toEqual([2, 1]);
  });
});

test('a throttled frame is asked about again, and each retry is a line that names it', async () => {
  // Both are under way when the first is refused: after that, the second call would be one too many for its slot.
  const both = newGate();
  const answer = async (_request: ReceivedRequest, count: number) => {
    if (count > 2) return DETECTION;
    if (count === 2) both.open();
    await both.opened;
    return awsError('ThrottlingException');
  };
  await withPipeline({ answer }, async (run) => {
    const retries = () => run.lines.filter(({ msg }) => String(msg).startsWith('invocation failed'));
    await run.submit(0);
    await run.submit(1);
    await eventually(() => retries().length === 2);
    expect(run.events).toEqual([]);
    const line = { streamName: 'front', fragmentNumber: '7', error: 'ThrottlingException', attempts: 1 };
    expect(retries().toSorted((a, b) => Number(a['frameIndex']) - Number(b['frameIndex']))).toMatchObject([
      { ...line, frameIndex: 0 },
      { ...line, frameIndex: 1 },
    ]);
    await eventually(() => {
      run.clock.advance(1000);
      return run.pipeline.depth === 0;
    });
    expect(run.events.toSorted()).toEqual(['published 0', 'published 1', 'settled 0', 'settled 1']);
    const names = ['InvocationRetries', 'Throttles', 'FramesSent', 'FramesFailed'];
    expect(names.map((name) => run.total(name, 'front'))).toEqual([2, 2, 2, 0]);
    expect(valuesOf(run, 'QueueWait')).toHaveLength(2);
    expect(valuesOf(run, 'ConcurrencyInUse')).toHaveLength(4);
    const inferenceIds = run.requests.map(({ headers }) => headers['x-amzn-sagemaker-inference-id']);
    expect([inferenceIds.length, new Set(inferenceIds).size]).toEqual([4, 2]);
  });
});

test('how long a frame waits for its slot is measured, and how many calls are under way', async () => {
  const gate = newGate();
  const answer = () => gate.opened.then(() => DETECTION);
  // Where none is decoded ahead: that time would not count.
  const config = { sageMakerTaskThreadPoolSize: 2, queueFullPolicy: 'dropOldest' };
  await withPipeline({ config, answer }, async (run) => {
    for (const index of [0, 1, 2]) await run.submit(index);
    await eventually(() => run.requests.length === 2);
    run.clock.advance(700);
    gate.open();
    await eventually(() => run.pipeline.depth === 0);
    run.metrics.flush();
    expect(valuesOf(run, 'QueueWait').toSorted()).toEqual([0, 0, 700]);
    expect(valuesOf(run, 'ConcurrencyInUse').slice(0, 2)).toEqual([1, 2]);
  });
});

/** Of the whole application, in the order in which they were observed. */
function valuesOf({ lines }: Run, metric: MetricName): number[] {
  return lines
    .filter((line) => line['_aws'] !== undefined && line['StreamName'] === undefined)
    .flatMap((line) => (line[metric] as number[] | undefined) ?? []);
}

test('the parameters of the picture and of the call are those of the configuration', async () => {
  const config = {
    imageMaxWidth: 32,
    sageMakerTargetModel: 'a/b.tar.gz',
    sageMakerTargetVariant: 'blue',
    sageMakerInferenceComponent: 'part',
  };
  await withPipeline({ config }, async (run) => {
    await run.submit(0);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.outcomes).toMatchObject([{ picture: { width: 32, height: 24 } }]);
    expect(run.requests[0]?.headers).toMatchObject({
      'x-amzn-sagemaker-target-model': 'a/b.tar.gz',
      'x-amzn-sagemaker-target-variant': 'blue',
      'x-amzn-sagemaker-inference-component': 'part',
    });
  });
});

test('a picture that is too large for the endpoint is made smaller, which is counted and told', async () => {
  const config = { endPointAcceptContentType: 'image/bmp', sageMakerMaxPayloadBytes: 4000 };
  await withPipeline({ config }, async (run) => {
    await run.submit(0);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.requests[0]?.body.length).toBeLessThanOrEqual(4000);
    expect(run.outcomes).toMatchObject([{ picture: { reduced: { fromBytes: expect.any(Number) } } }]);
    expect(run.total('PicturesReduced', 'front')).toBe(1);
  });
});

describe('dropping', () => {
  const isHanging = { answer: () => ({ trouble: 'hang' as const }) };
  const drops = ({ lines }: Run) => lines.filter(({ msg }) => String(msg).startsWith('frames dropped'));

  test("a full queue drops the stream's oldest waiting frame, which is done then", async () => {
    const config = {
      sageMakerTaskQueueSize: 3,
      sageMakerTaskThreadPoolSize: 1,
      queueFullPolicy: 'dropOldest',
    };
    await withPipeline({ config, ...isHanging }, async (run) => {
      await run.submit(0);
      await eventually(() => run.requests.length === 1);
      for (const index of [1, 2, 3, 4]) await run.submit(index);
      await eventually(() => run.events.length === 2);
      expect([run.events, run.pipeline.depth]).toEqual([['settled 1', 'settled 2'], 3]);
      expect([...run.ends.values()]).toEqual(['DROPPED', 'DROPPED']);
      expect(run.total('FramesDropped', 'front')).toBe(2);
      await run.end();
      const line = { level: 'warn', streamName: 'front', reason: 'QUEUE_FULL', endpoint: 'detector' };
      expect(drops(run)).toMatchObject([{ ...line, ids: ['front/7/1', 'front/7/2'] }]);
    });
  });

  test('live mode keeps two frames of each stream waiting', async () => {
    const config = { sageMakerTaskThreadPoolSize: 1, mode: 'live' };
    await withPipeline({ config, ...isHanging }, async (run) => {
      await run.submit(0);
      await eventually(() => run.requests.length === 1);
      for (const index of [1, 2, 3]) await run.submit(index);
      for (const index of [4, 5]) await run.submit(index, { streamName: 'back' });
      await eventually(() => run.events.length === 1);
      expect([run.events, run.pipeline.depth]).toEqual([['settled 1'], 5]);
    });
  });

  test('a frame that is too old at its turn is dropped, one that is not is sent', async () => {
    const gate = newGate();
    const answer = () => gate.opened.then(() => DETECTION);
    const config = { sageMakerTaskThreadPoolSize: 1, maxFrameAgeInMilli: 1000 };
    await withPipeline({ config, answer }, async (run) => {
      await run.submit(0);
      await eventually(() => run.requests.length === 1);
      for (const index of [1, 2]) await run.submit(index);
      // The third is 40 ms younger than the second.
      run.clock.advance(1000 + 1.5 * FRAME_MILLIS);
      gate.open();
      await eventually(() => run.pipeline.depth === 0);
      expect(run.events.toSorted()).toEqual([
        'published 0',
        'published 2',
        'settled 0',
        'settled 1',
        'settled 2',
      ]);
      await run.end();
      expect(run.ends.get(1)).toBe('DROPPED');
      expect(drops(run)).toMatchObject([{ reason: 'TOO_OLD', ids: ['front/7/1'] }]);
      expect(run.total('FramesDropped', 'front')).toBe(1);
      // What has waited for too long has waited.
      expect(valuesOf(run, 'QueueWait')).toHaveLength(3);
    });
  });
});

test('no more bytes are inside than the bound allows', async () => {
  const gate = newGate();
  const answer = () => gate.opened.then(() => DETECTION);
  await withPipeline({ queueBytes: 100, answer }, async (run) => {
    const payload = Buffer.alloc(40);
    const submitted = [0, 1, 2, 3].map((index) => run.submit(index, { payload }));
    await submitted[1];
    expect([run.pipeline.depth, run.pipeline.bytes]).toEqual([2, 80]);
    gate.open();
    await Promise.all(submitted);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.settled()).toHaveLength(4);
  });
});

describe('two endpoints', () => {
  const ENDPOINTS = [{ name: 'slow' }, { name: 'fast', acceptContentType: 'image/png' }];
  const config = { sageMakerEndpoint: undefined, endpoints: ENDPOINTS };
  const [slow, fast] = configOf(config).endpoints;
  if (slow === undefined || fast === undefined) throw new Error('two endpoints');

  test('each gets its frames, and one that hangs does not hold up the other', async () => {
    const answer = ({ path }: ReceivedRequest): Answer =>
      path.includes('slow') ? { trouble: 'hang' } : DETECTION;
    await withPipeline(
      { config: { ...config, sageMakerTaskQueueSize: 2 }, queueBytes: 8000, answer },
      async (run) => {
        const payload = Buffer.alloc(3900);
        await run.submit(0, { endpoint: slow });
        let isIn = false;
        const waits = run.submit(1, { endpoint: slow, payload }).then(() => {
          isIn = true;
        });
        waits.catch(() => undefined);
        for (const index of [2, 3, 4]) await run.submit(index, { endpoint: fast });
        await eventually(() => run.settled().length === 3);
        expect(run.settled().toSorted()).toEqual(['settled 2', 'settled 3', 'settled 4']);
        expect(isIn).toBe(false);
        const types = new Map(run.requests.map(({ path, headers }) => [path, headers['content-type']]));
        expect(Object.fromEntries(types)).toEqual({
          '/endpoints/slow/invocations': 'image/jpeg',
          '/endpoints/fast/invocations': 'image/png',
        });
      },
    );
  });

  test('one that is no longer configured still gets what was sampled for it', async () => {
    const gate = newGate();
    const answer = () => gate.opened.then(() => DETECTION);
    await withPipeline({ config, answer }, async (run) => {
      await run.submit(0, { endpoint: slow });
      run.configure({ sageMakerEndpoint: 'fast' });
      await run.submit(1, { endpoint: slow });
      gate.open();
      await eventually(() => run.pipeline.depth === 0);
      expect(run.settled().toSorted()).toEqual(['settled 0', 'settled 1']);
      run.configure({ sageMakerEndpoint: 'fast' });
      await run.submit(2);
      await eventually(() => run.pipeline.depth === 0);
      expect(run.requests.map(({ path }) => path.split('/')[2])).toEqual(['slow', 'slow', 'fast']);
    });
  });
});

test('the frames of an endpoint that is down and configured no more fail, and hold up nobody', async () => {
  const answer = ({ path }: ReceivedRequest) =>
    path.includes('detector') ? awsError('InternalFailure', 500) : DETECTION;
  await withPipeline({ answer }, async (run) => {
    const [detector] = configOf().endpoints;
    for (const index of [0, 1, 2, 3]) await run.submit(index);
    await eventually(() => {
      run.clock.advance(500);
      return errorLines(run).some(({ msg }) => String(msg).startsWith('endpoint is down'));
    });
    run.configure({ sageMakerEndpoint: 'other' });
    await run.submit(4);
    await eventually(() => run.settled().length === 1);
    await run.submit(5, detector === undefined ? {} : { endpoint: detector });
    await eventually(() => {
      run.clock.advance(500);
      return run.pipeline.depth === 0;
    });
    expect(run.settled()).toHaveLength(6);
    expect(run.events.filter((event) => event.startsWith('published'))).toEqual(['published 4']);
    await run.end();
    const [first, others] = errorLines(run).filter(({ error }) => error === 'ENDPOINT_GIVEN_UP');
    expect(first).toMatchObject({ id: expect.any(String), attempts: expect.any(Number) });
    expect(Number(first?.['attempts'])).toBeGreaterThan(0);
    expect(others).toMatchObject({ frames: 4 });
    expect(run.total('FramesFailed', 'front')).toBe(5);
  });
});

test('an endpoint that is configured no more leaves its part of the bytes to the others', async () => {
  const gate = newGate();
  const answer = ({ path }: ReceivedRequest) =>
    path.includes('detector') ? gate.opened.then(() => DETECTION) : DETECTION;
  await withPipeline({ answer, queueBytes: 8000 }, async (run) => {
    await run.submit(0);
    run.configure({ sageMakerEndpoint: 'other' });
    gate.open();
    await eventually(() => run.pipeline.depth === 0);
    run.pipeline.report();
    const payload = Buffer.alloc(3900);
    await Promise.all([run.submit(1, { payload }), run.submit(2, { payload })]);
    expect(run.pipeline.bytes).toBe(7800);
    await eventually(() => run.pipeline.depth === 0);
  });
});

test('a smaller pool and queue are in force at once, and nothing in flight is lost', async () => {
  const waiting: Array<() => void> = [];
  const answer = () => new Promise<Answer>((resolve) => waiting.push(() => resolve(DETECTION)));
  await withPipeline({ config: { sageMakerTaskThreadPoolSize: 3 }, answer }, async (run) => {
    for (const index of [0, 1, 2, 3, 4]) await run.submit(index);
    await eventually(() => waiting.length === 3);
    run.configure({ sageMakerTaskThreadPoolSize: 1, sageMakerTaskQueueSize: 2 });
    for (const left of [4, 3, 2, 1, 0]) {
      waiting.shift()?.();
      await eventually(() => run.pipeline.depth === left);
      expect(waiting.length).toBeLessThanOrEqual(left);
      await eventually(() => waiting.length >= Math.min(1, left));
    }
    expect(run.settled()).toHaveLength(5);
  });
});

test('no more calls at once than the pool is large, no more frames inside than the queue is', async () => {
  const waiting: Array<() => void> = [];
  const peak = { calls: 0, inside: 0 };
  let depth = () => 0;
  const answer = () =>
    new Promise<Answer>((resolve) => {
      waiting.push(() => resolve(DETECTION));
      peak.calls = Math.max(peak.calls, waiting.length);
      peak.inside = Math.max(peak.inside, depth());
    });
  await withPipeline(
    { config: { sageMakerTaskQueueSize: 5, sageMakerTaskThreadPoolSize: 2 }, answer },
    async (run) => {
      depth = () => run.pipeline.depth;
      let entered = 0;
      for (let index = 0; index < 12; index += 1) {
        void run.submit(index).then(() => {
          entered += 1;
        });
      }
      for (let answered = 0; answered < 12; answered += 1) {
        await eventually(() => waiting.length === Math.min(2, 12 - answered));
        await eventually(() => entered === Math.min(12, 5 + answered));
        waiting.shift()?.();
      }
      await eventually(() => run.pipeline.depth === 0);
      expect(run.settled()).toHaveLength(12);
      expect(peak).toEqual({ calls: 2, inside: 5 });
    },
  );
});

test('a result that waits to be published holds a place in the queue, and no slot', async () => {
  const gate = newGate();
  let peak = 0;
  let depth = () => 0;
  const answer = () => {
    peak = Math.max(peak, depth());
    return DETECTION;
  };
  await withPipeline(
    {
      config: { sageMakerTaskQueueSize: 4, sageMakerTaskThreadPoolSize: 1 },
      answer,
      publish: () => gate.opened,
    },
    async (run) => {
      depth = () => run.pipeline.depth;
      const submitted = Array.from({ length: 8 }, (_, index) => run.submit(index));
      await eventually(() => run.requests.length === 4);
      expect(run.pipeline.depth).toBe(4);
      gate.open();
      await Promise.all(submitted);
      await eventually(() => run.pipeline.depth === 0);
      expect([run.settled().length, peak]).toEqual([8, 4]);
    },
  );
});

test('an error that nobody foresaw fails its frame alone', async () => {
  const publish = async (index: number) => {
    if (index === 0) throw new TypeError('unforeseen');
  };
  await withPipeline({ publish }, async (run) => {
    for (const index of [0, 1]) await run.submit(index);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.events.toSorted()).toEqual(['published 1', 'settled 0', 'settled 1']);
    expect(errorLines(run)).toMatchObject([{ error: 'TypeError', id: 'front/7/0' }]);
    expect(run.total('FramesFailed', 'front')).toBe(1);
  });
});

test('close waits for the frames that are inside', async () => {
  const gate = newGate();
  await withPipeline({ publish: () => gate.opened }, async (run) => {
    await run.submit(0);
    const closed = run.pipeline.close().then(() => run.events.push('closed'));
    await eventually(() => run.lines.some(({ msg }) => msg === 'inferred'));
    gate.open();
    await closed;
    expect(run.events).toEqual(['published 0', 'settled 0', 'closed']);
  });
});
