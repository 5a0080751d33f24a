/**
 * Aborts at the first SIGINT or SIGTERM, or when the parent that holds our IPC channel dies, for an orderly end. At
 * the second signal the process ends at once, as it would have without this.
 */
export function untilSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  if (process.channel !== undefined) {
    process.once('disconnect', stop);
    // The channel alone keeps no process alive.
    process.channel.unref();
  }
  return controller.signal;
}
