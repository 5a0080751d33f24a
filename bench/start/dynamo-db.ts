import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ServiceError } from '../../test/simulation/attribute-values.ts';
import { Operations } from '../../test/simulation/operations.ts';

/** The simulation's DynamoDB, in true time: it answers at once, and an index has a write as soon as the table has. */
export class InstantDynamoDb {
  readonly #operations = new Operations({
    time: {
      get now() {
        return performance.now();
      },
      after: (_millis, run) => {
        run();
        return { cancel: () => undefined };
      },
    },
    indexDelayMillis: () => 0,
    createTableMillis: 0,
    onWrite: () => undefined,
  });

  /** @throws {ServiceError} as the service answers */
  perform(operation: string, input: object): object {
    const call = { machineId: 'bench', operation, input, isHalfProcessed: false };
    return this.#operations.perform(call, { readRequestUnits: 0, writeRequestUnits: 0 });
  }

  /** What takes the place of an SDK client in this process. */
  client(): Pick<DynamoDBClient, 'send'> {
    const send = async (command: { input: object }) =>
      this.perform(command.constructor.name.replace(/Command$/, ''), structuredClone(command.input));
    return { send } as unknown as Pick<DynamoDBClient, 'send'>;
  }
}

/** An answer of the AWS JSON protocol. */
export function answered(perform: () => object): { status: number; body: object } {
  try {
    return { status: 200, body: perform() };
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    const body = { __type: `com.amazonaws.dynamodb.v20120810#${error.name}`, message: error.message };
    return { status: error.$metadata.httpStatusCode, body };
  }
}
