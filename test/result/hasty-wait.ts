import { systemClock } from '../../src/core/clock.ts';
import { HastyClock } from '../support/services.ts';

/** Waits between requests take no time; limits are not reached. */
export class HastyWait extends HastyClock {
  override async sleep(millis: number, signal?: AbortSignal): Promise<void> {
    if (millis >= 10_000) return await systemClock.sleep(millis, signal);
    return await super.sleep(millis, signal);
  }
}
