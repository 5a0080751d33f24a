// Builds the images of the Dockerfile and runs them as hardened as in production: emulator, two workers, model.
// Arguments go to the engine's build command, such as --build-arg BASE_IMAGE=…
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const TARGETS = ['worker', 'local', 'model'];
const MAX_WORKER_BYTES = 450e6;
const WAIT_MILLIS = 120_000;
const STOP_SECONDS = 30;
/** A picture in the image "local": cars. */
const PICTURE = '/app/node_modules/opencv/examples/files/car1.jpg';
const CAR = 2;

const engine = ['docker', 'podman'].find(
  (name) => spawnSync(name, ['info'], { stdio: 'ignore' }).status === 0,
);
if (engine === undefined) {
  console.log('test:image is skipped: neither docker nor podman works on this machine');
  process.exit(0);
}

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => interrupted.abort(new Error(name)));
const network = `kvs-inference-test-${randomBytes(4).toString('hex')}`;
const containers = [];

/** Resolves to what the engine writes to standard output; rejects with what it complains about. */
async function run(args, { signal = interrupted.signal } = {}) {
  // A group of its own: Ctrl-C is for us, who still have to clean up.
  const child = spawn(engine, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], detached: true, signal });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      output[name] += text;
    });
  }
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`${engine} ${args.join(' ')}: exit code ${code}\n${output.stderr.trim()}`);
  return output.stdout.trim();
}

/** Tells what is done, and how long it took. */
async function step(name, work) {
  const startedAt = performance.now();
  process.stdout.write(`${name} … `);
  const result = await work();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`${typeof result === 'string' ? `${result}, ` : ''}${seconds} s\n`);
  return result;
}

function check(condition, message) {
  if (!condition) throw new Error(message);
}

/** Calls until the answer is neither null nor an error, as long as the container runs. */
async function until(what, container, ask) {
  const limit = performance.now() + WAIT_MILLIS;
  let problem = '';
  while (performance.now() < limit) {
    const answer = await ask().catch((error) => {
      problem = error.message;
      return null;
    });
    interrupted.signal.throwIfAborted();
    if (answer !== null) return answer;
    const running = await run(['inspect', '--format', '{{.State.Running}}', container]);
    check(running === 'true', `${container} has ended before: ${what}`);
    await sleep(500, undefined, { signal: interrupted.signal });
  }
  throw new Error(`${what}: not within ${WAIT_MILLIS / 1000} s. ${problem}`);
}

const imageOf = (target) => `kvs-inference-test:${target}`;

async function build(target) {
  // OCI's format, podman's default, knows no health check.
  const format = engine === 'podman' ? ['--format', 'docker'] : [];
  const args = [...format, ...process.argv.slice(2)];
  await run(['build', '--target', target, '--tag', imageOf(target), ...args, '.']);
  const [image] = JSON.parse(await run(['image', 'inspect', imageOf(target)]));
  check(image.Config.User === '1000:1000', `the image runs as user "${image.Config.User}"`);
  check(
    target !== 'worker' || image.Size < MAX_WORKER_BYTES,
    `the worker has ${image.Size} bytes, not under ${MAX_WORKER_BYTES}`,
  );
  return `${Math.round(image.Size / 1e6)} MB`;
}

/** Starts a container without a writable file, capability or way to get one. */
async function start(name, target, { env = {}, args = [] } = {}) {
  const container = `${network}-${name}`;
  containers.push(container);
  await run([
    'run',
    '--detach',
    ...['--name', container, '--network', network, '--network-alias', name],
    ...['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
    // Beside docker's meaning, podman's --read-only mounts writable directories, such as /tmp.
    ...(engine === 'podman' ? ['--read-only-tmpfs=false'] : []),
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    imageOf(target),
    ...args,
  ]);
  return container;
}

/** The lines of JSON that the container has written. */
async function linesOf(container) {
  const lines = (await run(['logs', container])).split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line));
}

/** Runs the image's own health check in the container, as the engine or ECS does. */
async function healthy(container) {
  const [{ Config }] = JSON.parse(await run(['inspect', container]));
  const [, ...command] = Config.Healthcheck.Test;
  return await until(`${container} is healthy`, container, () => run(['exec', container, ...command]));
}

async function stop(container) {
  const startedAt = performance.now();
  await run(['stop', '--time', String(STOP_SECONDS), container]);
  const seconds = (performance.now() - startedAt) / 1000;
  const [{ State }] = JSON.parse(await run(['inspect', container]));
  check(State.ExitCode === 0, `${container} ended with exit code ${State.ExitCode} after SIGTERM`);
  check(seconds < STOP_SECONDS, `${container} took ${seconds} s to stop`);
}

async function testWorkers() {
  const emulator = await step('emulator: cameras, services, page', async () => {
    const flags = ['--cameras', '--config', '/app/emulator.json', '--host', 'emulator'];
    const ports = ['--port', '4560', '--page', '8080'];
    const container = await start('emulator', 'local', { args: ['emulator', ...flags, ...ports] });
    const [{ env }] = await until('the emulator is ready', container, async () => {
      const [first] = await linesOf(container);
      return first?.ready ? [first] : null;
    });
    await healthy(container);
    return { container, env };
  });
  const workers = await step('two workers become healthy', () =>
    Promise.all(
      ['worker-1', 'worker-2'].map(async (name) => {
        const container = await start(name, 'worker', { env: emulator.env });
        await healthy(container);
        return container;
      }),
    ),
  );
  await step('both publish results', () =>
    Promise.all(
      workers.map((worker) =>
        until(`${worker} publishes`, worker, async () => {
          const lines = await linesOf(worker);
          return lines.find(({ ResultsPublished }) => ResultsPublished > 0) ?? null;
        }),
      ),
    ),
  );
  await step('the parser reads detections of both streams', () =>
    Promise.all(
      ['front-door', 'parking'].map((name) =>
        until(`detections of ${name}`, emulator.container, async () => {
          const lines = await linesOf(emulator.container);
          return (
            lines.find(({ streamName, detections }) => streamName === name && detections?.length) ?? null
          );
        }),
      ),
    ),
  );
  await step('the worker names the image that has the demo', async () => {
    const [worker] = workers;
    const problem = await run(['exec', worker, 'kvs-inference', 'demo']).catch(({ message }) => message);
    check(problem.includes('the image "local"'), problem);
  });
  await step('SIGTERM ends the workers with 0', () => Promise.all(workers.map(stop)));
  return emulator.container;
}

/** @param client a container with a picture */
async function testModel(client) {
  const model = await step('model: serve, until /ping says 200', async () => {
    const container = await start('model', 'model', { args: ['serve'] });
    await healthy(container);
    return { container };
  });
  await step('model: finds the cars of a picture', async () => {
    const request = `fetch('http://model:8080/invocations', {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body: require('node:fs').readFileSync('${PICTURE}'),
    }).then((response) => response.text()).then(console.log)`;
    const { prediction } = JSON.parse(await run(['exec', client, 'node', '-e', request]));
    check(
      prediction?.some(([label]) => label === CAR),
      'the model sees no car',
    );
  });
  await step('SIGTERM ends emulator and model with 0', () =>
    Promise.all([client, model.container].map(stop)),
  );
}

/** The last lines of each container that is still there. */
async function printLogs() {
  for (const container of containers) {
    console.error(`\n${container}:`);
    spawnSync(engine, ['logs', '--tail', '20', container], { stdio: ['ignore', 2, 2] });
  }
}

async function cleanUp() {
  const options = { signal: AbortSignal.timeout(60_000) };
  if (containers.length > 0)
    await run(['rm', '--force', '--volumes', ...containers], options).catch(console.error);
  await run(['network', 'rm', network], options).catch(() => undefined);
}

console.log(`test:image with ${engine}`);
try {
  for (const target of TARGETS) await step(`build ${target}`, () => build(target));
  await run(['network', 'create', network]);
  await testModel(await testWorkers());
  console.log('all as it should be');
} catch (error) {
  console.error(`\n${interrupted.signal.aborted ? 'interrupted' : error.message}`);
  process.exitCode = 1;
  if (!interrupted.signal.aborted) await printLogs();
} finally {
  await cleanUp();
}
