import {
  expression,
  graph,
  HEIGHT,
  metric,
  placeholder,
  type Row,
  type Statistic,
  search,
} from './widgets.ts';

const DATA_STREAM = { StreamName: placeholder('Kds') };
const PARSER = { FunctionName: placeholder('LambdaFunction') };
const SERVICE = {
  ClusterName: placeholder('Cluster'),
  ServiceName: placeholder('SageMakerDriverService.Name'),
};

/** What the services measure themselves. */
export const SERVICES: readonly Row[] = [
  {
    height: HEIGHT,
    widgets: [
      graph('ECS Service Utilization', 8, 'Maximum', [
        metric('AWS/ECS', SERVICE, 'CPUUtilization'),
        metric('AWS/ECS', SERVICE, 'CPUUtilization', { stat: 'Average', label: 'CPUUtilization, average' }),
        metric('AWS/ECS', SERVICE, 'MemoryUtilization'),
      ]),
      graph('SageMaker', 8, 'Sum', [
        expression(searchEndpoint(['Invocations', 'Invocation4XXErrors', 'Invocation5XXErrors'], 'Sum')),
      ]),
      // It counts in microseconds.
      graph('SageMaker latency, ms, p90', 8, 'Maximum', [
        expression(`${searchEndpoint(['ModelLatency', 'OverheadLatency'], 'p90')}/1000`),
      ]),
    ],
  },
  {
    height: HEIGHT,
    widgets: [
      graph('KinesisDataStream', 8, 'Sum', [
        metric('AWS/Kinesis', DATA_STREAM, 'IncomingRecords'),
        metric('AWS/Kinesis', DATA_STREAM, 'WriteProvisionedThroughputExceeded'),
        metric('AWS/Kinesis', DATA_STREAM, 'IncomingBytes', { yAxis: 'right' }),
      ]),
      graph('Lambda', 8, 'Sum', [
        metric('AWS/Lambda', PARSER, 'Invocations'),
        metric('AWS/Lambda', PARSER, 'Errors'),
        metric('AWS/Lambda', PARSER, 'Throttles'),
        metric(
          'AWS/SQS',
          { QueueName: placeholder('FailedRecords.QueueName') },
          'ApproximateNumberOfMessagesVisible',
          { stat: 'Maximum', label: 'failed records waiting' },
        ),
      ]),
      graph('Lambda: duration and lag', 8, 'Maximum', [
        metric('AWS/Lambda', PARSER, 'Duration'),
        metric('AWS/Lambda', PARSER, 'IteratorAge'),
        metric('AWS/Kinesis', DATA_STREAM, 'GetRecords.IteratorAgeMilliseconds'),
      ]),
    ],
  },
];

/** The endpoint's production variants are not ours to know. */
function searchEndpoint(names: readonly string[], stat: Statistic): string {
  const anyName = names.map((name) => `"${name}"`).join(' OR ');
  const term = `EndpointName="${placeholder('SageMakerEndpoint')}" MetricName=(${anyName})`;
  return search('AWS/SageMaker,EndpointName,VariantName', term, stat);
}
