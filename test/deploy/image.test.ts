import { existsSync, readFileSync } from 'node:fs';
import { PASSWORD } from './fake-account.ts';
import {
  CAMERAS,
  fakeEngine,
  IMAGE,
  NEW,
  REGISTRY,
  root,
  runProgram,
  stackOf,
  useFakeAccount,
} from './harness.ts';

const fake = useFakeAccount();

describe('the image', () => {
  test('is not built again when it is there', async () => {
    const docker = fakeEngine('docker');
    await runProgram(NEW, { path: docker.path });
    fake.current.images.add(stackOf(fake.current, 'cameras')?.parameters['DockerImageRepository'] ?? '');
    const { exitCode, said } = await runProgram(NEW);
    expect(said).toContain('is there already');
    expect(said).toContain('stack cameras: no changes');
    expect(exitCode).toBe(0);
  });

  test('is built by podman where there is no docker, and for the other architecture', async () => {
    const podman = fakeEngine('podman');
    const { exitCode } = await runProgram([...NEW, '--cpu-architecture', 'X86_64'], { path: podman.path });
    expect(exitCode).toBe(0);
    const [, build = ''] = podman.calls();
    expect(build).toMatch(/^build --format docker --build-arg BUILDPLATFORM=linux\/(amd64|arm64) /);
    expect(build).toMatch(/ --platform linux\/amd64 .*-amd64-/);
  });

  test('is built by CodeBuild where there is no engine', async () => {
    const { exitCode, said } = await runProgram(NEW);
    expect(exitCode).toBe(0);
    expect(said).toMatch(/SUCCEEDED {2}PROVISIONING/);
    const tag = stackOf(fake.current, 'cameras')?.parameters['DockerImageRepository']?.split(':')[1];
    const bucket = 'cameras-image-bucket-0123456789ab';
    expect(fake.current.builds).toMatchObject([
      {
        sourceLocationOverride: `${bucket}/sources/${tag}.zip`,
        environmentVariablesOverride: [{ name: 'TAG', value: tag }],
      },
    ]);
    expect(fake.current.objects.get(bucket)?.get(`sources/${tag}.zip`)?.subarray(0, 2).toString()).toBe('PK');
    expect(stackOf(fake.current, 'cameras-image')?.parameters).toMatchObject({
      UseCodeBuild: 'true',
      CpuArchitecture: 'ARM64',
    });
  });

  test("is pushed with a login that gets into none of the user's files", async () => {
    const docker = fakeEngine('docker');
    const before = readFileSync(`${root}docker/config.json`, 'utf8');
    await runProgram(NEW, { path: docker.path });
    const auth = Buffer.from(`AWS:${PASSWORD}`).toString('base64');
    const auths = { [REGISTRY]: { auth } };
    expect(docker.saw('config')).toBe(`${JSON.stringify({ auths, currentContext: 'mine' })}mine`);
    expect(JSON.parse(docker.saw('authentication'))).toMatchObject({ auths });
    expect(docker.calls().join()).not.toContain(auth);
    expect(readFileSync(`${root}docker/config.json`, 'utf8')).toBe(before);

    const [[, own], [, build], [buildKit, folder = '']] = docker
      .saw('environment')
      .trim()
      .split('\n')
      .map((line) => line.split(' ')) as [string[], string[], string[]];
    expect([own, build]).toEqual([`${root}docker`, `${root}docker`]);
    expect(buildKit).toBe('1');
    expect(existsSync(folder)).toBe(false);
  });

  test('leaves no login behind when the user stops the push', async () => {
    const docker = fakeEngine('docker', '', 'push');
    const controller = new AbortController();
    docker.onHang(() => controller.abort());
    const { exitCode, said } = await runProgram(NEW, { path: docker.path, signal: controller.signal });
    expect(exitCode).toBe(1);
    expect(said).toContain('kvs-inference: stopped');
    const folder = docker.saw('environment').trim().split('\n').at(-1)?.split(' ')[1] ?? '';
    expect(folder).not.toBe(`${root}docker`);
    expect(existsSync(folder)).toBe(false);
  });

  test('that was given before is kept, and not replaced by one that is built', async () => {
    const docker = fakeEngine('docker');
    await runProgram([...NEW, '--image', IMAGE]);
    const { exitCode, said } = await runProgram([...CAMERAS, '--max-workers', '5'], { path: docker.path });
    expect(exitCode).toBe(0);
    expect(said).toContain(`image ${IMAGE} is kept`);
    expect(stackOf(fake.current, 'cameras')?.parameters).toMatchObject({
      DockerImageRepository: IMAGE,
      MaxWorkers: '5',
    });
    await runProgram([...CAMERAS, '--engine', 'docker'], { path: docker.path });
    expect(stackOf(fake.current, 'cameras')?.parameters['DockerImageRepository']).toContain(
      'cameras-image-repository',
    );
  });

  test('that was built before is replaced by one of newer sources', async () => {
    await runProgram(NEW);
    const before = stackOf(fake.current, 'cameras')?.parameters['DockerImageRepository'];
    const { said } = await runProgram([...CAMERAS, '--cpu-architecture', 'X86_64']);
    expect(said).not.toContain('is kept');
    expect(stackOf(fake.current, 'cameras')?.parameters['DockerImageRepository']).not.toBe(before);
  });

  test('has no stack in common with an application of nearly the same name', async () => {
    await runProgram([...NEW, '--app-name', 'my_cameras']);
    const { exitCode, said } = await runProgram([
      ...NEW,
      '--app-name',
      'my-cameras',
      '--stack-name',
      'other',
    ]);
    expect(exitCode).toBe(2);
    expect(said).toContain('stack my-cameras-image is that of my_cameras');
  });

  test('whose build fails: no stack', async () => {
    fake.current.isBuildFailing = true;
    const { exitCode, said } = await runProgram(NEW);
    expect(exitCode).toBe(1);
    expect(fake.current.changes.join()).not.toContain('StopBuild');
    expect(said).toContain('the build ended as FAILED\n  BUILD: no space left\n  log: https://logs.example');
    expect(stackOf(fake.current, 'cameras')).toBeUndefined();
  });

  test('is not waited for where nobody can look at its build, which is stopped', async () => {
    fake.current.deny('CodeBuild_20161006.BatchGetBuilds');
    expect(await runProgram(NEW)).toMatchObject({ exitCode: 1 });
    expect(fake.current.changes.at(-1)).toBe('StopBuild kvs:1');
    expect(fake.current.builds).toMatchObject([
      { idempotencyToken: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    ]);
  });

  test('is not waited for where CodeBuild has forgotten its build', async () => {
    fake.current.isBuildForgotten = true;
    const { exitCode, said } = await runProgram(NEW);
    expect(exitCode).toBe(1);
    expect(said).toContain('CodeBuild knows nothing of the build kvs:1');
  });

  test('has a stack of its own again where the one before could not be deleted, as its bucket was full', async () => {
    const objects = () => fake.current.objects.get('cameras-image-bucket-0123456789ab');
    await runProgram(NEW);
    Object.assign(stackOf(fake.current, 'cameras-image') ?? {}, { status: 'DELETE_FAILED' });
    objects()?.set('old', Buffer.from('old'));
    const sizes: unknown[] = [];
    fake.current.onChange = (change) => {
      if (change.startsWith('DeleteStack')) sizes.push(objects()?.size);
    };
    expect(await runProgram([...NEW, '--engine', 'codebuild'])).toMatchObject({ exitCode: 0 });
    expect(sizes).toEqual([0]);
    expect(stackOf(fake.current, 'cameras-image')?.status).toBe('CREATE_COMPLETE');
  });

  test.each([
    ['info', 2, '`docker info` fails'],
    ['build', 1, 'the image cannot be built'],
    ['push', 1, 'the image cannot be pushed (docker push: exit code 1)'],
  ])('and a docker that fails at %s', async (command, code, message) => {
    const docker = fakeEngine('docker', command);
    const { exitCode, said } = await runProgram([...NEW, '--engine', 'docker'], { path: docker.path });
    expect(said).toContain(message);
    expect(exitCode).toBe(code);
  });
});
