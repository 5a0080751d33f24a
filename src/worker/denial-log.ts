import { isAccessDenied } from '../core/access-denied.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { type Denial, denialOf } from './access-denied.ts';

/** What a client of the AWS SDK needs to have for its calls to be watched. */
interface WatchedClient {
  readonly config: { region: () => Promise<string> };
  readonly middlewareStack: {
    add(middleware: Middleware, options: { step: 'initialize'; name: string }): void;
  };
}

type Handler<Input, Output> = (call: { input: Input }) => Promise<{ output: Output; response: unknown }>;
type Middleware = <Input extends object, Output extends object>(
  next: Handler<Input, Output>,
  context: { commandName?: string },
) => Handler<Input, Output>;

/**
 * Hands on the calls of a client that are refused for want of a permission. They fail all the same.
 *
 * @param service as IAM's actions begin, such as `kinesisvideo`
 */
export function watchDenials(
  client: WatchedClient,
  service: string,
  onDenied: (denial: Denial, error: unknown) => void,
): void {
  const middleware: Middleware = (next, { commandName = '' }) => {
    return async (call) => {
      try {
        return await next(call);
      } catch (error) {
        if (isAccessDenied(error)) {
          const region = await client.config.region();
          const operation = commandName.replace(/Command$/, '');
          const denial = denialOf(error, { service, operation, input: call.input, region });
          if (denial !== null) onDenied(denial, error);
        }
        throw error;
      }
    };
  };
  client.middlewareStack.add(middleware, { step: 'initialize', name: 'watchDenials' });
}

const LINE_INTERVAL_MILLIS = 60_000;

/** Says which permissions are missing: each once a minute at the most, however often it is missed. */
export class DenialLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Monotonic, by action and resource; none older than the interval. */
  readonly #saidAt = new Map<string, number>();

  constructor({ clock, log }: { clock: Clock; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  report({ error, statement, role, remedy }: Denial): void {
    const now = this.#clock.monotonic();
    for (const [key, saidAt] of this.#saidAt) {
      if (now - saidAt >= LINE_INTERVAL_MILLIS) this.#saidAt.delete(key);
    }
    const key = `${statement.Action} ${statement.Resource}`;
    if (this.#saidAt.has(key)) return;
    this.#saidAt.set(key, now);
    const problem = `${statement.Action} is not allowed on ${statement.Resource}`;
    this.#log.error({ error, statement, role }, `${problem}: ${remedy}`);
  }
}
