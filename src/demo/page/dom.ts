/** The one element that the selector finds below `parent`. Throws when it is missing or of another kind. */
export function find<T extends Element>(parent: ParentNode, selector: string, kind: new () => T): T {
  const found = parent.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`The page has no ${kind.name} ${selector}.`);
}

/** A fresh copy of a template's one element. */
export function fromTemplate<T extends Element>(id: string, kind: new () => T): T {
  const { content } = find(document, `template#${id}`, HTMLTemplateElement);
  return find(document.importNode(content, true), '*', kind);
}

/** An element with text in it; never markup. */
export function textElement(tag: string, className: string, text: string): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

/** Leaves the node alone when it already says so: a selection in it stays, and nothing is announced anew. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
