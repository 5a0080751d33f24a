import { build, type Metafile } from 'esbuild';

/** The packages that are loaded with `output`, before anything asks for more. */
function loadedWith({ outputs }: Metafile, output: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(output)) return loaded;
  loaded.add(output);
  for (const { kind, path } of outputs[output]?.imports ?? []) {
    if (kind === 'import-statement') loadedWith({ inputs: {}, outputs }, path, loaded);
  }
  return loaded;
}

test('a worker loads FFmpeg no sooner than the way of its frames', async () => {
  const { metafile } = await build({
    entryPoints: ['src/cli/worker.ts'],
    outdir: 'out',
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    metafile: true,
    write: false,
  });
  const [framePath] = Object.keys(metafile.outputs).filter((name) => name.startsWith('out/frame-path'));
  const atStart = loadedWith(metafile, 'out/worker.js');
  expect([...atStart]).toContain('@aws-sdk/client-kinesis-video-media');
  expect([...atStart].filter((name) => name.startsWith('node-av'))).toEqual([]);
  expect([...loadedWith(metafile, framePath ?? '')]).toContain('node-av/lib');
});
