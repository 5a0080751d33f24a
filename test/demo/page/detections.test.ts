import {
  colorClass,
  describeDetections,
  detectionText,
  visibleBox,
} from '../../../src/demo/page/detections.ts';

test('a detection reads as label and confidence', () => {
  const box = { xmin: 0, ymin: 0, xmax: 1, ymax: 1 };
  const person = { label: 'person', confidence: 0.8349, box };
  expect(detectionText(person)).toBe('person 0.83');
  expect(describeDetections([person, { ...person, label: 'car' }])).toBe('person 0.83, car 0.83');
  expect(describeDetections([])).toBe('nothing detected');
});

test('people and the commonest vehicles have colours of their own', () => {
  const labels = ['person', 'car', 'truck', 'bus', 'bicycle', 'motorcycle', 'dog'];
  expect(new Set(labels.map(colorClass)).size).toBe(labels.length);
  for (const label of [...labels, '', '🚲']) expect(colorClass(label)).toMatch(/^color-[0-6]$/);
});

test.each([
  ['inside', [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]],
  ['over the edges', [-0.5, -1, 1.5, 2], [0, 0, 1, 1]],
  ['beside the picture', [1.1, 0, 1.2, 1], null],
  ['turned around', [0.6, 0, 0.4, 1], null],
])('a box %s shows its visible part', (_where, box, expected) => {
  const [xmin = 0, ymin = 0, xmax = 0, ymax = 0] = box;
  const visible = visibleBox({ xmin, ymin, xmax, ymax });
  expect(visible === null ? null : [visible.xmin, visible.ymin, visible.xmax, visible.ymax]).toEqual(
    expected,
  );
});
