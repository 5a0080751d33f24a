import {
  AV_PIX_FMT_YUV420P,
  type AVPixelFormat,
  SWS_ACCURATE_RND,
  SWS_BICUBIC,
  SWS_FULL_CHR_H_INT,
  type SwsFlags,
} from 'node-av/constants';
import { FFmpegError, Frame, SoftwareScaleContext } from 'node-av/lib';

/** Turns pictures of any size and format into YUV 4:2:0 of one size. No two calls may overlap. */
export class Scaler {
  /** The picture that was scaled last. */
  readonly frame = new Frame();
  #context: SoftwareScaleContext | null = null;
  #sourceGeometry = '';

  /** @param size pixels, even */
  constructor(size: { width: number; height: number }) {
    this.frame.alloc();
    this.frame.width = size.width;
    this.frame.height = size.height;
    this.frame.format = AV_PIX_FMT_YUV420P;
    FFmpegError.throwIfError(this.frame.getBuffer(), 'av_frame_get_buffer');
  }

  async scale(source: Frame): Promise<void> {
    FFmpegError.throwIfError(this.frame.makeWritable(), 'av_frame_make_writable');
    const result = await this.#contextFor(source).scaleFrame(this.frame, source);
    FFmpegError.throwIfError(result, 'sws_scale_frame');
  }

  close(): void {
    this.#context?.freeContext();
    this.frame.free();
  }

  /** The pictures of one video may change their size or format. */
  #contextFor({ width, height, format }: Frame): SoftwareScaleContext {
    const geometry = `${width}x${height}/${format}`;
    if (this.#context === null || geometry !== this.#sourceGeometry) {
      this.#context?.freeContext();
      this.#context = new SoftwareScaleContext();
      this.#sourceGeometry = geometry;
      const flags = (SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT) as SwsFlags;
      const { frame } = this;
      this.#context.getContext(
        width,
        height,
        format as AVPixelFormat,
        frame.width,
        frame.height,
        AV_PIX_FMT_YUV420P,
        flags,
      );
    }
    return this.#context;
  }
}

/** A width or height that YUV 4:2:0 can have, near to `pixels`. */
export function toEven(pixels: number): number {
  return Math.max(2, Math.round(pixels / 2) * 2);
}
