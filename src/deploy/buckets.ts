import { DeleteObjectsCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { errorName, KvsInferenceError } from '../core/errors.ts';
import type { StackResource } from './stacks.ts';

/**
 * CloudFormation deletes no bucket that has something in it.
 *
 * @throws {KvsInferenceError} BUCKET if something cannot be deleted
 */
export async function emptyBuckets(
  resources: readonly StackResource[],
  s3: Pick<S3Client, 'send'>,
  signal: AbortSignal,
): Promise<void> {
  for (const { type, physicalId } of resources) {
    if (type === 'AWS::S3::Bucket') await emptyBucket(physicalId, s3, signal);
  }
}

async function emptyBucket(Bucket: string, s3: Pick<S3Client, 'send'>, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }), { abortSignal: signal });
      if (Contents.length === 0) return;
      const Objects = Contents.map(({ Key }) => ({ Key }));
      const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
      const { Errors = [] } = await s3.send(command, { abortSignal: signal });
      const [first] = Errors;
      if (first === undefined) continue;
      const { Key, Code, Message } = first;
      throw new KvsInferenceError(
        'BUCKET',
        `bucket ${Bucket}: ${Errors.length} objects cannot be deleted, such as ${Key}: ${Code}: ${Message}`,
      );
    }
  } catch (error) {
    if (errorName(error) !== 'NoSuchBucket') throw error;
  }
}
