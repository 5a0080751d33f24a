import { readEnvironment } from '../../src/lambda/environment.ts';
import { COCO_LABELS } from '../../src/lambda/labels.ts';

test.each([{}, { CLASS_NAMES: '', CONFIDENCE_THRESHOLD: ' ' }])('defaults for %j', (environment) => {
  expect(readEnvironment(environment)).toEqual({ classNames: COCO_LABELS, confidenceThreshold: 0.15 });
});

test.each([
  ['cat,dog', ['cat', 'dog']],
  [' polar bear , seal ', ['polar bear', 'seal']],
  ['["cat", "dog, big"]', ['cat', 'dog, big']],
  ['cat', ['cat']],
])('CLASS_NAMES=%s', (CLASS_NAMES, classNames) => {
  expect(readEnvironment({ CLASS_NAMES }).classNames).toEqual(classNames);
});

test.each([
  ['0', 0],
  ['1', 1],
  ['0.4', 0.4],
])('CONFIDENCE_THRESHOLD=%s', (CONFIDENCE_THRESHOLD, threshold) => {
  expect(readEnvironment({ CONFIDENCE_THRESHOLD }).confidenceThreshold).toBe(threshold);
});

test.each([
  ['CONFIDENCE_THRESHOLD', '1.01', 'a number from 0 to 1'],
  ['CONFIDENCE_THRESHOLD', '-0.1', 'a number from 0 to 1'],
  ['CONFIDENCE_THRESHOLD', '15%', 'a number from 0 to 1'],
  ['CONFIDENCE_THRESHOLD', 'NaN', 'a number from 0 to 1'],
  ['CLASS_NAMES', 'cat,,dog', 'a JSON array of names, or names separated by commas, none of them empty'],
  ['CLASS_NAMES', '["cat"', 'a JSON array of names, or names separated by commas, none of them empty'],
  ['CLASS_NAMES', '["cat", 2]', 'a JSON array of names, or names separated by commas, none of them empty'],
  ['CLASS_NAMES', '[""]', 'a JSON array of names, or names separated by commas, none of them empty'],
])('%s=%s is refused', (name, value, right) => {
  expect(() => readEnvironment({ [name]: value })).toThrow(
    new Error(`${name} must be ${right}, not ${value}`),
  );
});
