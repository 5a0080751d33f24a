import type { DemoState } from '../state.ts';

export type Connection = 'live' | 'disconnected';

const RECONNECT_MILLIS = 2000;

export interface Listener {
  onState(state: DemoState): void;
  onConnection(connection: Connection): void;
}

/** Listens to the demo's states for ever. By itself a browser gives up at some failures, so it is started anew. */
export function listen(url: string, listener: Listener): void {
  const source = new EventSource(url);
  source.onmessage = ({ data }: MessageEvent<string>) => {
    listener.onConnection('live');
    listener.onState(JSON.parse(data) as DemoState);
  };
  source.onerror = () => {
    source.close();
    listener.onConnection('disconnected');
    setTimeout(() => listen(url, listener), RECONNECT_MILLIS);
  };
}
