import { fakeEngine, NEW, runProgram, stackOf, useFakeAccount } from './harness.ts';

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
    expect(podman.calls()[1]).toMatch(/^build --platform linux\/amd64 .*-amd64-/);
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

  test('whose build fails: no stack', async () => {
    fake.current.isBuildFailing = true;
    const { exitCode, said } = await runProgram(NEW);
    expect(exitCode).toBe(1);
    expect(said).toContain('the build ended as FAILED\n  BUILD: no space left\n  log: https://logs.example');
    expect(stackOf(fake.current, 'cameras')).toBeUndefined();
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
