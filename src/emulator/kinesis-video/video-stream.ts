import { EventEmitter } from 'node:events';
import { CallRate } from './call-rate.ts';
import { FragmentLog, type StoredFragment } from './fragment-log.ts';
import { FragmentNumbers } from './fragment-number.ts';

export interface StreamSettings {
  readonly deviceName: string | null;
  readonly mediaType: string | null;
  readonly kmsKeyId: string | null;
  /** 0 keeps nothing for long: such a stream gives no PERSISTED acknowledgements. */
  dataRetentionInHours: number;
}

/** A PutMedia connection, as its stream sees it. */
export interface Producer {
  /** The number of the fragment that it is sending. */
  readonly openFragmentNumber: string | null;
  /** Ends the connection and forgets its open fragment. */
  displace(): void;
}

/** One stream: what the control plane knows of it, its fragments, and who reads and writes it. */
export class VideoStream {
  readonly name: string;
  readonly arn: string;
  /** Milliseconds since the Unix epoch. */
  readonly creationMillis: number;
  readonly settings: StreamSettings;
  readonly tags: Map<string, string>;
  readonly log = new FragmentLog();
  readonly numbers = new FragmentNumbers();
  readonly producers = new Set<Producer>();
  readonly getMediaCalls = new CallRate();
  /** Open GetMedia connections. */
  readers = 0;
  /** When the last bytes of a producer came, by the monotonic clock. */
  receivedMonotonic = Number.NEGATIVE_INFINITY;
  /** Emits `change` for every fragment that is stored, and when the stream is deleted. */
  readonly events = new EventEmitter<{ change: [] }>().setMaxListeners(0);
  #version = 1;
  #isDeleted = false;

  constructor(options: {
    name: string;
    arn: string;
    creationMillis: number;
    settings: StreamSettings;
    tags: ReadonlyMap<string, string>;
  }) {
    this.name = options.name;
    this.arn = options.arn;
    this.creationMillis = options.creationMillis;
    this.settings = options.settings;
    this.tags = new Map(options.tags);
  }

  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  /** Of the settings; a caller names it to change only what it has seen. */
  get version(): string {
    return String(this.#version);
  }

  setDataRetention(hours: number): void {
    this.settings.dataRetentionInHours = hours;
    this.#version += 1;
  }

  /**
   * Fragments of producers that send at once interleave, but a reader's fragment numbers only rise: who still sends
   * an older fragment than this one is given up on.
   */
  append(fragment: StoredFragment): void {
    for (const producer of this.producers) {
      const { openFragmentNumber } = producer;
      if (openFragmentNumber !== null && openFragmentNumber < fragment.fragmentNumber) producer.displace();
    }
    this.log.append(fragment);
    this.events.emit('change');
  }

  delete(): void {
    this.#isDeleted = true;
    this.events.emit('change');
  }
}
