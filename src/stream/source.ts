/** Where in a stream to read on. */
export type ReadPosition =
  | { readonly type: 'EARLIEST' }
  /** The fragment that contains this server timestamp, milliseconds since the Unix epoch, or the next one. */
  | { readonly type: 'SERVER_TIMESTAMP'; readonly millis: number }
  /** Strictly after this fragment. */
  | { readonly type: 'AFTER_FRAGMENT'; readonly fragmentNumber: string };

/** Which stream to read. */
export interface StreamReference {
  readonly streamName: string;
  /**
   * Names one stream for ever, while a name is given to another one when its stream was deleted. Null where it is
   * not known.
   */
  readonly streamArn: string | null;
}

/**
 * Gives a stream's media as Matroska. GetMedia is one such source; what reads from it knows of no other detail.
 */
export interface MediaSource {
  /**
   * Opens a body at the position. It may end cleanly at any time, which means "ask again", never "done". Giving up
   * the iteration closes the connection.
   *
   * @param signal ends the opening, and the body too: the connection is closed at once, also while nobody iterates
   */
  open(stream: StreamReference, position: ReadPosition, signal: AbortSignal): Promise<AsyncIterable<Buffer>>;
}
