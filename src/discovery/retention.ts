import type { Config } from '../config/resolve.ts';

/** The outage that a stream has to survive, hours; what is not lossless may miss what came in one. Pure. */
export function outageOf({
  mode,
  outageToSurviveInHours,
}: Pick<Config, 'mode' | 'outageToSurviveInHours'>): number {
  return mode === 'live' ? 0 : outageToSurviveInHours;
}

/**
 * What is wrong with how long a stream keeps its video. While no worker reads it, as in an outage of the endpoint or
 * during a deployment, only what the stream keeps is read later: without that, "lossless" is void. Pure.
 *
 * @param dataRetentionInHours of the stream; with 0 it keeps what fits into a buffer, for five minutes at the most
 *   (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_CreateStream.html)
 * @param outageInHours that is to be survived; 0 = none
 * @returns null if it is long enough
 */
export function retentionProblem(
  streamName: string,
  dataRetentionInHours: number,
  outageInHours: number,
): string | null {
  if (dataRetentionInHours >= outageInHours) return null;
  const kept =
    dataRetentionInHours === 0
      ? 'keeps its video for minutes only (data retention 0)'
      : `keeps its video for ${hours(dataRetentionInHours)}`;
  const missing = Math.ceil(outageInHours) - dataRetentionInHours;
  return (
    `stream "${streamName}" ${kept}: of an outage of ${hours(outageInHours)}, as outageToSurviveInHours has it, ` +
    `the rest would be lost; mend it with: ${mendingCommand(streamName, missing)}`
  );
}

/** https://docs.aws.amazon.com/cli/latest/reference/kinesisvideo/update-data-retention.html */
function mendingCommand(streamName: string, missingHours: number): string {
  const stream = `--stream-name ${streamName}`;
  return (
    `aws kinesisvideo update-data-retention ${stream} --operation INCREASE_DATA_RETENTION ` +
    `--data-retention-change-in-hours ${missingHours} --current-version ` +
    `$(aws kinesisvideo describe-stream ${stream} --query StreamInfo.Version --output text)`
  );
}

function hours(count: number): string {
  return count === 1 ? '1 hour' : `${count} hours`;
}
