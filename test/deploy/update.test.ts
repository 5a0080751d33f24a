import { CAMERAS, configurationOf, IMAGE, NEW, runProgram, stackOf, useFakeAccount } from './harness.ts';

const fake = useFakeAccount();

/** As a user does who looks for the best settings. */
function tune(changes: Record<string, unknown>): void {
  const Value = JSON.stringify({ ...configurationOf(fake.current), ...changes });
  fake.current.parameters.set('cameras', { Value, Type: 'String' });
}

async function deployed(...more: string[]) {
  expect(await runProgram([...NEW, '--image', IMAGE, ...more])).toMatchObject({ exitCode: 0 });
  fake.current.changes.length = 0;
}

describe('the next deployment', () => {
  test('changes nothing where nothing has changed', async () => {
    await deployed();
    const { exitCode, said, printed } = await runProgram([...CAMERAS, '--image', IMAGE]);
    expect(said).toContain('stack cameras: no changes');
    expect(printed).toContain('dashboard:');
    expect(exitCode).toBe(0);
    expect(fake.current.changes).toEqual([
      'CreateChangeSet cameras',
      expect.stringMatching(/^DeleteChangeSet/),
    ]);
  });

  test('keeps what was tuned: in parameters of the stack, and the rest beside them', async () => {
    await deployed();
    fake.current.streams.set('side', 24);
    tune({ inferenceInterval: 3, streamNames: ['front', 'side'], mode: 'live', imageMaxWidth: 640 });
    const tuned = configurationOf(fake.current);
    const { exitCode, said } = await runProgram([...CAMERAS, '--image', IMAGE, '--max-workers', '5']);
    expect(exitCode).toBe(0);
    expect(said).toMatch(/inferenceInterval +3 +3 +tuned: kept/);
    expect(said).toMatch(/mode +"live" +"live" +tuned: kept/);
    expect(stackOf(fake.current, 'cameras')?.parameters).toMatchObject({
      InferenceInterval: '3',
      StreamNames: 'front,side',
      MoreConfiguration: '"mode":"live","imageMaxWidth":640',
      MaxWorkers: '5',
      SageMakerEndpoint: 'yolo-v8',
    });
    expect(configurationOf(fake.current)).toEqual(tuned);
  });

  test('replaces what was tuned by what is given now', async () => {
    await deployed('--more-configuration', '"imageMaxWidth":320');
    tune({ inferenceInterval: 3, imageMaxWidth: 640 });
    const { said } = await runProgram([...CAMERAS, '--image', IMAGE, '--inference-interval', '9']);
    expect(said).toMatch(/inferenceInterval +3 +9 +tuned: replaced by --inference-interval/);
    expect(configurationOf(fake.current)).toMatchObject({ inferenceInterval: 9, imageMaxWidth: 640 });
  });

  test.each([
    ['what is given is what it was', ['--inference-interval', '6'], { inferenceInterval: 3 }],
    ['a key was taken out', [], { inferenceInterval: undefined }],
  ])('is right in the end where %s', async (_name, args, change) => {
    await deployed();
    const before = configurationOf(fake.current);
    tune(change);
    const { said } = await runProgram([...CAMERAS, '--image', IMAGE, ...args]);
    expect(said).toMatch(/inferenceInterval +.* +6 +tuned: replaced/);
    expect(said).toContain('stack cameras: no changes');
    expect(configurationOf(fake.current)).toEqual(before);
  });

  test('puts back an SSM parameter that somebody has deleted', async () => {
    await deployed();
    const before = configurationOf(fake.current);
    fake.current.parameters.clear();
    expect(await runProgram([...CAMERAS, '--image', IMAGE])).toMatchObject({ exitCode: 0 });
    expect(configurationOf(fake.current)).toEqual(before);
  });

  test('drops what was tuned when it is told to, even where the stack does not change', async () => {
    await deployed();
    const before = configurationOf(fake.current);
    tune({ inferenceInterval: 3, mode: 'live' });
    const { exitCode, said } = await runProgram([...CAMERAS, '--image', IMAGE, '--replace-config']);
    expect(said).toMatch(/mode +"live" +\(none\) +tuned: replaced/);
    expect(said).toContain('stack cameras: no changes');
    expect(exitCode).toBe(0);
    expect(configurationOf(fake.current)).toEqual(before);
  });

  test('asks before it drops what was tuned', async () => {
    await deployed();
    tune({ inferenceInterval: 3 });
    const args = [...CAMERAS.filter((arg) => arg !== '--yes'), '--image', IMAGE, '--replace-config'];
    expect(await runProgram(args, { answers: ['n'] })).toMatchObject({ exitCode: 1 });
    expect(configurationOf(fake.current)['inferenceInterval']).toBe(3);
    expect(await runProgram(args, { answers: ['y'] })).toMatchObject({ exitCode: 0 });
    expect(configurationOf(fake.current)['inferenceInterval']).toBe(6);
  });

  test('leaves out a key that was kept beside the parameters and is taken out now', async () => {
    await deployed('--more-configuration', '"imageMaxWidth":320,"mode":"live"');
    tune({ imageMaxWidth: undefined });
    const { said } = await runProgram([...CAMERAS, '--image', IMAGE]);
    expect(said).toMatch(/imageMaxWidth +\(none\) +\(none\) +tuned: kept/);
    expect(configurationOf(fake.current)).not.toHaveProperty('imageMaxWidth');
    expect(stackOf(fake.current, 'cameras')?.parameters['MoreConfiguration']).toBe('"mode":"live"');
  });

  test('is refused where what was tuned is too long for a parameter of the stack', async () => {
    await deployed();
    const names = Array.from({ length: 101 }, (_, index) => `${'camera'.repeat(8)}-${index}`);
    tune({ streamNames: names });
    const { exitCode, said } = await runProgram([...CAMERAS, '--image', IMAGE]);
    expect(exitCode).toBe(2);
    expect(said).toMatch(/--more-configuration .* bytes, and CloudFormation takes 4096/);
    expect(fake.current.changes).toEqual([]);
  });

  test('is made even where only what the stack says of itself changes', async () => {
    await deployed();
    const stack = stackOf(fake.current, 'cameras');
    const body = stack?.body.replace('Description: It outlives the stack.', 'Description: Other.') ?? '';
    expect(body).not.toBe(stack?.body);
    Object.assign(stack ?? {}, { body });
    const { exitCode, said } = await runProgram([...CAMERAS, '--image', IMAGE]);
    expect(exitCode).toBe(0);
    expect(said).toContain('only what the stack says of itself changes');
    expect(stackOf(fake.current, 'cameras')?.body).not.toBe(body);
  });

  test('is not made when the SSM parameter is tuned while it asks', async () => {
    await deployed();
    fake.current.onChange = (change) => {
      if (change.startsWith('CreateChangeSet')) tune({ inferenceInterval: 2 });
    };
    const { exitCode, said } = await runProgram([...CAMERAS, '--image', IMAGE, '--max-workers', '5']);
    expect(exitCode).toBe(1);
    expect(said).toContain('the SSM parameter cameras has changed meanwhile');
    expect(fake.current.changes).toEqual(['CreateChangeSet cameras', 'DeleteChangeSet ']);
    expect(configurationOf(fake.current)['inferenceInterval']).toBe(2);
  });

  test('replaces a live value that is no JSON only when it is told to', async () => {
    await deployed();
    fake.current.parameters.set('cameras', { Value: '{oops', Type: 'String' });
    expect(await runProgram([...CAMERAS, '--image', IMAGE])).toMatchObject({
      exitCode: 2,
      said: expect.stringMatching(/the live configuration \(--replace-config .*\): no JSON/),
    });
    await runProgram([...CAMERAS, '--image', IMAGE, '--replace-config']);
    expect(configurationOf(fake.current)).toMatchObject({ inferenceInterval: 6 });
  });

  test('leaves the stack of another application alone', async () => {
    await deployed();
    const { exitCode, said } = await runProgram([...NEW, '--app-name', 'other', '--stack-name', 'cameras']);
    expect(exitCode).toBe(2);
    expect(said).toContain('stack cameras is that of cameras');
  });

  test('takes no stack of an image for that of an application', async () => {
    expect(await runProgram(NEW)).toMatchObject({ exitCode: 0 });
    fake.current.changes.length = 0;
    const args = ['--app-name', 'cameras', '--stack-name', 'cameras-image', '--yes'];
    for (const command of [['deploy', ...NEW.slice(4)], ['destroy']]) {
      const { exitCode, said } = await runProgram([...command, ...args]);
      expect(exitCode).toBe(2);
      expect(said).toContain("stack cameras-image is another one of kvs-inference's, and is left alone");
    }
    expect(fake.current.changes).toEqual([]);
  });

  test('leaves a stack alone that is something else', async () => {
    await deployed();
    Object.assign(stackOf(fake.current, 'cameras') ?? {}, {
      // As KIT's has.
      body: 'Resources: { Bucket: { Type: AWS::S3::Bucket } }',
      parameters: { AppName: 'cameras' },
    });
    for (const args of [NEW, ['destroy', '--app-name', 'cameras', '--yes']]) {
      const { exitCode, said } = await runProgram(args);
      expect(exitCode).toBe(2);
      expect(said).toContain("stack cameras is none of kvs-inference's for cameras, and is left alone");
    }
    expect(fake.current.changes).toEqual([]);
  });

  test.each([
    ['UPDATE_IN_PROGRESS', 'wait until that is over'],
    [
      'UPDATE_ROLLBACK_FAILED',
      'aws cloudformation continue-update-rollback --stack-name cameras --region eu-central-1',
    ],
  ])('does nothing to a stack that is %s', async (status, message) => {
    await deployed();
    Object.assign(stackOf(fake.current, 'cameras') ?? {}, { status });
    expect(await runProgram(NEW)).toMatchObject({ exitCode: 1, said: expect.stringContaining(message) });
    expect(fake.current.changes).toEqual([]);
  });

  test('deletes first what an interrupted one has rolled back', async () => {
    await deployed();
    Object.assign(stackOf(fake.current, 'cameras') ?? {}, { status: 'ROLLBACK_COMPLETE' });
    fake.current.parameters.clear();
    await deployed();
    expect(fake.current.cloudFormation.stacks.size).toBe(2);
  });
});
