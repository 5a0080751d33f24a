import type { Track } from '../../src/matroska/tracks.ts';
import { isSampled, videoTrack } from '../../src/video/sampler.ts';

const track = (trackNumber: number, trackType: Track['trackType']) => ({ trackNumber, trackType }) as Track;
const tracks = (...list: Track[]) => new Map(list.map((entry) => [entry.trackNumber, entry]));

test('the video track with the lowest number is sampled, and never audio', () => {
  expect(videoTrack(tracks(track(1, 'audio'), track(3, 'video'), track(2, 'video')))?.trackNumber).toBe(2);
  expect(videoTrack(tracks(track(1, 'audio'), track(2, 'subtitle')))).toBeNull();
});

test('every Nth I-frame is sampled, from the first', () => {
  const sampled = (interval: number) =>
    [0, 1, 2, 3, 4, 5, 6].filter((counter) => isSampled(counter, interval));
  expect(sampled(3)).toEqual([0, 3, 6]);
  expect(sampled(1)).toHaveLength(7);
});
