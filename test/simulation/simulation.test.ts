import { execFile } from 'node:child_process';

/** Of a machine that is busy with other tests. */
const LIMIT_MILLIS = 240_000;

/** In a process of its own: inside of jest it takes two and a half times as long. */
function simulate(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['scripts/simulate.mjs', ...args], (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
  });
}

/** What each run says there was of something. */
function counts(stdout: string, what: 'published' | 'sampling changes'): number[] {
  return [...stdout.matchAll(new RegExp(` (\\d+) ${what}`, 'g'))].map(([, count]) => Number(count));
}

test(
  'fleets of 6 workers and 40 streams go through trouble and lose nothing',
  async () => {
    const { exitCode, stdout, stderr } = await simulate('--small', '--seeds', '3', '--seed', '1');
    expect({ exitCode, stderr, failed: stdout.match(/.*FAILED.*/s)?.[0] }).toEqual({
      exitCode: 0,
      stderr: '',
    });
    expect(counts(stdout, 'published')).toHaveLength(3);
    expect(Math.min(...counts(stdout, 'published'))).toBeGreaterThan(1000);
    expect(Math.min(...counts(stdout, 'sampling changes'))).toBeGreaterThan(50);
  },
  LIMIT_MILLIS,
);

test(
  'so does one of 30 workers and 400 streams',
  async () => {
    const { exitCode, stdout, stderr } = await simulate(
      '--workers',
      '30',
      '--streams',
      '400',
      '--minutes',
      '4',
      '--seed',
      '1',
    );
    expect({ exitCode, stderr, failed: stdout.match(/.*FAILED.*/s)?.[0] }).toEqual({
      exitCode: 0,
      stderr: '',
    });
    expect(counts(stdout, 'published')[0]).toBeGreaterThan(1000);
  },
  LIMIT_MILLIS,
);

test(
  'a seed gives the same run whatever ran before it in its thread',
  async () => {
    const report = async (seed: string, seeds: string) => {
      const { stdout } = await simulate(
        '--small',
        '--minutes',
        '3',
        '--seed',
        seed,
        '--seeds',
        seeds,
        '--json',
      );
      const runs = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).report);
      return runs.find((run) => run?.seed === 8);
    };
    const alone = await report('8', '1');
    expect(alone).toMatchObject({ seed: 8, published: expect.any(Number) });
    expect(await report('5', '4')).toEqual(alone);
  },
  LIMIT_MILLIS,
);

test.each([['--seeds', '0'], ['--minutes', '1'], ['--unknown']])(
  '%s %s is refused with exit code 2',
  async (...args) => {
    const { exitCode, stderr } = await simulate(...args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`${args[0]}`);
  },
);
