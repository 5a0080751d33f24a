// The limit of a start: the AWS SDK clients that src/worker/clients.ts uses, imported by bare Node.js, and nothing else.
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { KinesisVideoClient } from '@aws-sdk/client-kinesis-video';
import { KinesisVideoMediaClient } from '@aws-sdk/client-kinesis-video-media';
import { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api';
import { S3Client } from '@aws-sdk/client-s3';
import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { SSMClient } from '@aws-sdk/client-ssm';
import { NodeHttpHandler } from '@smithy/node-http-handler';

const imported = [
  DynamoDBClient,
  KinesisClient,
  KinesisVideoClient,
  KinesisVideoMediaClient,
  ResourceGroupsTaggingAPIClient,
  S3Client,
  SageMakerRuntimeClient,
  SSMClient,
  NodeHttpHandler,
];
const at = process.hrtime.bigint();
const { userCPUTime, systemCPUTime } = process.resourceUsage();
// What is imported is named, so that a bundler keeps it.
process.stdout.write(
  JSON.stringify({
    atNanos: String(at),
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    names: imported.map(({ name }) => name),
  }),
);
