import { METRICS_NAMESPACE, type MetricName } from '../../core/metric-names.ts';
import { SERVICES } from './services.ts';
import {
  dashboardJson,
  expression,
  graph,
  HEIGHT,
  type Line,
  metric,
  own,
  placeholder,
  type Row,
  search,
  type Widget,
} from './widgets.ts';

const APPLICATION = placeholder('AppName');
/** Also counted by the names of the errors. */
const FAILED: MetricName = 'FramesFailed';
const PERCENTILES = ['p50', 'p90', 'p99'] as const;

/** Alarms that exist only where workers are meant to run: named, as Fn::GetAtt must not ask for them. */
const alarmByName = (name: string) =>
  `arn:${placeholder('AWS::Partition')}:cloudwatch:${placeholder('AWS::Region')}:${placeholder('AWS::AccountId')}` +
  `:alarm:${APPLICATION}-${name}`;
const alarm = (logicalId: string) => placeholder(`${logicalId}.Arn`);

function number(title: string, width: number, name: MetricName): Widget {
  return { type: 'metric', title, width, stat: 'Maximum', lines: [own(name)], isNumber: true };
}

/** A distribution: half of the values, nine of ten, and 99 of 100 are below. */
function percentiles(name: MetricName, prefix = ''): Line[] {
  return PERCENTILES.map((stat) => own(name, { stat, label: `${prefix}${stat}` }));
}

const HEAD: Row = {
  height: 3,
  widgets: [
    {
      type: 'text',
      width: 12,
      markdown: [
        `## ${APPLICATION}`,
        '**Fresh?** Good below the line. **Losing?** Good when empty. **Who is to blame?** What rises with the age.',
        `[Worker's log](#logsV2:log-groups/log-group/$252Fkvs-inference$252F${APPLICATION}$252Fworker) · ` +
          `[Parser's log](#logsV2:log-groups/log-group/$252Fkvs-inference$252F${APPLICATION}$252Fparser) · ` +
          `[Logs Insights](#logsV2:logs-insights): saved queries · ` +
          `[Configuration](/systems-manager/parameters/${APPLICATION}/description?region=${placeholder('AWS::Region')})`,
      ].join('\n\n'),
    },
    {
      type: 'alarm',
      title: 'Alarms',
      width: 12,
      alarms: [
        alarmByName('results-too-old'),
        alarmByName('no-workers'),
        alarm('NoResults'),
        alarm('FramesFailing'),
        alarm('LeaseChurn'),
        alarm('ParserBehind'),
        alarm('FailedRecordsWaiting'),
        alarm('ConfigurationRejected'),
      ],
    },
  ],
};

const AT_A_GLANCE: Row = {
  height: HEIGHT,
  widgets: [
    {
      type: 'metric',
      title: 'Fresh? Age of the newest result, seconds',
      width: 8,
      stat: 'Maximum',
      lines: [
        own('NewestResultAge', { id: 'oldest', visible: false }),
        own('NewestResultAge', { id: 'average', visible: false, stat: 'Average' }),
        expression('oldest/1000', { label: 'oldest stream' }),
        expression('average/1000', { label: 'average' }),
      ],
      limit: { label: 'alarm', value: placeholder('MaxResultAgeInSeconds') },
    },
    graph('Losing? Frames and video', 8, 'Sum', [
      own('FramesFailed'),
      own('FramesDropped'),
      own('ResultsTooLarge'),
      own('Gaps'),
      own('Skips'),
    ]),
    graph('Who is to blame? Trouble by place', 8, 'Sum', [
      own('StreamErrors', { label: 'video: errors' }),
      own('ReaderStalls', { label: 'video: silent' }),
      own('InvocationRetries', { label: 'endpoint: retries' }),
      own('PublishRetries', { label: 'data stream: retries' }),
      own('LeaseTableErrors', { label: 'lease table: errors' }),
      own('ConfigErrors', { label: 'configuration: errors' }),
      own('EndpointPausedTime', { label: 'endpoint: paused', yAxis: 'right' }),
    ]),
  ],
};

const FRAMES: Row = {
  height: HEIGHT,
  widgets: [
    graph('Frame Metrics', 12, 'Sum', [
      own('IFramesReceived'),
      own('FramesSampled'),
      own('FramesSent'),
      own('FramesSucceeded'),
      own('FramesFailed'),
      own('ResultsPublished'),
      own('FramesReceived', { yAxis: 'right' }),
    ]),
    graph('Frames dropped, by reason', 6, 'Sum', [
      own('FramesDroppedQueueFull', { label: 'queue full' }),
      own('FramesDroppedTooOld', { label: 'too old' }),
      own('FramesHandedOver', { label: 'handed over (no loss)' }),
    ]),
    graph('IngestToProcessLatency', 6, 'Maximum', [
      ...percentiles('IngestToProcessLatency', 'server '),
      ...percentiles('ProducerToProcessLatency', 'producer '),
    ]),
  ],
};

const VIDEO: Row = {
  height: HEIGHT,
  widgets: [
    graph('Millis behind now, checkpoint age', 6, 'Maximum', [
      own('MillisBehindNow'),
      own('MillisBehindNow', { stat: 'Average', label: 'MillisBehindNow, average' }),
      own('CheckpointAge'),
    ]),
    graph('Video read', 6, 'Sum', [own('BytesReceived'), own('FragmentsReceived', { yAxis: 'right' })]),
    graph('Connections', 6, 'Sum', [
      own('Reconnects'),
      own('StreamErrors'),
      own('ReaderStalls'),
      own('ReaderBlocks'),
    ]),
    graph('Gaps and skips', 6, 'Sum', [
      own('Gaps'),
      own('Skips'),
      own('GapDuration', { yAxis: 'right' }),
      own('SkippedDuration', { yAxis: 'right' }),
    ]),
  ],
};

const ENDPOINT: Row = {
  height: HEIGHT,
  widgets: [
    graph('Queue', 6, 'Maximum', [own('QueueDepth'), own('QueueBytes', { yAxis: 'right' })]),
    graph('Queue wait', 6, 'Maximum', percentiles('QueueWait')),
    graph('Endpoint latency', 6, 'Maximum', percentiles('InvocationLatency')),
    graph('Endpoint concurrency', 6, 'Maximum', [
      own('ConcurrencyInUse', { label: 'in use' }),
      own('ConcurrencyInUse', { stat: 'Average', label: 'in use, average' }),
      own('ConcurrencyLimit', { stat: 'Minimum', label: 'limit' }),
    ]),
  ],
};

const TROUBLE: Row = {
  height: HEIGHT,
  widgets: [
    graph('Failures by error', 6, 'Sum', [
      expression(
        search(
          `${METRICS_NAMESPACE},AppName,Error`,
          `AppName="${APPLICATION}" MetricName="${FAILED}"`,
          'Sum',
        ),
      ),
    ]),
    graph('Endpoint trouble', 6, 'Sum', [
      own('InvocationRetries'),
      own('Throttles'),
      own('EndpointPauses'),
      own('EndpointPausedTime', { yAxis: 'right' }),
    ]),
    graph('Results and pictures', 6, 'Sum', [
      own('PublishRetries'),
      own('ResultsStored'),
      own('ResultsTooLarge'),
      own('PicturesReduced'),
    ]),
    graph('Configuration rejected, discovery', 6, 'Sum', [own('ConfigErrors'), own('DiscoveryErrors')]),
  ],
};

const LEASES: readonly Row[] = [
  {
    height: HEIGHT,
    widgets: [
      number('Current Lease Total', 4, 'LeaseTotal'),
      number('Number of Workers', 4, 'Workers'),
      {
        type: 'log',
        title: 'LeaseCount per Worker',
        width: 8,
        logGroup: placeholder('WorkerLogGroup'),
        // Parsed: Logs Insights finds no more than 200 fields of a line by itself, and a distribution has up to 100.
        query: String.raw`parse @message /"LeasesHeld":\[(?<held>\d+)/ | filter ispresent(held) | stats latest(held) as leases by worker`,
      },
      graph('Lease Sync Metrics', 8, 'Sum', [
        own('LeaseSyncs'),
        own('LeaseSyncTime', { stat: 'Average', yAxis: 'right' }),
        own('LeaseSyncTime', { stat: 'Maximum', yAxis: 'right', label: 'LeaseSyncTime, longest' }),
      ]),
    ],
  },
  {
    height: HEIGHT,
    widgets: [
      graph('Leases held by a worker', 8, 'Maximum', [
        own('LeasesHeld', { label: 'most' }),
        own('LeasesHeld', { stat: 'Average', label: 'average' }),
        own('LeasesHeld', { stat: 'Minimum', label: 'fewest' }),
      ]),
      graph('Lease changes', 8, 'Sum', [
        own('LeasesTaken'),
        own('LeasesHandedOver'),
        own('LeasesLetGo'),
        own('LeasesLost'),
        own('LeaseTableErrors'),
      ]),
      graph(
        'Lease table',
        8,
        'Sum',
        [
          'ConsumedReadCapacityUnits',
          'ConsumedWriteCapacityUnits',
          'ReadThrottleEvents',
          'WriteThrottleEvents',
        ].map((name) => metric('AWS/DynamoDB', { TableName: placeholder('LeaseTable') }, name)),
      ),
    ],
  },
];

/** From what matters first, down the way of a frame. */
export const DASHBOARD: readonly Row[] = [
  HEAD,
  AT_A_GLANCE,
  FRAMES,
  VIDEO,
  ENDPOINT,
  TROUBLE,
  ...LEASES,
  ...SERVICES,
];

export { factored } from './fragments.ts';

/** The dashboard's body, one line of JSON for Fn::Sub. */
export const dashboardBody = (): string => dashboardJson(DASHBOARD);
