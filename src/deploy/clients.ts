import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { CodeBuildClient } from '@aws-sdk/client-codebuild';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ECRClient } from '@aws-sdk/client-ecr';
import { ECSClient } from '@aws-sdk/client-ecs';
import { IAMClient } from '@aws-sdk/client-iam';
import { KinesisVideoClient } from '@aws-sdk/client-kinesis-video';
import { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api';
import { S3Client } from '@aws-sdk/client-s3';
import { SageMakerClient } from '@aws-sdk/client-sagemaker';
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { SSMClient } from '@aws-sdk/client-ssm';
import { STSClient } from '@aws-sdk/client-sts';
import { NodeHttpHandler } from '@smithy/node-http-handler';

const CONNECTION_TIMEOUT_MILLIS = 10_000;
const REQUEST_TIMEOUT_MILLIS = 60_000;

/**
 * The AWS clients of a deployment. Credentials, endpoints, and the region that is not given come from the SDK's own
 * environment variables and files.
 */
export function createClients(region: string | undefined) {
  const requestHandler = new NodeHttpHandler({
    connectionTimeout: CONNECTION_TIMEOUT_MILLIS,
    requestTimeout: REQUEST_TIMEOUT_MILLIS,
    throwOnRequestTimeout: true,
  });
  const common = { requestHandler, ...(region === undefined ? {} : { region }) };
  const clients = {
    cloudFormation: new CloudFormationClient(common),
    codeBuild: new CodeBuildClient(common),
    dynamoDb: new DynamoDBClient(common),
    ecr: new ECRClient(common),
    ecs: new ECSClient(common),
    iam: new IAMClient(common),
    kinesisVideo: new KinesisVideoClient(common),
    logs: new CloudWatchLogsClient(common),
    tagging: new ResourceGroupsTaggingAPIClient(common),
    s3: new S3Client(common),
    sageMaker: new SageMakerClient(common),
    serviceQuotas: new ServiceQuotasClient(common),
    ssm: new SSMClient(common),
    sts: new STSClient(common),
  };
  return {
    ...clients,
    destroy: () => {
      for (const client of Object.values(clients)) client.destroy();
    },
  };
}

export type Clients = ReturnType<typeof createClients>;
