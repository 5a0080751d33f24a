// Loaded into a worker's process with `node --import`: answers its parent, over the IPC channel, what the process holds.
import { EventEmitter, getEventListeners } from 'node:events';
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const SHOWN_HOLDERS = 5;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

/** Whatever has ever been listened to, and is not garbage: with the types of its events, which an EventTarget does not tell. */
const targets = new Set();
const eventTypes = new WeakMap();
const forget = new FinalizationRegistry((reference) => targets.delete(reference));

function remember(target, type) {
  const types = eventTypes.get(target);
  if (types !== undefined) return void types.add(type);
  const reference = new WeakRef(target);
  eventTypes.set(target, new Set([type]));
  targets.add(reference);
  forget.register(target, reference);
}

function watch(prototype, names) {
  for (const name of names) {
    const original = prototype[name];
    prototype[name] = function (type, ...rest) {
      remember(this, type);
      return original.call(this, type, ...rest);
    };
  }
}

watch(EventTarget.prototype, ['addEventListener']);
watch(EventEmitter.prototype, ['on', 'addListener', 'prependListener']);

/** How many listeners there are, and who has the most. */
function countListeners() {
  let listeners = 0;
  const holders = [];
  for (const reference of targets) {
    const target = reference.deref();
    for (const event of (target === undefined ? undefined : eventTypes.get(target)) ?? []) {
      const { length: count } =
        target instanceof EventEmitter ? target.listeners(event) : getEventListeners(target, event);
      listeners += count;
      if (count > 1)
        holders.push({ target: target.constructor?.name ?? 'object', event: String(event), count });
    }
  }
  holders.sort((a, b) => b.count - a.count);
  return { listeners, holders: holders.slice(0, SHOWN_HOLDERS) };
}

function countResources() {
  const resources = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  return resources;
}

/** null where there is no /proc. */
function countFileDescriptors() {
  try {
    // One of them is for this look.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return null;
  }
}

process.on('message', ({ sample, collect }) => {
  // As large as it is without being tidied up for us.
  const rss = process.memoryUsage.rss();
  if (collect) collectGarbage();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  const fileDescriptors = countFileDescriptors();
  const figures = { rss, heapUsed, external, arrayBuffers, fileDescriptors };
  process.send({ sample, ...figures, resources: countResources(), ...countListeners() });
});
// The channel alone keeps no process alive.
process.channel.unref();
