/**
 * Ends this process when its parent is gone. That is npm, as its scripts are started with exec: a shell between would
 * keep signals to itself.
 */
export function endWithParent() {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}
