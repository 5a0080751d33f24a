import { setTimeout as delay } from 'node:timers/promises';

const LIMIT_MILLIS = 5000;
const STEP_MILLIS = 5;

/** Resolves as soon as the condition holds. @throws {Error} if it does not within 5 s */
export async function eventually(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += STEP_MILLIS) {
    if (waited >= LIMIT_MILLIS) throw new Error(`Not within ${LIMIT_MILLIS} ms: ${condition}`);
    await delay(STEP_MILLIS);
  }
}
