import { getMaxListeners } from 'node:events';
import { ACCOUNT, REGION } from './fake-stack.ts';
import { CAMERAS, configurationOf, IMAGE, NEW, runProgram, stackOf, useFakeAccount } from './harness.ts';

const fake = useFakeAccount();

describe('before anything is made, a deployment', () => {
  test('is refused for every value that is wrong at once, before anything is called', async () => {
    const wrong = [
      '--app-name',
      'aws-cameras',
      '--cpu',
      '300',
      '--inference-interval',
      '0',
      '--vpc-id',
      'mine',
    ];
    const { exitCode, said } = await runProgram(['deploy', ...wrong]);
    expect(exitCode).toBe(2);
    expect(said.split('\n').map((line) => line.replace('kvs-inference: ', '').split(' ')[0])).toEqual([
      '--app-name',
      '--inference-interval',
      '--cpu',
      '--vpc-id',
      '',
    ]);
    expect(said).toContain('expected one of 256, 512');
    expect(fake.current.requests).toEqual([]);
  });

  test.each([
    ['no streams', ['--endpoint', 'yolo-v8'], 'StreamNames or TagFilters'],
    ['no endpoint', ['--stream-names', 'front'], '--endpoint is needed'],
    ['a subnet without its VPC', [...NEW.slice(4), '--subnet-ids', 'subnet-0a1b2c3d'], 'VpcId'],
    [
      'an unknown key',
      [...NEW.slice(4), '--more-configuration', '"modus":"live"'],
      'modus: "live", expected no such key',
    ],
    ['no JSON', [...NEW.slice(4), '--more-configuration', '"mode":live'], '--more-configuration: no JSON'],
  ])('is refused with %s', async (_name, args, message) => {
    const { exitCode, said } = await runProgram([...CAMERAS, ...args]);
    expect(said).toContain(message);
    expect(exitCode).toBe(2);
    expect(fake.current.changes).toEqual([]);
  });

  test('is refused where something it needs is missing, with all of it in a table', async () => {
    fake.current.roles.clear();
    fake.current.streams.set('back', 0);
    const args = [...CAMERAS, '--stream-names', 'frontt,back', '--endpoint', 'yolo', '--max-workers', '9'];
    const { exitCode, said } = await runProgram([...args, '--image', `${IMAGE}0`]);
    expect(exitCode).toBe(1);
    expect(said).toMatch(/problem +stream frontt +there is no such stream .* did you mean front\?/);
    expect(said).toMatch(/warning +stream back .*data retention 0.*update-data-retention/);
    expect(said).toMatch(/problem +endpoint yolo +there is no such endpoint .* did you mean yolo-v8\?/);
    expect(said).toMatch(/problem +image +there is no /);
    expect(said).toMatch(/problem +quota Fargate On-Demand +6 vCPUs, and MaxWorkers tasks may use 9/);
    expect(said).toMatch(/problem +role AWSServiceRoleForECS .*--create-service-linked-role/);
    expect(fake.current.changes).toEqual([]);
  });

  test('creates the role of ECS when it is told to', async () => {
    fake.current.roles.clear();
    expect(await runProgram([...NEW, '--image', IMAGE, '--create-service-linked-role'])).toMatchObject({
      exitCode: 0,
    });
    expect([...fake.current.roles]).toEqual(['AWSServiceRoleForECS']);
  });

  test('looks up the quota that an account has which never used the service', async () => {
    fake.current.quotas.clear();
    fake.current.defaultQuotas.set('L-3032A538', 2);
    const { exitCode, said } = await runProgram([...NEW, '--image', IMAGE]);
    expect(said).toMatch(/problem +quota Fargate On-Demand +2 vCPUs, and MaxWorkers tasks may use 4/);
    expect(exitCode).toBe(1);
  });

  test('is refused for more workers at least than at most, given together or not', async () => {
    const both = await runProgram([...NEW, '--min-workers', '3', '--max-workers', '2']);
    expect(both).toMatchObject({
      exitCode: 2,
      said: expect.stringContaining('--min-workers 3 is more than'),
    });
    expect(fake.current.requests).toEqual([]);
    const one = await runProgram([...NEW, '--min-workers', '9', '--image', IMAGE]);
    expect(one).toMatchObject({ exitCode: 2, said: expect.stringContaining('more than --max-workers 4') });
  });

  test.each([
    ['Yolo-V8', { SageMakerEndpointArn: `arn:aws:sagemaker:${REGION}:${ACCOUNT}:endpoint/yolo-v8` }],
    ['yolo-v8', { SageMakerEndpointArn: '' }],
  ])('names the ARN of the endpoint %s to the stack where that is needed', async (endpoint, parameters) => {
    fake.current.endpoints.set('Yolo-V8', 'InService');
    await runProgram([...NEW, '--image', IMAGE, '--endpoint', endpoint]);
    expect(stackOf(fake.current, 'cameras')?.parameters).toMatchObject(parameters);
  });

  test("leaves the ARN of the endpoint's name before behind", async () => {
    fake.current.endpoints.set('Yolo', 'InService');
    await runProgram([...NEW, '--image', IMAGE, '--endpoint', 'Yolo']);
    await runProgram([...NEW, '--image', IMAGE, '--endpoint', 'yolo-v8']);
    expect(stackOf(fake.current, 'cameras')?.parameters).toMatchObject({ SageMakerEndpointArn: '' });
  });

  test("warns of what the worker's role does not cover", async () => {
    const arn = `arn:aws:kinesisvideo:${REGION}:${ACCOUNT}:stream/back/1700000000000`;
    const more = `"streamNames":["front","${arn}"],"resultBucket":"large"`;
    const streams = ['--stream-names', 'front', '--more-configuration', more];
    const { said } = await runProgram([...NEW, '--image', IMAGE, ...streams, '--dry-run']);
    expect(said).toMatch(/warning +worker's role +not covered, .*: stream back, bucket large; allow it/);
    expect((await runProgram([...NEW, '--image', IMAGE, '--dry-run'])).said).not.toContain("worker's role");
  });

  test('has no warning for how many calls wait for the same signal', async () => {
    const { signal } = new AbortController();
    await runProgram([...NEW, '--dry-run'], { signal });
    expect(getMaxListeners(signal)).toBe(Number.POSITIVE_INFINITY);
  });

  test('counts the streams that tag filters choose', async () => {
    fake.current.taggedStreams.push(`arn:aws:kinesisvideo:${REGION}:${ACCOUNT}:stream/front/1700000000000`);
    const filter = ['--tag-filters', '{"key":"Location","values":["Front"]}'];
    const { exitCode, said } = await runProgram([
      ...CAMERAS,
      ...filter,
      '--endpoint',
      'yolo-v8',
      '--image',
      IMAGE,
    ]);
    expect(said).toMatch(/ok +tag filters +1 stream matches now/);
    expect(exitCode).toBe(0);
    expect(configurationOf(fake.current)).toMatchObject({
      streamNames: [],
      tagFilters: [{ key: 'Location', values: ['Front'] }],
    });
  });

  test('says who must sign in', async () => {
    fake.current.hasCredentials = false;
    const { exitCode, said } = await runProgram(NEW);
    expect(exitCode).toBe(2);
    expect(said).toContain('AWS does not know who you are');
  });

  test('says that nobody answers in the region', async () => {
    const { exitCode, said } = await runProgram(NEW, { endpoint: 'http://127.0.0.1:1' });
    expect(exitCode).toBe(2);
    expect(said).toMatch(/AWS does not answer in eu-central-1 .*ECONNREFUSED/);
  });

  test('has options that do not contradict what it does', async () => {
    const { printed } = await runProgram(['deploy', '--help']);
    expect(printed).toMatch(/--image <value> +An image in Amazon ECR that is there already/);
    expect(printed).not.toContain('--template-bucket');
  });

  test('changes nothing in a dry run', async () => {
    expect(await runProgram([...NEW, '--dry-run'])).toMatchObject({ exitCode: 0 });
    expect(fake.current.changes).toEqual([]);
  });
});
