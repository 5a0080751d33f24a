import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EBML_HEADER } from '../../src/emulator/matroska-writer.ts';
import { MatroskaDemuxer, type MatroskaEvent } from '../../src/matroska/demuxer.ts';
import { ElementId, elementSchema } from '../../src/matroska/elements.ts';
import { copied, getMediaFragment } from '../support/matroska.ts';
import { Random } from '../support/random.ts';
import { generatedBody } from './bodies.ts';
import { type Demuxer, problemOf } from './check.ts';
import { caseOf, piecesOf, readCaptures } from './corpus.ts';
import { elementSpans } from './elements.ts';
import { memoryProblemOf } from './memory.ts';
import { MUTATION_KINDS, mutated, randomMutation } from './mutate.ts';

const BODY = Buffer.concat([
  getMediaFragment({ number: '1', unknownSizeCluster: true }),
  getMediaFragment({ number: '2' }),
]);

/** A demuxer that is right but for what `demux` makes of its events. */
function demuxer(demux: (events: MatroskaEvent[], chunk: Buffer) => Iterable<MatroskaEvent>): Demuxer {
  const real = new MatroskaDemuxer();
  return {
    *demux(chunk) {
      const events: MatroskaEvent[] = [];
      for (const event of real.demux(chunk)) events.push(copied(event));
      yield* demux(events, chunk);
    },
    end: () => real.end(),
  };
}

function* forever(event: MatroskaEvent | undefined) {
  while (event !== undefined) yield event;
}

describe('the check sees a demuxer that', () => {
  test.each<[string, Parameters<typeof demuxer>[0], string]>([
    [
      'throws anything else',
      () => {
        throw new TypeError('of undefined');
      },
      'TypeError',
    ],
    ['goes on for ever', (events) => forever(events[0]), 'more events'],
    ['lets the chunks decide', (events, { length }) => (length < 100 ? [] : events), 'chunks of'],
    ['reads what is not wanted', (events) => events, 'not all frames are wanted'],
    ['forgets a start', (events) => events.filter(({ type }) => type !== 'fragmentStart'), 'outside'],
    ['forgets an end', (events) => events.filter(({ type }) => type !== 'fragmentEnd'), 'within another'],
    [
      'repeats frames',
      (events) => events.flatMap((event) => [event, event].slice(+(event.type !== 'frame'))),
      'turn',
    ],
  ])('%s', (_name, demux, problem) => {
    expect(problemOf(BODY, () => demuxer(demux))).toContain(problem);
    expect(problemOf(BODY)).toBeNull();
  });

  test('keeps what it is given', () => {
    const kept: Buffer[] = [];
    const keeping = demuxer((events, chunk) => {
      kept.push(chunk);
      return events;
    });
    const chunks = function* () {
      yield EBML_HEADER;
      for (let count = 0; count < 20; count += 1) yield Buffer.alloc(1024 * 1024, 0xec);
    };
    expect(memoryProblemOf(chunks(), () => keeping)).toMatch(/holds \d+ bytes/);
    expect(kept).toHaveLength(21);
  });
});

test('elements are found where they stand', () => {
  const first = getMediaFragment({ number: '1', unknownSizeCluster: true });
  const spans = elementSpans(BODY).map((span) => ({ ...span, name: elementSchema(span.id).name }));
  const documents = spans.filter(({ name }) => name === 'EBML' || name === 'Segment');
  expect(documents.map(({ start, end }) => [start, end])).toEqual([
    [0, EBML_HEADER.length],
    [EBML_HEADER.length, first.length],
    [first.length, first.length + EBML_HEADER.length],
    [first.length + EBML_HEADER.length, BODY.length],
  ]);
  const values = spans.filter(({ name }) => name === 'TagString');
  expect(values.map(({ content, end }) => BODY.toString('utf8', content, end))).toEqual(
    ['1', '2'].flatMap((number) => ['isom', number, '1700000000.500', '1700000000.000', '0', number]),
  );
  // A Cluster of unknown size ends with the Tags that follow.
  const [cluster] = spans.filter(({ name }) => name === 'Cluster');
  expect(BODY.readUInt32BE(cluster?.end)).toBe(ElementId.Tags);
});

test.each(MUTATION_KINDS)('%s changes the bytes, and the same each time', (kind) => {
  const random = new Random(1);
  const mutations = Array.from({ length: 20 }, () => ({ ...randomMutation(random), kind }));
  const results = mutations.map((mutation) => mutated(BODY, [mutation]));
  expect(results.some((bytes) => !bytes.equals(BODY))).toBe(true);
  expect(mutations.map((mutation) => mutated(BODY, [mutation]))).toEqual(results);
});

test('a capture is cut at its documents and Clusters, and nothing of it is lost', () => {
  const pieces = piecesOf(BODY);
  expect(Buffer.concat([...pieces])).toEqual(BODY);
  expect(pieces.map((piece) => elementSchema(piece.readUInt32BE()).name)).toEqual(
    ['EBML', 'Cluster'].concat(['EBML', 'Cluster']),
  );
});

test('the same seed makes the same case of the same captures', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kvs-inference-fuzz-test-'));
  try {
    await writeFile(join(directory, 'one.mkv'), BODY);
    await writeFile(join(directory, 'notes.txt'), 'no capture');
    const captures = await readCaptures([directory]);
    expect(captures).toHaveLength(1);
    const cases = [1, 2, 3, 4, 5].map((seed) => caseOf(captures, seed));
    expect([1, 2, 3, 4, 5].map((seed) => caseOf(captures, seed))).toEqual(cases);
    expect(new Set(cases.map(({ bytes }) => bytes.toString('hex'))).size).toBe(5);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('generated bodies are well-formed', () => {
  for (let seed = 0; seed < 100; seed += 1) {
    const demuxing = new MatroskaDemuxer();
    expect(() => [...demuxing.demux(generatedBody(new Random(seed)))]).not.toThrow();
  }
});
