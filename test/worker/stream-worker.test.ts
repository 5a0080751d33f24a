import { EBML_HEADER, tagsElement, unknownSizeHeader } from '../../src/emulator/matroska-writer.ts';
import type { Lease, StartPosition } from '../../src/lease/lease.ts';
import type { SamplingPlan } from '../../src/lease/sampling.ts';
import { LeaseLostError } from '../../src/lease/table.ts';
import { TableProblems } from '../../src/lease/table-problems.ts';
import { ElementId } from '../../src/matroska/elements.ts';
import type { SampledFrame } from '../../src/stream/sampled-frame.ts';
import type { MediaSource } from '../../src/stream/source.ts';
import { StreamWorker, type StreamWorkerOptions } from '../../src/worker/stream-worker.ts';
import { FastClock } from '../stream/fast-clock.ts';
import { eventually } from '../support/eventually.ts';
import { startLeaseTable } from '../support/lease-table.ts';
import { block, getMediaFragment } from '../support/matroska.ts';
import { bodyOf } from '../support/media-body.ts';
import { everyNth } from '../support/sampling.ts';
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
    bodyOf(
      (async function* () {
        if (position.type !== 'AFTER_FRAGMENT') yield* fragments;
        await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        );
      })(),
    ),
});

interface Work {
  startPosition?: () => StartPosition;
  /** As it was taken. */
  lease?: Lease;
  table?: StreamWorkerOptions['table'];
  plan?: () => SamplingPlan | null;
  onFrame?: (frame: SampledFrame) => void;
}

async function work(
  source: MediaSource,
  {
    startPosition = () => ({ type: 'EARLIEST' }),
    table = local.leases,
    plan = () => everyNth(1),
    onFrame = () => undefined,
    ...options
  }: Work = {},
) {
  const clock = new FastClock(20);
  const observed = recorded(clock);
  const frames: SampledFrame[] = [];
  const tenures: AbortSignal[] = [];
  let isValid = true;
  let stalls = 0;
  let losses = 0;
  const lease = options.lease ?? (await local.taken('one'));
  const worker = new StreamWorker({
    settings: () => ({
      readStallTimeoutInMilli: 1000,
      maxFrameAgeInMilli: 0,
      checkpointIntervalInMilli: 1000,
      failoverTimeInMilli: 10_000,
    }),
    wantedPlan: plan,
    lease,
    wasStalled: false,
    table,
    source,
    startPosition,
    submit: async (frame) => {
      frames.push(frame);
      onFrame(frame);
    },
    onTaken: (signal) => tenures.push(signal),
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
    tenures,
    lines: observed.lines,
    metrics: observed.metrics,
    invalidate: () => {
      isValid = false;
    },
    stalls: () => stalls,
    losses: () => losses,
  };
}

test('the age of the newest result is measured, and that of the checkpoint, which falls when one is written', async () => {
  const { worker, frames, lines, metrics } = await work(opensWith([1, 2, 3].map(fragment)));
  const behind = () => {
    worker.report();
    metrics.flush();
    const line = lines.findLast((each) => each['StreamName'] !== undefined) as Record<string, number[]>;
    const { NewestResultAge: results, CheckpointAge: checkpoints } = line;
    return (checkpoints?.[0] ?? 0) - (results?.[0] ?? 0);
  };
  await eventually(() => frames.length === 3);
  expect(behind()).toBe(0);
  frames[2]?.settle('PUBLISHED');
  expect(behind()).toBe(2000);
  for (const { settle } of frames.slice(0, 2)) settle('PUBLISHED');
  await eventually(() => behind() === 0);
  await worker.end();
  expect(await local.lease()).toMatchObject({ checkpoint: { fragmentNumber: '3' } });
});

test('a hand-over leaves what is not done to the next owner, and writes what is', async () => {
  const { worker, frames, tenures } = await work(opensWith([fragment(1), fragment(2), fragment(3)]));
  await eventually(() => frames.length === 3);
  frames[0]?.settle('PUBLISHED');
  for (const frame of frames.slice(1)) {
    frame.tenure.draining.addEventListener('abort', () => frame.abandon());
  }
  expect(frames[0]?.tenure.isValid()).toBe(true);
  expect(tenures.map(({ aborted }) => aborted)).toEqual([false]);
  await worker.handOver(() => ({ type: 'WORKER', workerId: 'two' }), HAND_OVER);
  expect(tenures.map(({ aborted }) => aborted)).toEqual([true]);
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
  for (const { settle } of frames) settle('PUBLISHED');
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
  frames[0]?.settle('PUBLISHED');
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
  const { worker, stalls, lines } = await work(opensWith([notFound]), {
    startPosition: () => {
      throw new Error('no start position');
    },
  });
  await eventually(() => stalls() === 1);
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 'error', msg: 'reader failed: its lease is let go' }),
  );
  await worker.handOver(() => ({ type: 'ANYBODY' }), HAND_OVER);
  expect(await local.lease()).toMatchObject({ leaseOwner: null });
});

describe('a change of what is sampled', () => {
  const { signal } = new AbortController();
  const fragments = [1, 2, 3, 4, 5].map(fragment);
  const idsOf = (frames: readonly SampledFrame[]) => frames.map(({ id }) => id);

  /** Ends the work as a crash does: nothing is released, nor written. */
  async function crash({ worker, frames }: Awaited<ReturnType<typeof work>>) {
    const ended = worker.end();
    for (const frame of frames) frame.abandon();
    await ended;
  }

  /** Reads everything; from the fragment 3 on by another plan. */
  async function workWithChange(table: StreamWorkerOptions['table'] = local.leases) {
    let plan = everyNth(1);
    return await work(opensWith(fragments), {
      table,
      plan: () => plan,
      onFrame: ({ id }) => {
        if (id === 'front/2/0') plan = everyNth(2, 3);
      },
    });
  }

  const SAMPLED = [
    'front/1/0',
    'front/2/0',
    'front/3/0/endpoint-1',
    'front/4/0/endpoint-2',
    'front/5/0/endpoint-1',
  ];

  test('is in the lease before it takes effect, and whoever reads again samples the same', async () => {
    const first = await workWithChange();
    await eventually(() => first.frames.length === SAMPLED.length);
    expect(idsOf(first.frames)).toEqual(SAMPLED);
    await crash(first);
    const lease = await local.leases.take(await local.lease(), 'two', signal);
    expect(lease).toMatchObject({ checkpoint: null, sampling: [{}, { from: { fragmentNumber: '2' } }] });
    const second = await work(opensWith(fragments), { lease, plan: () => everyNth(1, 1) });
    await eventually(() => second.frames.length === SAMPLED.length);
    expect(idsOf(second.frames)).toEqual(SAMPLED);
    await crash(second);
  });

  test('that is in the lease when its reader dies holds for its successor, who wants something else', async () => {
    let isWritten = () => {};
    const written = new Promise<void>((resolve) => {
      isWritten = resolve;
    });
    const first = await workWithChange({
      ...table(),
      write: async (lease, progress, writeSignal) => {
        const landed = await local.leases.write(lease, progress, writeSignal);
        // The answer to this one does not come.
        if (progress.sampling?.length !== 2) return landed;
        isWritten();
        return await new Promise(() => undefined);
      },
    });
    await written;
    expect(idsOf(first.frames)).toEqual(SAMPLED.slice(0, 2));
    await crash(first);
    const lease = await local.leases.take(await local.lease(), 'two', signal);
    const second = await work(opensWith(fragments), { lease, plan: () => everyNth(1) });
    await eventually(() => second.frames.length === SAMPLED.length);
    expect(idsOf(second.frames)).toEqual(SAMPLED);
    await crash(second);
  });

  test('that is being written does not keep a hand-over waiting; the successor finds either, and no frame of it', async () => {
    let hangs = 0;
    const { worker, frames } = await workWithChange({
      ...table(),
      write: async (lease, progress, writeSignal) => {
        if (progress.sampling?.length !== 2) return await local.leases.write(lease, progress, writeSignal);
        hangs += 1;
        return await new Promise((_resolve, reject) =>
          writeSignal.addEventListener('abort', () => reject(writeSignal.reason)),
        );
      },
    });
    await eventually(() => hangs === 1);
    for (const { settle } of frames) settle('PUBLISHED');
    await worker.handOver(() => ({ type: 'WORKER', workerId: 'two' }), HAND_OVER);
    expect(idsOf(frames)).toEqual(SAMPLED.slice(0, 2));
    expect(await local.lease()).toMatchObject({
      leaseOwner: 'two',
      checkpoint: { fragmentNumber: '2' },
      sampling: [{ from: { type: 'START' } }],
    });
  });

  test('finds out that the lease is lost: nothing more is read', async () => {
    const { worker, frames, losses } = await workWithChange({
      ...table(),
      write: async (lease, progress, writeSignal) => {
        if (progress.sampling?.length === 2) {
          await local.leases.take(await local.lease(), 'two', signal);
        }
        return await local.leases.write(lease, progress, writeSignal);
      },
    });
    await eventually(() => losses() === 1);
    const ended = worker.end();
    for (const frame of frames) frame.abandon();
    await ended;
    expect(idsOf(frames)).toEqual(SAMPLED.slice(0, 2));
    expect(await local.lease()).toMatchObject({ leaseOwner: 'two', sampling: [{ from: { type: 'START' } }] });
  });

  test('a hand-over and a checkpoint forget what they have passed', async () => {
    const { worker, frames } = await workWithChange();
    await eventually(() => frames.length === SAMPLED.length);
    for (const { settle } of frames) settle('PUBLISHED');
    await worker.handOver(() => ({ type: 'WORKER', workerId: 'two' }), HAND_OVER);
    expect(await local.lease()).toMatchObject({
      checkpoint: { fragmentNumber: '5', iFrameCounter: 5 },
      sampling: [{ from: { fragmentNumber: '2' }, plan: everyNth(2, 3) }],
    });
  });

  const table = (): StreamWorkerOptions['table'] => ({
    write: (...args) => local.leases.write(...args),
    release: (...args) => local.leases.release(...args),
  });
});
