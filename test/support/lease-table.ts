import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { systemClock } from '../../src/core/clock.ts';
import { startDynamoDb } from '../../src/emulator/dynamo-db.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { LeaseTable } from '../../src/lease/table.ts';
import { setUpTable, type TableSetupOptions } from '../../src/lease/table-setup.ts';
import { WorkerTable } from '../../src/lease/worker-table.ts';
import { localClient } from './services.ts';

const { signal } = new AbortController();

/** The local DynamoDB must not be closed within a request: those that are given up go on, and are waited for. */
class PatientHandler extends NodeHttpHandler {
  readonly #underWay = new Set<Promise<unknown>>();

  override async handle(request: Parameters<NodeHttpHandler['handle']>[0]) {
    const answer = super.handle(request);
    this.#underWay.add(answer);
    try {
      return await answer;
    } finally {
      this.#underWay.delete(answer);
    }
  }

  async whenIdle(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }
}

/** A lease table in a real, local DynamoDB. */
export async function startLeaseTable() {
  const service = await startDynamoDb();
  const requestHandler = new PatientHandler();
  const dynamoDb = new DynamoDBClient({ ...localClient(service.url), requestHandler });
  const setUp = (options: Partial<TableSetupOptions> = {}) =>
    setUpTable(
      {
        dynamoDb,
        tableName: 'leases',
        create: true,
        onTrouble: () => undefined,
        applicationName: 'test',
        requestTimeoutMillis: 5000,
        clock: systemClock,
        ...options,
      },
      signal,
    );
  const client = await setUp();
  const invalid: unknown[] = [];
  const onInvalid = (error: unknown) => void invalid.push(error);
  const leases = new LeaseTable({ client, onInvalid });
  return {
    dynamoDb,
    setUp,
    client,
    leases,
    workers: new WorkerTable({ client, onInvalid }),
    /** What was wrong with items that could not be read. */
    invalid,
    /** The lease as it is now. */
    lease: async (leaseKey = 'front'): Promise<Lease> => {
      const [lease] = await leases.get([leaseKey], signal);
      if (lease === undefined) throw new Error(`no lease ${leaseKey}`);
      return lease;
    },
    /** A lease that the worker has taken. */
    taken: async (leaseOwner: string, leaseKey = 'front'): Promise<Lease> => {
      await leases.create(leaseKey, null, { type: 'EARLIEST' }, signal);
      const [seen] = await leases.get([leaseKey], signal);
      if (seen === undefined) throw new Error(`no lease ${leaseKey}`);
      return await leases.take(seen, leaseOwner, signal);
    },
    close: async () => {
      await requestHandler.whenIdle();
      dynamoDb.destroy();
      await service.close();
    },
  };
}
