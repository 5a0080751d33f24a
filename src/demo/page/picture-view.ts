import type { PictureState } from '../state.ts';
import { byConfidence, colorClass, describeDetections, detectionText, visibleBox } from './detections.ts';
import { textElement } from './dom.ts';

/** A stream's newest picture, with a box around everything the model has seen in it. */
export class PictureView {
  readonly #frame: HTMLElement;
  readonly #streamName: string;
  #requestedId: string | null = null;
  #loading = false;

  constructor(frame: HTMLElement, streamName: string) {
    this.#frame = frame;
    this.#streamName = streamName;
  }

  /** While one picture loads, others are passed over: the next state brings the newest again. */
  async show({ id, detections }: PictureState): Promise<void> {
    if (this.#loading || id === this.#requestedId) return;
    this.#requestedId = id;
    this.#loading = true;
    const image = new Image();
    image.src = `/picture?id=${encodeURIComponent(id)}`;
    image.alt = `Newest sampled picture of ${this.#streamName}: ${describeDetections(byConfidence(detections))}`;
    const isLoaded = await image.decode().then(
      () => true,
      () => false,
    );
    this.#loading = false;
    // A picture that the demo no longer keeps is not shown: the one before stays until the next.
    if (isLoaded) this.#frame.replaceChildren(pictureWithBoxes(image, detections));
  }
}

function pictureWithBoxes(image: HTMLImageElement, detections: PictureState['detections']): HTMLElement {
  const picture = document.createElement('div');
  picture.className = 'picture';
  picture.style.setProperty('--aspect', String(image.naturalWidth / image.naturalHeight));
  picture.append(image, boxes(detections));
  return picture;
}

/** In fractions of the picture, so they keep their place at every size. */
function boxes(detections: PictureState['detections']): HTMLElement {
  const overlay = document.createElement('div');
  overlay.className = 'boxes';
  overlay.ariaHidden = 'true';
  for (const detection of detections) {
    const box = visibleBox(detection.box);
    if (box === null) continue;
    const element = document.createElement('div');
    element.className = `box ${colorClass(detection.label)}`;
    element.classList.toggle('label-inside', box.ymin < 0.1);
    element.classList.toggle('label-right', box.xmin > 0.6);
    element.style.left = percent(box.xmin);
    element.style.top = percent(box.ymin);
    element.style.width = percent(box.xmax - box.xmin);
    element.style.height = percent(box.ymax - box.ymin);
    element.append(textElement('span', 'label', detectionText(detection)));
    overlay.append(element);
  }
  return overlay;
}

function percent(fraction: number): string {
  return `${fraction * 100}%`;
}
