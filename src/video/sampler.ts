import type { Track } from '../matroska/tracks.ts';

/** The track whose frames are sampled: the video track with the lowest number. Audio never is, flagged or not. */
export function videoTrack(tracks: ReadonlyMap<number, Track>): Track | null {
  let first: Track | null = null;
  for (const track of tracks.values()) {
    if (track.trackType === 'video' && (first === null || track.trackNumber < first.trackNumber))
      first = track;
  }
  return first;
}

/** @param iFrameCounter I-frames of the stream before this one, counted from its start position */
export function isSampled(iFrameCounter: number, inferenceInterval: number): boolean {
  return iFrameCounter % inferenceInterval === 0;
}
