// Installs the dependencies when node_modules is missing or older than the lock file.
// Plain Node.js without imports from node_modules: it is the first thing that runs on a bare clone.
import { spawnSync } from 'node:child_process';
import { lstatSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const modified = (path) => statSync(`${root}${path}`, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** npm writes node_modules/.package-lock.json last, so an interrupted installation counts as missing. */
const isInstalled = () => {
  const installed = modified('node_modules/.package-lock.json');
  return installed > 0 && installed >= modified('package-lock.json');
};

export function ensureInstalled() {
  if (isInstalled()) return;
  // npm would empty what the link leads to.
  if (lstatSync(`${root}node_modules`, { throwIfNoEntry: false })?.isSymbolicLink()) {
    console.error(
      'kvs-inference: node_modules is a link to an installation that does not fit package-lock.json',
    );
    process.exit(1);
  }
  console.error('kvs-inference: installing dependencies (once)…');
  const npm = process.env.npm_execpath;
  const [command, ...prefix] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm'];
  const result = spawnSync(
    command,
    [...prefix, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error', '--progress=true'],
    // npm's output goes to standard error: standard output belongs to the command that is run.
    { cwd: root, stdio: ['ignore', 2, 2] },
  );
  if (result.status !== 0) {
    console.error(`kvs-inference: npm ci failed (${result.error?.message ?? `exit code ${result.status}`})`);
    process.exit(1);
  }
}
