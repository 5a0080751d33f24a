/** Where in a stream to read on. */
export type ReadPosition =
  | { readonly type: 'EARLIEST' }
  /** The fragment that contains this server timestamp, milliseconds since the Unix epoch, or the next one. */
  | { readonly type: 'SERVER_TIMESTAMP'; readonly millis: number }
  /** Strictly after this fragment. */
  | { readonly type: 'AFTER_FRAGMENT'; readonly fragmentNumber: string };

/**
 * Gives a stream's media as Matroska. GetMedia is one such source; what reads from it knows of no other detail.
 */
export interface MediaSource {
  /**
   * Opens a body at the position. It may end cleanly at any time, which means "ask again", never "done".
   *
   * @param signal ends the body, too
   */
  open(streamName: string, position: ReadPosition, signal: AbortSignal): Promise<AsyncIterable<Buffer>>;
}
