import { createHash } from 'node:crypto';
import { KvsInferenceError } from '../../src/core/errors.ts';
import { eventually } from '../support/eventually.ts';
import { type Answer, awsError, type ReceivedRequest } from '../support/http-server.ts';
import { DETECTION, errorLines, FRAME_MILLIS, newGate, withPipeline } from './pipeline-run.ts';

test('a frame is decoded, asked about, published, and only then settled', async () => {
  const gate = newGate();
  await withPipeline({ publish: () => gate.opened }, async (run) => {
    const { pipeline, clock, events, inferences, requests, lines, total } = run;
    await run.submit(1);
    await eventually(() => lines.some(({ msg }) => msg === 'inferred'));
    expect([pipeline.depth, events]).toEqual([1, []]);
    clock.advance(3000);
    gate.open();
    await eventually(() => pipeline.depth === 0);
    expect(events).toEqual(['published 1', 'settled 1']);

    expect(inferences).toMatchObject([
      {
        picture: { width: 64, height: 48, data: requests[0]?.body },
        answer: { body: Buffer.from(String(DETECTION.body)), contentType: 'application/json' },
        endpoint: 'detector',
      },
    ]);
    expect(requests[0]?.body.subarray(0, 2).toString('hex')).toBe('ffd8');
    expect(requests[0]?.headers).toMatchObject({
      'x-amzn-sagemaker-custom-attributes': 'id=front/7/1',
      'x-amzn-sagemaker-inference-id': createHash('sha256').update('front/7/1').digest('hex'),
    });
    expect(
      ['FramesSent', 'FramesSucceeded', 'ResultsPublished', 'FramesFailed'].map((name) =>
        total(name, 'front'),
      ),
    ).toEqual([1, 1, 1, 0]);
    expect(lines).toContainEqual(
      expect.objectContaining({ StreamName: 'front', IngestToProcessLatency: [3000 - FRAME_MILLIS] }),
    );
  });
});

test('every frame is settled once, whatever became of it', async () => {
  const answer = (request: ReceivedRequest) =>
    request.headers['x-amzn-sagemaker-custom-attributes'] === 'id=front/7/2'
      ? awsError('ValidationError')
      : DETECTION;
  const publish = async (index: number) => {
    if (index === 4) throw new KvsInferenceError('RESULT_TOO_LARGE', 'too large');
  };
  await withPipeline({ answer, publish }, async (run) => {
    for (const index of [0, 1, 2, 3, 4, 5]) await run.submit(index);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.settled().toSorted()).toEqual([0, 1, 2, 3, 4, 5].map((index) => `settled ${index}`));
    expect(run.events.filter((event) => event.startsWith('published')).toSorted()).toEqual(
      [0, 1, 3, 5].map((index) => `published ${index}`),
    );
    expect(run.total('FramesFailed', 'front')).toBe(2);
  });
});

test('a failed frame is counted, and logged once', async () => {
  await withPipeline({ answer: () => awsError('ValidationError') }, async (run) => {
    for (const index of [0, 1, 2]) {
      await run.submit(index);
      await eventually(() => run.pipeline.depth === 0);
    }
    const line = { error: 'ValidationError', endpoint: 'detector' };
    expect(errorLines(run)).toMatchObject([{ ...line, frames: 1, ids: ['front/7/0'] }]);
    await run.pipeline.close();
    expect(errorLines(run)).toMatchObject([
      { ...line, frames: 1, ids: ['front/7/0'] },
      { ...line, frames: 2, ids: ['front/7/1', 'front/7/2'] },
    ]);
    expect(run.events).toEqual(['settled 0', 'settled 1', 'settled 2']);
    expect(run.total('FramesFailed', 'front')).toBe(3);
    expect(run.total('FramesSucceeded', 'front')).toBe(0);
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
    expect(errorLines(run)).toMatchObject([{ error: 'DECODE_FAILED', frames: 1, ids: ['front/7/1'] }]);
    expect(['FramesSent', 'FramesFailed'].map((name) => run.total(name, 'front'))).toEqual([2, 1]);
  });
});

test('a throttled frame is asked about again, and the lines name frame and slot', async () => {
  const answer = (_request: ReceivedRequest, count: number) =>
    count <= 2 ? awsError('ThrottlingException') : DETECTION;
  await withPipeline({ answer }, async (run) => {
    const retries = () => run.lines.filter(({ level }) => level === 'warn');
    await run.submit(0);
    await run.submit(1);
    await eventually(() => retries().length === 2);
    expect(run.events).toEqual([]);
    const line = { streamName: 'front', fragmentNumber: '7', error: 'ThrottlingException', attempt: 1 };
    expect(retries().toSorted((a, b) => Number(a['frameIndex']) - Number(b['frameIndex']))).toMatchObject([
      { ...line, frameIndex: 0, slot: 'Slot-0' },
      { ...line, frameIndex: 1, slot: 'Slot-1' },
    ]);

    run.clock.advance(10_000);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.events.toSorted()).toEqual(['published 0', 'published 1', 'settled 0', 'settled 1']);
    expect(['InvocationRetries', 'FramesFailed'].map((name) => run.total(name, 'front'))).toEqual([2, 0]);
    const inferenceIds = run.requests.map(({ headers }) => headers['x-amzn-sagemaker-inference-id']);
    expect([inferenceIds.length, new Set(inferenceIds).size]).toEqual([4, 2]);
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
  await withPipeline({ queueSize: 5, poolSize: 2, answer }, async (run) => {
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
  });
});

test('a result that waits to be published holds a place in the queue, and no slot', async () => {
  const gate = newGate();
  let peak = 0;
  let depth = () => 0;
  const answer = () => {
    peak = Math.max(peak, depth());
    return DETECTION;
  };
  await withPipeline({ queueSize: 4, poolSize: 1, answer, publish: () => gate.opened }, async (run) => {
    depth = () => run.pipeline.depth;
    const submitted = Array.from({ length: 8 }, (_, index) => run.submit(index));
    await eventually(() => run.requests.length === 4);
    expect(run.pipeline.depth).toBe(4);
    gate.open();
    await Promise.all(submitted);
    await eventually(() => run.pipeline.depth === 0);
    expect([run.settled().length, peak]).toEqual([8, 4]);
  });
});

test('an error that nobody foresaw fails its frame alone', async () => {
  const publish = async (index: number) => {
    if (index === 0) throw new TypeError('unforeseen');
  };
  await withPipeline({ publish }, async (run) => {
    for (const index of [0, 1]) await run.submit(index);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.events.toSorted()).toEqual(['published 1', 'settled 0', 'settled 1']);
    expect(errorLines(run)).toMatchObject([{ error: 'TypeError', ids: ['front/7/0'] }]);
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
