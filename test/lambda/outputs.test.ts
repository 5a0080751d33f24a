import fc from 'fast-check';
import { COCO_LABELS } from '../../src/lambda/labels.ts';
import { parseOutput } from '../../src/lambda/outputs.ts';
import { PREDICTION } from './events.ts';

const options = { classNames: COCO_LABELS };
const NOTHING = { kind: 'raw', detections: [], skippedRows: 0 };

test('the labels are the 80 classes, where the built-in algorithm has them', () => {
  expect(COCO_LABELS).toHaveLength(80);
  expect(new Set(COCO_LABELS).size).toBe(80);
  const some = [0, 2, 11, 16, 36, 40, 56, 62, 79].map((index) => COCO_LABELS[index]);
  expect(some).toEqual([
    'person',
    'car',
    'stop sign',
    'dog',
    'skateboard',
    'wine glass',
    'chair',
    'tvmonitor',
    'toothbrush',
  ]);
});

describe('built-in object detection', () => {
  const parsed = {
    kind: 'objectDetection',
    detections: [
      {
        label: 'dog',
        confidence: 0.8641945540904998,
        box: {
          xmin: 0.3088374733924866,
          ymin: 0.07030484080314636,
          xmax: 0.7110607028007507,
          ymax: 0.9345266819000244,
        },
      },
      {
        label: 'person',
        confidence: 0.733766233921051,
        box: {
          xmin: 0.5714187026023865,
          ymin: 0.40427327156066895,
          xmax: 0.827075183391571,
          ymax: 0.9712159633636475,
        },
      },
      { label: 'person', confidence: 0.1499, box: { xmin: 0.1, ymin: 0.1, xmax: 0.2, ymax: 0.2 } },
    ],
    skippedRows: 0,
  };
  const text = JSON.stringify(PREDICTION);

  test.each([
    ['parsed JSON', PREDICTION],
    ['text', text],
    ['text with white space around it', `\n ${text}\n`],
    ['bytes', Buffer.from(text)],
    ['bytes with a byte order mark', Buffer.from(`\uFEFF${text}`)],
  ])('from %s', (_, output) => {
    expect(parseOutput(output, options)).toEqual(parsed);
  });

  test('no detections are still this format', () => {
    expect(parseOutput({ prediction: [] }, options)).toEqual({
      kind: 'objectDetection',
      detections: [],
      skippedRows: 0,
    });
  });

  test('bad rows are skipped and counted, good ones kept', () => {
    const good = [16, 0.5, 0, 0, 1, 1];
    const bad = [
      [],
      null,
      'dog',
      { class: 16 },
      [16, 0.5, 0, 0, 1],
      [-1, 0.5, 0, 0, 1, 1],
      [1.5, 0.5, 0, 0, 1, 1],
      [null, 0.5, 0, 0, 1, 1],
      [16, '0.5', 0, 0, 1, 1],
      [16, 0.5, 0, null, 1, 1],
    ];
    const { detections, skippedRows } = parseOutput({ prediction: [...bad, good] }, options);
    expect(detections).toEqual([
      { label: 'dog', confidence: 0.5, box: { xmin: 0, ymin: 0, xmax: 1, ymax: 1 } },
    ]);
    expect(skippedRows).toBe(bad.length);
  });

  test('numbers as only Python writes them cost their own rows', () => {
    const output =
      '{"prediction": [[16, NaN, 0, 0, 1, 1], [2, 0.9, 0, 0, 1, 1], [0, 0.9, 0, 0, -Infinity, 1]]}';
    expect(parseOutput(output, options)).toMatchObject({ detections: [{ label: 'car' }], skippedRows: 2 });
  });

  test('a class without a name keeps its number', () => {
    const output = { prediction: [[2, 0.9, 0, 0, 1, 1]] };
    expect(parseOutput(output, { classNames: ['cat', 'dog'] }).detections[0]?.label).toBe('class 2');
  });
});

describe('JumpStart', () => {
  const boxes = {
    normalized_boxes: [
      [0.1, 0.2, 0.3, 0.4],
      [0.5, 0.6, 0.7, 0.8],
    ],
    scores: [0.98, 0.4],
  };

  test('verbose: classes are indices into its own labels, here of a model that counts from 1', () => {
    const output = {
      ...boxes,
      classes: [1.0, 18.0],
      labels: ['N/A', 'person', ...Array(16).fill('N/A'), 'dog'],
    };
    expect(parseOutput(JSON.stringify(output), options)).toEqual({
      kind: 'jumpStart',
      detections: [
        { label: 'person', confidence: 0.98, box: { xmin: 0.1, ymin: 0.2, xmax: 0.3, ymax: 0.4 } },
        { label: 'dog', confidence: 0.4, box: { xmin: 0.5, ymin: 0.6, xmax: 0.7, ymax: 0.8 } },
      ],
      skippedRows: 0,
    });
  });

  test.each([
    ['without labels: the given class names', { classes: [0, 16] }, ['person', 'dog']],
    ['classes that are names', { classes: ['heron', 'boat'] }, ['heron', 'boat']],
    ['labels that are numbers', { classes: [0, 1], labels: [7, 9] }, ['7', '9']],
    ['labels that are too few', { classes: [0, 1], labels: ['heron'] }, ['heron', 'class 1']],
  ])('%s', (_, fields, labels) => {
    const { kind, detections } = parseOutput({ ...boxes, ...fields }, options);
    expect(kind).toBe('jumpStart');
    expect(detections.map(({ label }) => label)).toEqual(labels);
  });

  test('bad and missing entries are skipped and counted', () => {
    const output = {
      normalized_boxes: [[0, 0, 1, 1], [0, 0, 1], 'box', [0, 0, 1, 1], [0, 0, 1, 1]],
      classes: [0, 0, 0, null, 16],
      scores: [0.9, 0.9, 0.9, 0.9, 0.9, 0.9],
    };
    const { detections, skippedRows } = parseOutput(output, options);
    expect(detections.map(({ label }) => label)).toEqual(['person', 'dog']);
    expect(skippedRows).toBe(4);
  });
});

test.each([
  ['a classification', '[0.1, 0.9]'],
  ['another JSON object', '{"predictions": [[16, 0.5, 0, 0, 1, 1]]}'],
  ['a prediction that is no list', '{"prediction": 16}'],
  ['JumpStart without scores', '{"normalized_boxes": [], "classes": []}'],
  ['text', 'dog, 0.9'],
  ['cut JSON', '{"prediction": [[16, 0.5'],
  ['no bytes', Buffer.alloc(0)],
  ['bytes that are not text', Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0xff])],
  ['null', null],
])('raw: %s', (_, output) => {
  expect(parseOutput(output, options)).toEqual(NOTHING);
});

describe('whatever comes in', () => {
  const cell = fc.oneof(fc.double(), fc.integer({ min: -2, max: 90 }), fc.anything());
  const list = (item: fc.Arbitrary<unknown>) => fc.oneof(fc.array(item), fc.anything());
  const almost = fc.oneof(
    fc.record({ prediction: list(list(cell)) }),
    fc.record({
      normalized_boxes: list(list(cell)),
      classes: list(cell),
      scores: list(cell),
      labels: list(fc.anything()),
    }),
  );

  test('never throws, and gives only whole detections', () => {
    const output = fc.oneof(
      almost,
      fc.anything({ withBigInt: true, withTypedArray: true, withNullPrototype: true, withSparseArray: true }),
      fc.json(),
      fc.string(),
      fc.uint8Array(),
    );
    fc.assert(
      fc.property(output, (value) => {
        for (const { label, confidence, box } of parseOutput(value, options).detections) {
          expect(typeof label).toBe('string');
          expect([confidence, box.xmin, box.ymin, box.xmax, box.ymax].every(Number.isFinite)).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('a row is a detection or counted as skipped', () => {
    fc.assert(
      fc.property(fc.array(list(cell)), (prediction) => {
        const { detections, skippedRows } = parseOutput({ prediction }, options);
        expect(detections.length + skippedRows).toBe(prediction.length);
      }),
    );
  });
});
