import { customAttributes, inferenceId } from '../../src/inference/invocation.ts';
import { frameId } from '../../src/stream/sampled-frame.ts';

const SERVER_MILLIS = Date.parse('2026-01-02T03:04:05.678Z');
const PRODUCER_MILLIS = Date.parse('2026-01-02T03:04:04.000Z');

function frame({ streamName = 'front', producerTimestampMillis = PRODUCER_MILLIS as number | null } = {}) {
  const fragmentNumber = '91343852333181432392682062607743920146264094487';
  return {
    id: frameId(streamName, fragmentNumber, 3),
    streamName,
    fragment: { fragmentNumber, serverTimestampMillis: SERVER_MILLIS, producerTimestampMillis },
    frame: {
      trackNumber: 1,
      index: 3,
      timecode: 1500,
      offsetMillis: 1500,
      timestampMillis: 1500,
      keyFrame: true,
      invisible: false,
      discardable: false,
      lacing: 'NO' as const,
      laceIndex: 0,
    },
  };
}

test('the attributes say where and when the frame is from', () => {
  expect(customAttributes(frame()).split(',')).toEqual([
    'id=front/91343852333181432392682062607743920146264094487/3',
    'streamName=front',
    'fragmentNumber=91343852333181432392682062607743920146264094487',
    'frameIndex=3',
    'serverTimestamp=2026-01-02T03:04:05.678Z',
    'producerTimestamp=2026-01-02T03:04:04.000Z',
    'frameTimestamp=2026-01-02T03:04:05.500Z',
  ]);
});

test('without a time of the producer the frame is timed by the service', () => {
  const attributes = customAttributes(frame({ producerTimestampMillis: null })).split(',');
  expect(attributes.at(-1)).toBe('frameTimestamp=2026-01-02T03:04:07.178Z');
  expect(attributes.join()).not.toContain('producerTimestamp');
});

test('they fit with the longest stream name, and attributes that do not are left out', () => {
  const longest = customAttributes(frame({ streamName: 'x'.repeat(256) }));
  expect(longest).toMatch(/^[!-~]{1,1024}$/);
  expect(longest).toContain('frameTimestamp=');
  const tooLong = customAttributes(frame({ streamName: 'x'.repeat(440) }));
  expect(tooLong.length).toBeLessThanOrEqual(1024);
  expect(tooLong).toMatch(/,frameIndex=3$/);
});

test('the inference id is the SHA-256 of the result id in hex', () => {
  expect(inferenceId('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
