import { type KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { errorMessage, errorName } from '../core/errors.ts';
import { type Check, failed, ok, type Verdict, warning } from './check.ts';

/*
 * Where results go.
 */

/** 2^128, one more than a hash key can be: in shape it is one, so that the service looks at the stream first. */
const IMPOSSIBLE_HASH_KEY = '340282366920938463463374607431768211456';
const NOTE = JSON.stringify({ note: 'kvs-inference doctor was here; may be deleted' });

/**
 * Puts a record that the data stream has to refuse, when all else is right
 * (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html). It is refused before it is encrypted.
 */
export function dataStreamCheck(
  StreamName: string,
  { kinesis }: { kinesis: Pick<KinesisClient, 'send'> },
): Check {
  return {
    name: 'PutRecords',
    target: StreamName,
    async run(abortSignal) {
      const record = {
        Data: Buffer.from(NOTE),
        PartitionKey: 'doctor',
        ExplicitHashKey: IMPOSSIBLE_HASH_KEY,
      };
      try {
        const command = new PutRecordsCommand({ StreamName, Records: [record] });
        const { Records: [answer] = [] } = await kinesis.send(command, { abortSignal });
        if (answer?.ErrorCode === undefined) {
          return ok('permitted; one record was written, which says what it is');
        }
        return verdictOfRefusal(`${answer.ErrorCode}: ${answer.ErrorMessage}`);
      } catch (error) {
        if (errorName(error) === 'InvalidArgumentException') {
          return verdictOfRefusal(`InvalidArgumentException: ${errorMessage(error)}`);
        }
        if (errorName(error) !== 'ResourceNotFoundException') throw error;
        return failed('there is no such data stream', 'create it, or correct kdsStreamName or the region');
      }
    },
  };
}

/** Only a refusal of the hash key shows that everything before it is right. */
function verdictOfRefusal(problem: string): Verdict {
  return /ExplicitHashKey/i.test(problem)
    ? ok("permitted; nothing was written, so the use of the stream's KMS key was not tried")
    : warning(`not seen whether results can be written: the test record was refused otherwise: ${problem}`);
}

/** Puts an object beside the outputs: S3 has no call that is checked and does nothing. */
export function bucketCheck(
  Bucket: string,
  applicationName: string,
  { s3 }: { s3: Pick<S3Client, 'send'> },
): Check {
  const Key = `kvs-inference/${applicationName}/doctor`;
  return {
    name: 'PutObject',
    target: Bucket,
    async run(abortSignal) {
      const object = { Bucket, Key, Body: NOTE, ContentType: 'application/json' };
      try {
        await s3.send(new PutObjectCommand(object), { abortSignal });
        return ok(`wrote ${NOTE.length} bytes to s3://${Bucket}/${Key}, which may be deleted`);
      } catch (error) {
        if (errorName(error) !== 'NoSuchBucket') throw error;
        return failed('there is no such bucket', 'create it, or correct resultBucket');
      }
    },
  };
}
