import { openDefaultSources } from '../../../src/emulator/camera/default-sources.ts';

test('are a person at the front door and parked cars, with a key frame each second', async () => {
  const sources = await openDefaultSources();
  try {
    const tracks = sources.map(({ streamName, source: { track } }) => [
      streamName,
      track.pixelWidth,
      track.pixelHeight,
    ]);
    expect(tracks).toEqual([
      ['front-door', 400, 300],
      ['parking', 640, 360],
    ]);
    for (const { source } of sources) {
      const { value } = await source[Symbol.asyncIterator]().next();
      expect(value?.durationMillis).toBeCloseTo(1000);
      expect(value?.frames[0]?.keyFrame).toBe(true);
    }
  } finally {
    for (const { source } of sources) await source.close();
  }
});
