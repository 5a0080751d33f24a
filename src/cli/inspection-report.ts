import type { FragmentInspection, Inspection, TrackInspection } from '../matroska/inspection.ts';
import { codecName } from '../matroska/tracks.ts';
import { profileName } from '../video/codec.ts';
import { type Colors, textTable } from './text-table.ts';

/** Of a long file the first and the last fragments are shown. */
const FIRST_FRAGMENTS = 30;
const LAST_FRAGMENTS = 5;
/** Fragments follow each other one frame apart; what is further apart is shown as a gap. */
const GAP_MILLIS = 500;

/** One JSON object on one line. */
export function inspectionJson(file: string, inspection: Inspection): string {
  const { size, truncated, ebmlHeaders, clusters, errors } = inspection;
  const tracks = [...inspection.tracks].map(([number, { track, frames, keyFrames, bytes }]) => [
    number,
    { codec: track.codecId, frames, keyFrames, bytes },
  ]);
  const fragments = inspection.fragments
    .filter(({ fragmentNumber }) => fragmentNumber !== null)
    .map(
      ({
        fragmentNumber,
        serverTimestampMillis,
        producerTimestampMillis,
        millisBehindNow,
        continuationToken,
      }) => ({
        fragmentNumber,
        serverTimestampMillis,
        producerTimestampMillis,
        millisBehindNow,
        continuationToken,
      }),
    );
  return JSON.stringify({
    file,
    size,
    truncated,
    ebmlHeaders,
    clusters,
    tracks: Object.fromEntries(tracks),
    fragments,
    errors,
  });
}

/** The same for a person: aligned tables. */
export function inspectionText(file: string, inspection: Inspection, colors: Colors): string {
  const { size, truncated, ebmlHeaders, clusters, errors } = inspection;
  const { bold, red, yellow } = colors;
  const state = truncated ? yellow('truncated') : errors.length > 0 ? red('with errors') : 'complete';
  const lines = [
    bold(file),
    `  ${bytesText(size)}, ${count(ebmlHeaders, 'EBML header')}, ${count(clusters, 'cluster')}, ${state}`,
  ];
  if (inspection.tracks.size > 0) lines.push('', trackTable([...inspection.tracks.values()], colors));
  if (inspection.fragments.length > 0) lines.push('', fragmentTable(inspection.fragments, colors));
  for (const { code, message, offset } of errors)
    lines.push(red(`  error ${code} at byte ${offset}: ${message}`));
  return `${lines.join('\n')}\n\n`;
}

function trackTable(tracks: readonly TrackInspection[], colors: Colors): string {
  const rows = tracks.map(({ track, frames, keyFrames, bytes }) => {
    const { pixelWidth, pixelHeight, samplingFrequency, channels } = track;
    const video = pixelWidth === null ? '' : `${pixelWidth}x${pixelHeight}`;
    const audio = samplingFrequency === null ? '' : `${samplingFrequency} Hz, ${channels ?? 1} ch`;
    return [
      track.trackNumber,
      track.trackType,
      `${codecName(track.codecId)}${track.unreadable === null ? '' : ` (${track.unreadable})`}`,
      profileName(track) ?? '',
      video || audio,
      frames,
      keyFrames,
      bytes,
    ];
  });
  return textTable(
    ['track', 'type', 'codec', 'profile', 'size', 'frames', 'key frames', 'bytes'],
    rows,
    [0, 5, 6, 7],
    colors,
  );
}

function fragmentTable(fragments: readonly FragmentInspection[], colors: Colors): string {
  const row = (fragment: FragmentInspection) => [
    fragment.fragmentNumber ?? '-',
    time(fragment.serverTimestampMillis),
    time(fragment.producerTimestampMillis),
    fragment.frames,
    fragment.keyFrames,
    `${Math.round(fragment.durationMillis)} ms`,
    fragment.millisBehindNow === null ? '-' : `${fragment.millisBehindNow} ms`,
    colors.yellow(remark(fragment)),
  ];
  const hidden = fragments.length - FIRST_FRAGMENTS - LAST_FRAGMENTS;
  const rows =
    hidden > 0
      ? [
          ...fragments.slice(0, FIRST_FRAGMENTS).map(row),
          [`… ${hidden} more`, '', '', '', '', '', '', ''],
          ...fragments.slice(-LAST_FRAGMENTS).map(row),
        ]
      : fragments.map(row);
  const head = ['fragment', 'server time', 'producer time', 'frames', 'key', 'duration', 'behind now', ''];
  return textTable(head, rows, [3, 4, 5, 6], colors);
}

function remark({ complete, gapMillis }: FragmentInspection): string {
  const remarks: string[] = [];
  if (!complete) remarks.push('incomplete');
  if (gapMillis !== null && gapMillis > GAP_MILLIS) remarks.push(`gap of ${Math.round(gapMillis)} ms before`);
  if (gapMillis !== null && gapMillis < -GAP_MILLIS) remarks.push(`overlaps by ${Math.round(-gapMillis)} ms`);
  return remarks.join(', ');
}

function time(millis: number | null): string {
  return millis === null ? '-' : new Date(millis).toISOString();
}

function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  const units = ['KiB', 'MiB', 'GiB'];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
