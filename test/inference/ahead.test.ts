import { EndpointControl } from '../../src/inference/endpoint-control.ts';
import { eventually } from '../support/eventually.ts';
import { newGate } from '../support/gate.ts';
import { DETECTION } from '../support/local-services.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';
import { roomyQueue } from './ask-about.ts';
import { codec, withPipeline } from './pipeline-run.ts';
import { never, turn } from './queue-jobs.ts';

test('frames get ready while as many have their calls, and none during an outage', async () => {
  const clock = new ManualClock(0);
  const queue = roomyQueue();
  const control = new EndpointControl({ ...recorded(clock), clock, queue, maxConcurrency: 8, ahead: 4 });
  expect(queue.concurrency).toBe(12);
  control.configure({ maxConcurrency: 3, isWanted: true, ahead: 4 });
  expect(queue.concurrency).toBe(6);
  control.configure({ maxConcurrency: 3, isWanted: true, ahead: 0 });
  expect(queue.concurrency).toBe(3);
  control.configure({ maxConcurrency: 3, isWanted: true, ahead: 4 });
  const down = Object.assign(new Error('down'), {
    name: 'ServiceUnavailable',
    $metadata: { httpStatusCode: 500 },
  });
  for (let frame = 0; frame < 10; frame += 1) {
    const call = control.start({ frame });
    clock.advance(1000);
    call.failed(down);
  }
  expect(control.isClosed).toBe(false);
  expect(await control.gate.pass(never)).toBe(false);
  await eventually(() => {
    clock.advance(1000);
    return queue.concurrency === 1;
  });
  expect(await control.gate.pass(never)).toBe(true);
  control.close();
});

test.each([
  { queueFullPolicy: 'block', decoded: [0, 1] },
  { queueFullPolicy: 'dropOldest', decoded: [0] },
])('with $queueFullPolicy, pictures of $decoded are made while one call is under way', async (given) => {
  const gate = newGate();
  const decoded: number[] = [];
  const answer = () => gate.opened.then(() => DETECTION);
  const config = { sageMakerTaskThreadPoolSize: 1, queueFullPolicy: given.queueFullPolicy };
  await withPipeline({ config, answer }, async (run) => {
    for (const index of [0, 1, 2]) {
      const noted = () => {
        decoded.push(index);
        return codec;
      };
      await run.submit(index, { codec: noted });
    }
    await eventually(() => run.requests.length === 1 && decoded.length >= given.decoded.length);
    await turn();
    expect(decoded).toEqual(given.decoded);
    expect(run.requests).toHaveLength(1);
    gate.open();
    await eventually(() => run.pipeline.depth === 0);
    expect(run.settled()).toHaveLength(3);
  });
});
