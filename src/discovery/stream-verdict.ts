import type { StreamInfo } from '@aws-sdk/client-kinesis-video';
import type { Config } from '../config/resolve.ts';
import { outageOf, retentionProblem } from './retention.ts';

/** What a stream's description means for who is to read it. */
export interface StreamVerdict {
  /** It can be read; it can, but not yet, or not everything after an outage; it cannot. */
  readonly result: 'ok' | 'warning' | 'error';
  readonly text: string;
}

/**
 * Pure.
 *
 * @param info as DescribeStream answers it; null: there is no such stream
 *   (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_StreamInfo.html)
 */
export function verdictOfStream(
  streamName: string,
  info: Pick<StreamInfo, 'Status' | 'DataRetentionInHours'> | null,
  config: Pick<Config, 'mode' | 'outageToSurviveInHours'>,
): StreamVerdict {
  if (info === null) return { result: 'error', text: 'there is no such stream in this account and region' };
  const { Status = 'ACTIVE', DataRetentionInHours = 0 } = info;
  if (Status === 'DELETING') return { result: 'error', text: 'it is being deleted' };
  if (Status === 'CREATING') {
    return { result: 'warning', text: 'it is being created: it can be read when it is ACTIVE' };
  }
  const problem = retentionProblem(streamName, DataRetentionInHours, outageOf(config));
  if (problem !== null) return { result: 'warning', text: problem };
  return { result: 'ok', text: `${Status}, keeps its video for ${DataRetentionInHours} h` };
}
