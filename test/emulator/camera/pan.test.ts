import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../../src/core/errors.ts';
import { openPan, panPosition } from '../../../src/emulator/camera/pan.ts';
import type { SourceFragment } from '../../../src/emulator/camera/video-source.ts';
import { makePicture } from '../../support/media.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kvs-inference-test-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

test('turns to the right and back in twelve seconds, once for each picture', async () => {
  const path = join(directory, 'picture.jpg');
  await writeFile(path, await makePicture({ width: 160, height: 100 }));
  const source = await openPan([path, path]);
  await rm(path);
  const fragments: SourceFragment[] = [];
  for await (const fragment of source) {
    fragments.push(fragment);
    if (fragments.length === 25) break;
  }
  await source.close();

  expect(source.track).toMatchObject({ codecId: 'V_MPEG4/ISO/AVC', pixelWidth: 640, pixelHeight: 360 });
  for (const { durationMillis, frames } of fragments) {
    expect(durationMillis).toBeCloseTo(1000);
    expect(frames.map(({ keyFrame }) => keyFrame)).toEqual(frames.map((_, index) => index === 0));
    expect(frames).toHaveLength(15);
  }
  expect(new Set(fragments).size).toBe(24);
  expect(fragments[24]).toBe(fragments[0]);
});

test('starts and ends at the left, where it stands still', () => {
  expect([0, 0.25, 0.5, 0.75, 1].map(panPosition).map((x) => Number(x.toFixed(6)))).toEqual([
    0, 0.5, 1, 0.5, 0,
  ]);
  const steps = [panPosition(0.01) - panPosition(0), panPosition(0.26) - panPosition(0.25)];
  expect(steps[0]).toBeLessThan((steps[1] ?? 0) / 10);
});

test('refuses what is no picture, by its name', async () => {
  const path = join(directory, 'missing.jpg');
  const error = await openPan([path]).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(UsageError);
  expect((error as UsageError).message).toBe(`Cannot read ${path}: No such file or directory`);
});
