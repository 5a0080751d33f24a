import { isAccessDenied } from '../core/access-denied.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { DISPENSABLE } from '../discovery/dispensable.ts';
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
/** Resources of one action that are told apart; an account has no more video streams, unless it has asked for them. */
const MAX_RESOURCES = 10_000;

/** An action that a role may not do. */
interface Refused {
  /** Monotonic. */
  saidAt: number;
  /** The first since then. */
  first: Denial | null;
  /** How many resources are new since then. */
  added: number;
  /** Those since then; of what can be done without, all that there were. */
  readonly resources: Set<string>;
}

/**
 * Says which permissions are missing: each action once a minute at the most, however often and for however many
 * resources it is missed. What can be done without is said once.
 */
export class DenialLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** By action and role. */
  readonly #refused = new Map<string, Refused>();

  constructor({ clock, log }: { clock: Clock; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  report(denial: Denial): void {
    const { Action, Resource } = denial.statement;
    const key = `${Action} ${denial.role}`;
    const refused: Refused = this.#refused.get(key) ?? {
      saidAt: Number.NEGATIVE_INFINITY,
      first: null,
      added: 0,
      resources: new Set(),
    };
    this.#refused.set(key, refused);
    const isNew = !refused.resources.has(Resource);
    if (DISPENSABLE.has(Action) && !isNew && refused.first === null) return;
    refused.first ??= denial;
    if (isNew) refused.added += 1;
    if (refused.resources.size < MAX_RESOURCES) refused.resources.add(Resource);
    const now = this.#clock.monotonic();
    if (now - refused.saidAt < LINE_INTERVAL_MILLIS) return;
    this.#say(refused.first, refused.added - 1);
    refused.saidAt = now;
    refused.first = null;
    refused.added = 0;
    if (!DISPENSABLE.has(Action)) refused.resources.clear();
  }

  #say({ error, statement, role, remedy }: Denial, others: number): void {
    const { Action, Resource } = statement;
    const withOthers = others === 0 ? '' : `, nor on ${others} others`;
    const substitute = DISPENSABLE.get(Action);
    const untilThen = substitute === undefined ? '' : `; until then ${substitute}`;
    this.#log[substitute === undefined ? 'error' : 'warn'](
      { error, statement, role, others },
      `${Action} is not allowed on ${Resource}${withOthers}: ${remedy}${untilThen}`,
    );
  }
}
