import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import picocolors from 'picocolors';
import type { Clock } from '../../src/core/clock.ts';
import { run } from '../../src/deploy/program.ts';
import { type FakeAccount, startFakeAccount } from './fake-account.ts';
import { ACCOUNT, type FakeStack, REGION } from './fake-stacks.ts';

const CLONE = fileURLToPath(new URL('../..', import.meta.url));

/** A clone with the templates, and sources that do not take long to be read. */
export const root = `${mkdtempSync(join(tmpdir(), 'kvs-inference-clone-'))}/`;
cpSync(join(CLONE, 'cloudformation'), join(root, 'cloudformation'), { recursive: true });
mkdirSync(join(root, 'src'));
writeFileSync(join(root, 'package.json'), '{"version":"1.2.3"}');
writeFileSync(join(root, 'src/main.ts'), 'run();\n');

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
}

/** Nobody waits: what is asked again and again is asked at once. */
export const hurriedClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (_millis, signal) => {
    signal?.throwIfAborted();
    await setImmediate(undefined, signal === undefined ? {} : { signal });
  },
};

/** Runs the program as its script does, on a terminal that answers or without any. */
export async function runProgram(args: string[], options: RunOptions = {}): Promise<Outcome> {
  const { answers, path = '/nowhere', signal = new AbortController().signal } = options;
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
    environment: { PATH: path },
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

/** A container engine, in a folder of its own, that writes down what it is told, and fails at one of its commands. */
export function fakeEngine(name: string, failing = '') {
  const directory = mkdtempSync(join(root, 'engine-'));
  const log = join(directory, 'calls.log');
  const script = `#!/bin/sh
echo "$*" >> ${log}
if [ "$1" = login ]; then /bin/cat >> ${log}.stdin; fi
echo "output of $1"
[ "$1" != "${failing}" ]
`;
  writeFileSync(join(directory, name), script);
  chmodSync(join(directory, name), 0o755);
  return {
    path: directory,
    calls: () => readFileSync(log, 'utf8').trim().split('\n'),
    standardInput: () => readFileSync(`${log}.stdin`, 'utf8'),
  };
}
