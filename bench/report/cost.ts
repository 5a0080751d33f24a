/*
 * What a fleet costs a month by AWS's list prices, us-east-1, when this was written. The endpoint, and taking in and
 * storing the video, are not in it.
 */

const HOURS = 730;
const SECONDS = HOURS * 3600;

/** Tasks of one vCPU and 2 GB on ARM, with a public address (https://aws.amazon.com/fargate/pricing/). */
const TASK_HOUR = 0.03238 + 2 * 0.00356 + 0.005;
/** A GB that GetMedia gives (https://aws.amazon.com/kinesis/video-streams/pricing/). */
const GET_MEDIA_GB = 0.0085;
const NAT = { hour: 0.045, gigabyte: 0.045 };
/** A month's writes and reads of one stream's lease, 50 a worker: `npm run bench leases`. */
const LEASE = 0.354;
/** A data stream on demand (https://aws.amazon.com/kinesis/data-streams/pricing/), by record of 2 KB. */
const DATA_STREAM = { hour: 0.04, gigabyteIn: 0.08, gigabyteOut: 0.04, recordBytes: 2048 };
/** The parser: 30 ms of 256 MB, at most four times a second. */
const PARSER = { request: 0.2e-6, gigabyteSecond: 1.33334e-5, seconds: 0.03, gigabytes: 0.25, perSecond: 4 };
const LOGS = { gigabyte: 0.5, bytesPerResult: 1300, perTask: 0.1 };
/** The stack's dashboard, alarms and metrics. */
const CLOUD_WATCH = 18;

/** As the stack scales: at 60 % of the CPU, and no more than 50 leases a worker. */
export const TARGET_CPU = 0.6;
const LEASES_PER_WORKER = 50;
/** Of a camera of 4 Mbit/s. */
const BYTES_PER_SECOND = 4e6 / 8;

interface MonthlyCost {
  readonly tasks: number;
  /** Dollars. */
  readonly fargate: number;
  readonly getMedia: number;
  readonly leases: number;
  readonly results: number;
  readonly logsAndMetrics: number;
  readonly total: number;
  /** Not in the total: the stack has none. */
  readonly nat: number;
}

/** @param coresPerStream of a core as fast as a vCPU */
export function monthlyCost(streams: number, inferenceInterval: number, coresPerStream: number): MonthlyCost {
  const tasks = Math.max(
    1,
    Math.ceil((streams * coresPerStream) / TARGET_CPU),
    Math.ceil(streams / LEASES_PER_WORKER),
  );
  const gigabytes = (streams * BYTES_PER_SECOND * SECONDS) / 1e9;
  const records = (streams / inferenceInterval) * SECONDS;
  const invocations = Math.min(PARSER.perSecond * SECONDS, records);
  const resultGigabytes = (records * DATA_STREAM.recordBytes) / 1e9;
  const parsing = PARSER.request + PARSER.seconds * PARSER.gigabytes * PARSER.gigabyteSecond;
  const parts = {
    fargate: tasks * TASK_HOUR * HOURS,
    getMedia: gigabytes * GET_MEDIA_GB,
    leases: streams * LEASE,
    results:
      DATA_STREAM.hour * HOURS +
      resultGigabytes * (DATA_STREAM.gigabyteIn + DATA_STREAM.gigabyteOut) +
      invocations * parsing,
    logsAndMetrics:
      ((records * LOGS.bytesPerResult) / 1e9) * LOGS.gigabyte + tasks * LOGS.perTask + CLOUD_WATCH,
  };
  const total = Object.values(parts).reduce((sum, dollars) => sum + dollars, 0);
  return { tasks, ...parts, total, nat: NAT.hour * HOURS + gigabytes * NAT.gigabyte };
}
