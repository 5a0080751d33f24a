import { getEventListeners, getMaxListeners } from 'node:events';
import { KvsInferenceError } from '../../src/core/errors.ts';
import { eventually } from '../support/eventually.ts';
import { newGate } from '../support/gate.ts';
import { awsError } from '../support/http-server.ts';
import { openTenure } from '../support/tenure.ts';
import { DETECTION, errorLines, type Options, type Run, withPipeline } from './pipeline-run.ts';

describe('draining', () => {
  test('abandons the frames that wait, and lets those in flight be done', async () => {
    const gate = newGate();
    const answer = () => gate.opened.then(() => DETECTION);
    await withPipeline({ config: { sageMakerTaskThreadPoolSize: 2 }, answer }, async (run) => {
      const { tenure, drain } = openTenure();
      for (const index of [0, 1, 2, 3]) await run.submit(index, { tenure });
      await eventually(() => run.requests.length === 2);
      drain();
      await eventually(() => run.pipeline.depth === 2);
      expect(run.events.toSorted()).toEqual(['abandoned 2', 'abandoned 3']);
      gate.open();
      await eventually(() => run.pipeline.depth === 0);
      expect(run.settled().toSorted()).toEqual(['settled 0', 'settled 1']);
      expect(run.requests).toHaveLength(2);
      expect(['FramesHandedOver', 'FramesFailed'].map((name) => run.total(name, 'front'))).toEqual([2, 0]);
    });
  });

  test('makes room at once for the frames of others, and takes no new one', async () => {
    const gate = newGate();
    const answer = () => gate.opened.then(() => DETECTION);
    await withPipeline(
      { config: { sageMakerTaskQueueSize: 2, sageMakerTaskThreadPoolSize: 1 }, answer },
      async (run) => {
        const { tenure, drain } = openTenure();
        await run.submit(0);
        // Else the other might be decoded first.
        await eventually(() => run.requests.length === 1);
        await run.submit(1, { tenure });
        const refused = run.submit(2, { tenure });
        const other = run.submit(3);
        drain();
        await expect(refused).rejects.toBe(tenure.draining.reason);
        await other;
        await expect(run.submit(4, { tenure })).rejects.toBe(tenure.draining.reason);
        expect([run.events, run.pipeline.depth]).toEqual([['abandoned 1'], 2]);
        gate.open();
        await eventually(() => run.pipeline.depth === 0);
        expect(run.settled()).toEqual(['settled 0', 'settled 3']);
      },
    );
  });

  test('lets a frame in flight fail', async () => {
    const gate = newGate();
    const answer = () => gate.opened.then(() => awsError('ValidationError'));
    await withPipeline({ answer }, async (run) => {
      const { tenure, drain } = openTenure();
      await run.submit(0, { tenure });
      await eventually(() => run.requests.length === 1);
      drain();
      gate.open();
      await eventually(() => run.pipeline.depth === 0);
      expect(run.events).toEqual(['settled 0']);
      expect(run.total('FramesFailed', 'front')).toBe(1);
    });
  });
});

describe('over', () => {
  const asked = ({ requests }: Run) => requests.length === 1;
  const isRetrying = ({ lines }: Run) => lines.some(({ level }) => level === 'warn');
  const hasInferred = ({ lines }: Run) => lines.some(({ msg }) => msg === 'inferred');

  test.each<[string, Options, (run: Run) => boolean]>([
    ['a call without an answer', { answer: () => ({ trouble: 'hang' }) }, asked],
    ['half an answer', { answer: () => ({ headers: { 'content-length': '1000' }, body: '{' }) }, asked],
    ['waiting to ask again', { answer: () => awsError('ThrottlingException') }, isRetrying],
    ['publishing', { publish: () => newGate().opened }, hasInferred],
  ])('gives up %s, and abandons the frame', async (_name, options, isThere) => {
    await withPipeline(options, async (run) => {
      const { tenure, end } = openTenure();
      await run.submit(0, { tenure });
      await eventually(() => isThere(run));
      end();
      await run.pipeline.close();
      expect([run.pipeline.depth, run.events, errorLines(run)]).toEqual([0, ['abandoned 0'], []]);
      expect(['FramesHandedOver', 'FramesFailed'].map((name) => run.total(name, 'front'))).toEqual([1, 0]);
    });
  });

  test('asks nothing about a frame that was being decoded', async () => {
    await withPipeline({}, async (run) => {
      const { tenure, end } = openTenure();
      await run.submit(0, { tenure });
      end();
      await run.pipeline.close();
      expect([run.events, run.requests.length]).toEqual([['abandoned 0'], 0]);
      expect(run.total('FramesSent', 'front')).toBe(0);
    });
  });

  test('leaves the frames of others alone', async () => {
    const gate = newGate();
    const answer = () => gate.opened.then(() => DETECTION);
    await withPipeline({ answer }, async (run) => {
      const { tenure, end } = openTenure();
      await run.submit(0, { tenure });
      await run.submit(1);
      await eventually(() => run.requests.length === 2);
      end();
      await eventually(() => run.pipeline.depth === 1);
      gate.open();
      await eventually(() => run.pipeline.depth === 0);
      expect(run.events).toEqual(['abandoned 0', 'published 1', 'settled 1']);
    });
  });

  test('by the word of the publisher: the frame is abandoned', async () => {
    const publish = async () => {
      throw new KvsInferenceError('TENURE_OVER', 'found when the record was to be sent');
    };
    await withPipeline({ publish }, async (run) => {
      await run.submit(0);
      await run.pipeline.close();
      expect([run.events, errorLines(run)]).toEqual([['abandoned 0'], []]);
    });
  });

  test.each([
    ['a result', DETECTION],
    ['a failure', awsError('ValidationError')],
  ])('before any signal tells: %s is neither published nor settled', async (_name, answered) => {
    const gate = newGate();
    const answer = () => gate.opened.then(() => answered);
    await withPipeline({ answer }, async (run) => {
      const { tenure, invalidate } = openTenure();
      await run.submit(0, { tenure });
      await eventually(() => run.requests.length === 1);
      invalidate();
      gate.open();
      await run.pipeline.close();
      expect([run.events, errorLines(run)]).toEqual([['abandoned 0'], []]);
      expect(['FramesHandedOver', 'FramesFailed'].map((name) => run.total(name, 'front'))).toEqual([1, 0]);
    });
  });
});

test('as many frames as there are may listen to the signals of a tenure, and none stays', async () => {
  await withPipeline({ config: { sageMakerTaskQueueSize: 20 } }, async (run) => {
    const { tenure } = openTenure();
    for (let index = 0; index < 20; index += 1) await run.submit(index, { tenure });
    await eventually(() => run.pipeline.depth === 0);
    for (const signal of [tenure.draining, tenure.over]) {
      expect([getMaxListeners(signal), getEventListeners(signal, 'abort')]).toEqual([
        Number.POSITIVE_INFINITY,
        [],
      ]);
    }
  });
});
