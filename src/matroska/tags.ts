import { serviceTagName, type TagValues } from './fragment.ts';

/** Collects the service's tags of one Tags element after the other. */
export class TagCollector {
  /** Those that are open: a SimpleTag may stand in another one. */
  readonly #open: Array<{ name: string; value: string }> = [];
  #values = new Map<string, string>();

  startTags(): void {
    this.#open.length = 0;
    this.#values = new Map();
  }

  startSimpleTag(): void {
    this.#open.push({ name: '', value: '' });
  }

  set name(name: string) {
    const tag = this.#open.at(-1);
    if (tag !== undefined) tag.name = name;
  }

  set value(value: string) {
    const tag = this.#open.at(-1);
    if (tag !== undefined) tag.value = value;
  }

  endSimpleTag(): void {
    const tag = this.#open.pop();
    const name = tag === undefined ? null : serviceTagName(tag.name);
    if (tag !== undefined && name !== null) this.#values.set(name, tag.value);
  }

  /** What the Tags element that is over had. */
  endTags(): TagValues {
    return this.#values;
  }
}
