import { type Check, type Outcome, ok } from '../../src/doctor/check.ts';
import { Denials } from '../../src/doctor/denials.ts';
import { type RunOptions, runChecks } from '../../src/doctor/run.ts';
import { eventually } from '../support/eventually.ts';
import { newGate } from '../support/gate.ts';
import { ManualClock } from '../support/manual-clock.ts';

let clock: ManualClock;
const denials = new Denials();
const { signal } = new AbortController();

beforeEach(() => {
  clock = new ManualClock();
});

const check = (name: string, run: Check['run'] = async () => ok(name)): Check => ({
  name,
  target: 'it',
  run,
});
const hangs = (name: string) => check(name, () => new Promise<Outcome>(() => undefined));
const namesOf = (findings: ReadonlyArray<{ check: string }>) => findings.map((finding) => finding.check);

test('findings stand in the order of the checks, each before those that follow from it', async () => {
  const gate = newGate();
  const late = check('late', async () => {
    await gate.opened;
    return { ...ok('late'), next: [check('after late')] };
  });
  const early = check('early', async () => {
    gate.open();
    return { ...ok('early'), next: [check('after early')] };
  });
  const progress: string[] = [];
  const onProgress: RunOptions['onProgress'] = ({ running, done, known }) =>
    void progress.push(`${running.map(({ name }) => name)} ${done}/${known}`);
  const findings = await runChecks([late, early], { clock, denials, onProgress }, signal);
  expect(namesOf(findings)).toEqual(['late', 'after late', 'early', 'after early']);
  expect(progress.slice(0, 3)).toEqual(['late 0/2', 'late,early 0/2', 'late 1/2']);
  expect(progress.at(-1)).toBe(' 4/4');
});

test('what does not listen to its signal is given up after its time, and stops no other', async () => {
  const slow = { ...hangs('slow'), timeoutMillis: 20_000 };
  const running = runChecks([hangs('hung'), slow, check('well')], { clock, denials }, signal);
  await clock.pass(0);
  await clock.pass(10_000);
  await clock.pass(10_000);
  expect(await running).toMatchObject([
    { check: 'hung', result: 'error', detail: 'TIMEOUT: no answer within 10000 ms' },
    { check: 'slow', result: 'error', detail: 'TIMEOUT: no answer within 20000 ms' },
    { check: 'well', result: 'ok' },
  ]);
});

test('no more than ten at once', async () => {
  const gate = newGate();
  let started = 0;
  const waiting = check('waiting', async () => {
    started += 1;
    await gate.opened;
    return ok('');
  });
  const running = runChecks(Array(25).fill(waiting), { clock, denials }, signal);
  await eventually(() => started === 10);
  await new Promise((resolve) => setImmediate(resolve));
  expect(started).toBe(10);
  gate.open();
  expect(await running).toHaveLength(25);
});

test('ends as soon as it is called off, with nothing under way', async () => {
  const controller = new AbortController();
  let underWay = 0;
  let started = 0;
  const obedient = check('obedient', async (abortSignal) => {
    started += 1;
    underWay += 1;
    await clock.sleep(60_000, abortSignal).finally(() => {
      underWay -= 1;
    });
    return ok('');
  });
  const running = runChecks(Array(15).fill(obedient), { clock, denials }, controller.signal);
  await eventually(() => underWay === 10);
  controller.abort(new Error('called off'));
  await expect(running).rejects.toThrow('called off');
  expect({ underWay, started }).toEqual({ underWay: 0, started: 10 });
});
