/*
 * A failure in part, as PutRecords has it
 * (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html): each record has a result of its own.
 */

interface PutRecordsRequest {
  Records: unknown[];
}

interface PutRecordsAnswer {
  FailedRecordCount?: number;
  Records: Array<{ SequenceNumber?: string; ShardId?: string; ErrorCode?: string; ErrorMessage?: string }>;
}

/**
 * Leaves some records of the request out.
 *
 * @returns `forwarded` is null where none is left, as the service refuses an empty request
 */
export function splitPutRecords(
  body: string,
  isKept: () => boolean,
): { forwarded: string | null; isForwarded: readonly boolean[] } {
  const request = JSON.parse(body) as PutRecordsRequest;
  const isForwarded = request.Records.map(isKept);
  const Records = request.Records.filter((_, index) => isForwarded[index]);
  return { forwarded: Records.length > 0 ? JSON.stringify({ ...request, Records }) : null, isForwarded };
}

/** The answer to the whole request, from that to its part: what was left out has been throttled. */
export function mergePutRecords(body: string, isForwarded: readonly boolean[]): string {
  const answer = JSON.parse(body) as PutRecordsAnswer;
  const results = answer.Records.values();
  const Records = isForwarded.map((wasForwarded) => {
    const result = wasForwarded ? results.next().value : undefined;
    return (
      result ?? { ErrorCode: 'ProvisionedThroughputExceededException', ErrorMessage: 'a fault of the test' }
    );
  });
  const FailedRecordCount = Records.filter(({ ErrorCode }) => ErrorCode != null).length;
  return JSON.stringify({ ...answer, Records, FailedRecordCount });
}
