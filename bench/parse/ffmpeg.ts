import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { inChild } from '../harness/child.ts';
import { ffmpegVersion } from '../harness/machine.ts';

const execute = promisify(execFile);

/** A program's clock does not tell less. */
const LEAST_SECONDS = 0.001;

/** FFmpeg's demuxer: that of the program where it is on the PATH, else that of node-av. */
export function ffmpegDemuxer(options: { signal: AbortSignal }) {
  const isProgram = ffmpegVersion() !== null;
  const seconds = (file: string) =>
    isProgram ? programSeconds(file, options) : inChild<number>('demux', { file }, options);
  return {
    name: isProgram ? 'ffmpeg -c copy' : "node-av's demuxer",
    /** @returns CPU seconds for `file`, without those for the start, which `shortFile` tells */
    seconds: async (file: string, shortFile: string) =>
      Math.max(LEAST_SECONDS, (await seconds(file)) - (await seconds(shortFile))),
  };
}

async function programSeconds(file: string, { signal }: { signal: AbortSignal }): Promise<number> {
  const input = ['-nostdin', '-hide_banner', '-benchmark', '-i', file];
  const args = [...input, '-map', '0', '-c', 'copy', '-f', 'null', '-'];
  const { stderr } = await execute('ffmpeg', args, { signal });
  const [, user, system] = /bench: utime=([\d.]+)s stime=([\d.]+)s/.exec(stderr) ?? [];
  return Number(user) + Number(system);
}
