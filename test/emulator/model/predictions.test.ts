import { place, toPredictions } from '../../../src/emulator/model/predictions.ts';

const SIZE = 512;
const whole = place({ width: SIZE, height: SIZE }, SIZE);

/** Rows as the model puts them out: xmin, ymin, xmax, ymax, score, class. */
const rows = (...values: [number, number, number, number, number, number][]) =>
  Float32Array.from(values.flat());

test('coordinates are relative to the picture, not to the square it was centred on', () => {
  const placement = place({ width: 512, height: 288 }, SIZE);
  expect(placement).toEqual({ x: 0, y: 112, width: 512, height: 288 });
  expect(toPredictions(rows([128, 112, 384, 256, 0.75, 2]), placement)).toEqual([
    [2, 0.75, 0.25, 0, 0.75, 0.5],
  ]);
});

test('boxes end at the edge of the picture', () => {
  expect(toPredictions(rows([-20, -3, 530, 256, 0.5, 0]), whole)).toEqual([[0, 0.5, 0, 0, 1, 0.5]]);
});

test('rows below the least score are left out', () => {
  expect(toPredictions(rows([0, 0, 9, 9, 0.39, 0]), whole)).toEqual([]);
  expect(toPredictions(rows([0, 0, 9, 9, 0.41, 0]), whole)).toHaveLength(1);
});

test('of boxes on the same object the best stays, unless they differ in class', () => {
  const found = toPredictions(
    rows(
      [0, 0, 256, 256, 0.9, 2],
      [10, 10, 256, 256, 0.8, 2],
      [10, 10, 256, 256, 0.7, 7],
      [256, 0, 512, 256, 0.6, 2],
      [200, 0, 456, 256, 0.5, 2],
    ),
    whole,
  );
  expect(found.map(([classIndex, , xmin]) => [classIndex, xmin * SIZE])).toEqual([
    [2, 0],
    [7, 10],
    [2, 256],
  ]);
});
