import {
  formatCount,
  formatLag,
  formatRate,
  formatTime,
  formatUptime,
} from '../../../src/demo/page/format.ts';

test.each([
  [null, '–'],
  [0, '0 ms'],
  [419.6, '420 ms'],
  [999.4, '999 ms'],
  [999.6, '1.0 s'],
  [1449, '1.4 s'],
  [9949, '9.9 s'],
  [9950, '10 s'],
  [59_400, '59 s'],
  [59_600, '1 min 0 s'],
  [185_000, '3 min 5 s'],
])('a lag of %p ms reads %s', (millis, expected) => {
  expect(formatLag(millis)).toBe(expected);
});

test.each([
  [null, '–'],
  [0, '0.0'],
  [0.54, '0.5'],
  [9.96, '10'],
  [1234, '1,234'],
])('a rate of %p reads %s', (rate, expected) => {
  expect(formatRate(rate)).toBe(expected);
});

test.each([
  [0, '0:00'],
  [59_999, '0:59'],
  [725_000, '12:05'],
  [3_725_000, '1:02:05'],
])('an uptime of %p ms reads %s', (millis, expected) => {
  expect(formatUptime(millis)).toBe(expected);
});

test('counts have thousands, times have seconds', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567');
  expect(formatTime('2026-01-02T03:04:05.678Z')).toMatch(/^\d\d:\d\d:05$/);
  expect(formatTime('yesterday')).toBe('–');
  expect(formatTime(null)).toBe('–');
});
