/** What the workers of a run log, and what is done to them; put together only when it is asked for. */
export class RunLog {
  readonly #lines: Array<{ readonly at: number; readonly machineId: string; readonly line: string }> = [];

  /**
   * @param at virtual time, milliseconds
   * @param line one JSON object
   */
  add(at: number, machineId: string, line: string): void {
    this.#lines.push({ at, machineId, line });
  }

  /** One JSON object a line, with virtual milliseconds in place of the time of day. */
  *lines(): Generator<string, void, undefined> {
    for (const { at, machineId, line } of this.#lines) {
      const { time: _, ...rest } = JSON.parse(line);
      yield `${JSON.stringify({ at: Math.round(at), on: machineId, ...rest })}\n`;
    }
  }
}
