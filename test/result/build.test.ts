import { AV_CODEC_ID_H264 } from 'node-av/constants';
import { resultRecord } from '../../src/result/build.ts';
import { resultRecordSchema } from '../../src/result/record.ts';
import { frameId, type SampledFrame } from '../../src/stream/sampled-frame.ts';
import { lasting } from '../support/tenure.ts';

const fragmentNumber = '91343852333181432392682062607743920146159169392';
const sampled: SampledFrame = {
  id: frameId('front-door', fragmentNumber, 12),
  streamName: 'front-door',
  fragment: {
    fragmentNumber,
    serverTimestampMillis: 1700140824049,
    producerTimestampMillis: 1700140821761,
  },
  frame: {
    trackNumber: 1,
    index: 12,
    timecode: 480,
    offsetMillis: 480,
    timestampMillis: 10480,
    keyFrame: true,
    invisible: false,
    discardable: false,
    lacing: 'NO',
    laceIndex: 0,
  },
  codec: { codecId: AV_CODEC_ID_H264, extradata: null, width: 640, height: 360 },
  payload: Buffer.alloc(0),
  tenure: lasting,
  settle: () => undefined,
  abandon: () => undefined,
};
const inference = {
  picture: { data: Buffer.alloc(0), width: 640, height: 360 },
  answer: { body: Buffer.from('{"prediction":[]}'), contentType: 'application/json', inferenceMillis: 42 },
  endpoint: 'detector',
};

test("KIT's four fields are its own, byte for byte, and ours stand beside them", () => {
  const record = resultRecord(sampled, inference);
  expect(record).toEqual({
    streamName: 'front-door',
    fragmentMetaData:
      'FragmentMetadata(fragmentNumberString=91343852333181432392682062607743920146159169392, ' +
      'serverSideTimestampMillis=1700140824049, producerSideTimestampMillis=1700140821761, ' +
      'fragmentNumber=91343852333181432392682062607743920146159169392, success=true, errorId=0, errorCode=null, ' +
      'millisBehindNow=OptionalLong.empty, continuationToken=Optional.empty)',
    frameMetaData:
      'Frame(trackNumber=1, timeCode=480, keyFrame=true, invisible=false, discardable=false, lacing=NO)',
    sageMakerOutput: 'eyJwcmVkaWN0aW9uIjpbXX0=',
    id: 'front-door/91343852333181432392682062607743920146159169392/12',
    schemaVersion: 1,
    fragmentNumber,
    serverTimestamp: '2023-11-16T13:20:24.049Z',
    producerTimestamp: '2023-11-16T13:20:21.761Z',
    frame: { index: 12, trackNumber: 1, offsetMillis: 480, width: 640, height: 360 },
    endpoint: 'detector',
    contentType: 'application/json',
    inferenceMillis: 42,
  });
  expect(resultRecordSchema.parse(record)).toEqual(record);
});
