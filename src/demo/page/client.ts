import type { DemoState } from '../state.ts';
import { type Connection, listen } from './connection.ts';
import { find, setText } from './dom.ts';
import { formatUptime } from './format.ts';
import { ResultsTable } from './results-table.ts';
import { StreamCard } from './stream-card.ts';

const CONNECTION_TEXTS: Readonly<Record<Connection, string>> = {
  live: 'live',
  disconnected: 'disconnected: the demo has ended',
};

const list = find(document, '#cards', HTMLElement);
const uptime = find(document, '#uptime', HTMLElement);
const connectionStatus = find(document, '#connection', HTMLElement);
const results = new ResultsTable(find(document, '#results', HTMLElement));
const cards = new Map<string, StreamCard>();
let lastUptimeMillis = 0;

listen('/events', {
  onConnection(connection) {
    document.body.dataset['connection'] = connection;
    setText(connectionStatus, CONNECTION_TEXTS[connection]);
  },
  onState(state) {
    const isAnotherDemo = state.uptimeMillis < lastUptimeMillis;
    if (isAnotherDemo) removeCards(() => true);
    lastUptimeMillis = state.uptimeMillis;
    setText(uptime, formatUptime(state.uptimeMillis));
    updateCards(state);
    results.update(state.results);
  },
});

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const card of cards.values()) card.redraw();
});

function updateCards({ streams: states, uptimeMillis }: DemoState): void {
  const names = new Set(states.map(({ streamName }) => streamName));
  removeCards((name) => !names.has(name));
  for (const state of states) {
    let card = cards.get(state.streamName);
    if (card === undefined) {
      card = new StreamCard(list, state.streamName);
      cards.set(state.streamName, card);
    }
    card.update(state, uptimeMillis);
  }
}

function removeCards(isGone: (streamName: string) => boolean): void {
  for (const [name, card] of cards) {
    if (!isGone(name)) continue;
    card.remove();
    cards.delete(name);
  }
}
