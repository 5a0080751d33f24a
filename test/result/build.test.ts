import { KvsInferenceError } from '../../src/core/errors.ts';
import { resultRecord } from '../../src/result/build.ts';
import { resultRecordSchema } from '../../src/result/record.ts';
import { FRAGMENT_NUMBER, inference, sampledFrame } from './frames.ts';

test("KIT's four fields are its own, byte for byte, and ours stand beside them", () => {
  const record = resultRecord(sampledFrame(12), inference('{"prediction":[]}'));
  expect(record).toEqual({
    streamName: 'front-door',
    fragmentMetaData:
      'FragmentMetadata(fragmentNumberString=91343852333181432392682062607743920146159169392, ' +
      'serverSideTimestampMillis=1700140824049, producerSideTimestampMillis=1700140821761, ' +
      'fragmentNumber=91343852333181432392682062607743920146159169392, success=true, errorId=0, errorCode=null, ' +
      'millisBehindNow=OptionalLong.empty, continuationToken=Optional.empty)',
    frameMetaData:
      'Frame(trackNumber=1, timeCode=480, keyFrame=true, invisible=false, discardable=false, lacing=NO)',
    sageMakerOutput: '',
    id: 'front-door/91343852333181432392682062607743920146159169392/12',
    schemaVersion: 1,
    fragmentNumber: FRAGMENT_NUMBER,
    serverTimestamp: '2023-11-16T13:20:24.049Z',
    producerTimestamp: '2023-11-16T13:20:21.761Z',
    frame: { index: 12, trackNumber: 1, offsetMillis: 480, width: 640, height: 360 },
    endpoint: 'detector',
    contentType: 'application/json',
    inferenceMillis: 42,
  });
  expect(resultRecordSchema.parse(record)).toEqual(record);
});

test('a picture that was reduced is said to be', () => {
  const reduced = { quality: 41.7, width: 320, height: 180, fromBytes: 7_000_000 };
  const { answer } = inference('');
  const record = resultRecord(sampledFrame(0), { picture: { width: 320, height: 180, reduced }, answer });
  expect(record).toMatchObject({ frame: { width: 320, height: 180 }, picture: reduced });
  expect(resultRecordSchema.parse(record)).toEqual(record);
});

test.each([
  ['decoded', 0, null, { width: null, height: null }],
  ['answered', 5, { width: 640, height: 360, reduced: null }, { width: 640, height: 360 }],
])('a frame that could not be %s: the error in place of the output', (_name, attempts, picture, size) => {
  const error = new KvsInferenceError('SOME_CODE', 'x'.repeat(5000));
  const record = resultRecord(sampledFrame(12), { error, attempts, picture });
  expect(record).toMatchObject({
    id: `front-door/${FRAGMENT_NUMBER}/12`,
    sageMakerOutput: '',
    frame: { index: 12, ...size },
    endpoint: 'detector',
    contentType: null,
    inferenceMillis: null,
    error: 'SOME_CODE',
    errorMessage: 'x'.repeat(1000),
    attempts,
  });
  expect(resultRecordSchema.parse(record)).toEqual(record);
});
