import type { StackEvent } from '@aws-sdk/client-cloudformation';
import { createLogUpdate } from 'log-update';
import type { Context } from './context.ts';

export interface Progress {
  readonly event: (event: StackEvent) => void;
  /** So that the seconds go on where nothing happens. */
  readonly tick: () => void;
  /** Ends the live display. */
  readonly done: () => void;
}

/** Names that are shown at once. */
const MAX_SHOWN = 6;

/**
 * Shows how a stack comes along: on a terminal in two lines that change, elsewhere in a line for each resource that is
 * done. What fails has a line with its reason everywhere.
 */
export function createProgress({ terminal, colors, clock }: Context, stackId: string): Progress {
  const { output } = terminal;
  const live = output.isTTY === true ? createLogUpdate(output as NodeJS.WriteStream) : null;
  const started = clock.monotonic();
  const pending = new Set<string>();
  let finished = 0;

  const line = (text: string) => {
    live?.clear();
    output.write(`  ${text}\n`);
  };
  const redraw = () => {
    if (live === null) return;
    const names = [...pending];
    const rest = names.length > MAX_SHOWN ? ` and ${names.length - MAX_SHOWN} more` : '';
    const seconds = Math.round((clock.monotonic() - started) / 1000);
    const underWay = `${names.slice(0, MAX_SHOWN).join(', ')}${rest}`;
    live(`  ${finished} done, ${seconds} s\n  under way: ${underWay}`);
  };
  return {
    event: ({ ResourceStatus: status = '', ResourceStatusReason: reason, ...event }) => {
      const { LogicalResourceId: name = '', ResourceType: type = '' } = event;
      const isStack = event.PhysicalResourceId === stackId;
      const text = `${status}  ${name}  ${type}${reason === undefined ? '' : `\n    ${reason}`}`;
      if (status.endsWith('_IN_PROGRESS')) {
        if (isStack) line(text);
        else pending.add(name);
      } else {
        pending.delete(name);
        finished += 1;
        if (status.endsWith('_FAILED')) line(colors.red(text));
        else if (live === null || isStack) line(text);
      }
      redraw();
    },
    tick: redraw,
    done: () => {
      live?.clear();
      live?.done();
    },
  };
}
