import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import picocolors from 'picocolors';
import { run } from '../../src/deploy/program.ts';
import { type FakeAccount, startFakeAccount } from './fake-account.ts';
import { ACCOUNT, type FakeStack, REGION } from './fake-stack.ts';
import { hurriedClock } from './hurried-clock.ts';

const CLONE = fileURLToPath(new URL('../..', import.meta.url));

/** A clone with the templates, and sources that do not take long to be read. */
export const root = `${mkdtempSync(join(tmpdir(), 'kvs-inference-clone-'))}/`;
cpSync(join(CLONE, 'cloudformation'), join(root, 'cloudformation'), { recursive: true });
mkdirSync(join(root, 'src'));
writeFileSync(join(root, 'package.json'), '{"version":"1.2.3"}');
writeFileSync(join(root, 'src/main.ts'), 'run();\n');
mkdirSync(join(root, 'docker/contexts'), { recursive: true });
writeFileSync(join(root, 'docker/contexts/meta'), 'mine');
writeFileSync(
  join(root, 'docker/config.json'),
  '{"currentContext":"mine","credsStore":"keychain","auths":{}}',
);

export const REGISTRY = `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com`;
export const IMAGE = `${REGISTRY}/kvs-inference:1`;
export const CAMERAS = ['deploy', '--app-name', 'cameras', '--yes'];
export const NEW = [...CAMERAS, '--stream-names', '"front","back"', '--endpoint', 'yolo-v8'];

export interface Outcome {
  exitCode: number;
  /** What is so in the end. */
  printed: string;
  /** All that was said meanwhile. */
  said: string;
}

export interface RunOptions {
  /** To the questions, in their order; with them there is a terminal. */
  answers?: string[];
  path?: string;
  signal?: AbortSignal;
  /** Of AWS, in place of the fake account. */
  endpoint?: string;
}

/** Runs the program as its script does, on a terminal that answers or without any. */
export async function runProgram(args: string[], options: RunOptions = {}): Promise<Outcome> {
  const { answers, path = '/nowhere', signal = new AbortController().signal, endpoint } = options;
  if (endpoint !== undefined) process.env['AWS_ENDPOINT_URL'] = endpoint;
  const input = Object.assign(new PassThrough(), { isTTY: answers !== undefined });
  const said: string[] = [];
  const printed: string[] = [];
  const output = Object.assign(
    new Writable({
      write: (chunk, _encoding, done) => {
        said.push(String(chunk));
        if (/(\[y\/N\]|to go on:) $/.test(String(chunk))) input.write(`${answers?.shift() ?? ''}\n`);
        done();
      },
    }),
    { isTTY: answers !== undefined, columns: 200, rows: 50 },
  );
  const exitCode = await run(args, {
    root,
    terminal: { input, output },
    print: (line) => void printed.push(line),
    colors: picocolors.createColors(false),
    clock: hurriedClock,
    signal,
    environment: { PATH: path, DOCKER_CONFIG: join(root, 'docker') },
  });
  return { exitCode, printed: printed.join('\n'), said: said.join('') };
}

/** A fake account for each test of a file, which the SDK talks to. */
export function useFakeAccount(): { readonly current: FakeAccount } {
  const before = process.env;
  let account: FakeAccount | undefined;
  beforeEach(async () => {
    account = await startFakeAccount();
    account.images.add(IMAGE);
    process.env = {
      ...before,
      AWS_ENDPOINT_URL: account.url,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    };
  });
  afterEach(async () => {
    process.env = before;
    await account?.close();
  });
  afterAll(() => rmSync(root, { recursive: true }));
  return {
    get current() {
      if (account === undefined) throw new Error('no test has begun');
      return account;
    },
  };
}

/** The newest of the name. */
export function stackOf(account: FakeAccount, name: string): FakeStack | undefined {
  return [...account.cloudFormation.stacks.values()].filter((stack) => stack.name === name).at(-1);
}

/** In the SSM parameter. */
export function configurationOf(account: FakeAccount): Record<string, unknown> {
  return JSON.parse(account.parameters.get('cameras')?.Value ?? 'null');
}

/** A container engine, in a folder of its own, that writes down what it is told, and fails or hangs at a command. */
export function fakeEngine(name: string, failing = '', hanging = '') {
  const directory = mkdtempSync(join(root, 'engine-'));
  const log = join(directory, 'calls.log');
  const script = `#!/bin/sh
echo "$*" >> ${log}
echo "$DOCKER_BUILDKIT $DOCKER_CONFIG" >> ${log}.environment
if [ "$1" = push ]; then /bin/cat $DOCKER_CONFIG/config.json $DOCKER_CONFIG/contexts/meta > ${log}.config; fi
if [ "$1" = push ]; then /bin/cat $REGISTRY_AUTH_FILE > ${log}.authentication; fi
if [ "$1" = "${hanging}" ]; then echo > ${log}.hanging; exec /bin/sleep 60; fi
echo "output of $1"
[ "$1" != "${failing}" ]
`;
  writeFileSync(join(directory, name), script);
  chmodSync(join(directory, name), 0o755);
  return {
    path: directory,
    calls: () => readFileSync(log, 'utf8').trim().split('\n'),
    /** Calls when it hangs. */
    onHang: (call: () => void) => {
      const watcher = watch(directory, (_event, file) => {
        if (file !== 'calls.log.hanging') return;
        watcher.close();
        call();
      });
    },
    /** What it has seen as `environment`, in the `config` and as `authentication`. */
    saw: (what: string) => readFileSync(`${log}.${what}`, 'utf8'),
  };
}
