import { EBML_HEADER, tagsElement, unknownSizeHeader } from '../../src/emulator/matroska-writer.ts';
import type { Lease, StartPosition } from '../../src/lease/lease.ts';
import { LeaseLostError } from '../../src/lease/table.ts';
import { TableProblems } from '../../src/lease/table-problems.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import type { SampledFrame } from '../../src/stream/sampled-frame.ts';
import type { MediaSource } from '../../src/stream/source.ts';
import { StreamWorker } from '../../src/worker/stream-worker.ts';
import { FastClock } from '../stream/fast-clock.ts';
import { eventually } from '../support/eventually.ts';
import { startLeaseTable } from '../support/lease-table.ts';
import { block, getMediaFragment } from '../support/matroska.ts';
import { recorded } from '../support/services.ts';

const HAND_OVER = { finishWaiting: false, millis: 5000 };

let local: Awaited<ReturnType<typeof startLeaseTable>>;

beforeEach(async () => {
  local = await startLeaseTable();
});

afterEach(() => local.close());

/** Each with one I-frame. */
const fragment = (number: number) =>
  getMediaFragment({
    number: String(number),
    serverSeconds: String(1000 + number),
    content: [block(0, true, 'I')],
  });

/** Gives the fragments, then stays open until it is told to close. */
const opensWith = (fragments: Buffer[]): MediaSource => ({
  open: async (_stream, position, signal) =>
    (async function* () {
      if (position.type !== 'AFTER_FRAGMENT') yield* fragments;
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    })(),
});

async function work(source: MediaSource, startPosition: () => StartPosition = () => ({ type: 'EARLIEST' })) {
  const clock = new FastClock(50);
  const observed = recorded(clock);
  const frames: SampledFrame[] = [];
  let isValid = true;
  let stalls = 0;
  let losses = 0;
  const lease: Lease = await local.taken('one');
  const worker = new StreamWorker({
    config: {
      inferenceInterval: 1,
      readStallTimeoutInMilli: 1000,
      checkpointIntervalInMilli: 1000,
      failoverTimeInMilli: 10_000,
    },
    lease,
    table: local.leases,
    source,
    startPosition,
    submit: async (frame) => void frames.push(frame),
    isValid: () => isValid,
    onLost: () => {
      losses += 1;
    },
    onStalled: () => {
      stalls += 1;
    },
    problems: new TableProblems({ clock, ...observed }),
    clock,
    ...observed,
  });
  return {
    worker,
    frames,
    lines: observed.lines,
    invalidate: () => {
      isValid = false;
    },
    stalls: () => stalls,
    losses: () => losses,
  };
}

test('a hand-over leaves what is not done to the next owner, and writes what is', async () => {
  const { worker, frames } = await work(opensWith([fragment(1), fragment(2), fragment(3)]));
  await eventually(() => frames.length === 3);
  frames[0]?.settle();
  for (const frame of frames.slice(1)) {
    frame.tenure.draining.addEventListener('abort', () => frame.abandon());
  }
  expect(frames[0]?.tenure.isValid()).toBe(true);
  await worker.handOver(() => ({ type: 'WORKER', workerId: 'two' }), HAND_OVER);
  expect(await local.lease()).toMatchObject({
    leaseOwner: 'two',
    leaseEpoch: 2,
    checkpoint: { fragmentNumber: '1', iFrameCounter: 1 },
  });
  expect(frames[0]?.tenure.isValid()).toBe(false);
});

test('a retirement has everything done first', async () => {
  const { worker, frames } = await work(opensWith([fragment(1), fragment(2)]));
  await eventually(() => frames.length === 2);
  const retired = worker.handOver(() => ({ type: 'RETIRED', nowMillis: 5 }), {
    finishWaiting: true,
    millis: 60_000,
  });
  expect(frames[1]?.tenure.draining.aborted).toBe(false);
  for (const { settle } of frames) settle();
  await retired;
  expect(await local.lease()).toMatchObject({ retiredAtMillis: 5, checkpoint: { fragmentNumber: '2' } });
});

test('frames that do not end in time are given up', async () => {
  const { worker, frames } = await work(opensWith([fragment(1)]));
  await eventually(() => frames.length === 1);
  frames[0]?.tenure.over.addEventListener('abort', () => frames[0]?.abandon());
  await worker.handOver(() => ({ type: 'ANYBODY' }), HAND_OVER);
  expect(await local.lease()).toMatchObject({ leaseOwner: null, checkpoint: null });
});

test('nothing may be published for a lease that is not ours any more', async () => {
  const { worker, frames, invalidate, losses } = await work(opensWith([fragment(1)]));
  await eventually(() => frames.length === 1);
  invalidate();
  expect(frames[0]?.tenure.isValid()).toBe(false);
  await local.leases.take(await local.lease(), 'two', new AbortController().signal);
  frames[0]?.settle();
  await eventually(() => losses() === 1);
  await expect(worker.handOver(() => ({ type: 'ANYBODY' }), HAND_OVER)).rejects.toBeInstanceOf(
    LeaseLostError,
  );
  expect(await local.lease()).toMatchObject({ leaseOwner: 'two', checkpoint: null });
});

test('a reader that is stuck, and does not even end, does not keep the lease', async () => {
  const stuck: MediaSource = { open: () => new Promise(() => undefined) };
  const { worker, stalls, lines } = await work(stuck);
  await eventually(() => stalls() === 1);
  await worker.handOver(() => ({ type: 'ANYBODY' }), HAND_OVER);
  expect(await local.lease()).toMatchObject({ leaseOwner: null });
  const errors = lines.filter(({ level }) => level === 'error').map(({ msg }) => msg);
  expect(errors).toEqual(
    expect.arrayContaining([
      expect.stringContaining('lease is let go'),
      expect.stringContaining('left behind'),
    ]),
  );
});

test('a reader that fails by a mistake of ours lets its lease go, and nothing else', async () => {
  const notFound = Buffer.concat([
    EBML_HEADER,
    unknownSizeHeader(ElementId.Segment),
    tagsElement({ AWS_KINESISVIDEO_ERROR_CODE: '4000', AWS_KINESISVIDEO_ERROR_ID: '4000' }),
  ]);
  const { worker, stalls, lines } = await work(opensWith([notFound]), () => {
    throw new Error('no start position');
  });
  await eventually(() => stalls() === 1);
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 'error', msg: 'reader failed: its lease is let go' }),
  );
  await worker.handOver(() => ({ type: 'ANYBODY' }), HAND_OVER);
  expect(await local.lease()).toMatchObject({ leaseOwner: null });
});
