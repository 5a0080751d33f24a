import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import type { Picture } from './picture.ts';
import { type Prediction, place, toPredictions } from './predictions.ts';

/** Edge of the model's square input, pixels. */
export const INPUT_SIZE = 512;
/** Name of the output that `toPredictions` reads. */
const DETECTIONS = 'tower_0/detections';

export interface Detector {
  /**
   * Finds the 80 kinds of objects of the COCO data set, numbered as SageMaker's built-in object detection
   * algorithm does (0 is a person, 79 a toothbrush).
   *
   * @param picture at most INPUT_SIZE pixels wide and high
   */
  detect(picture: Picture): Promise<Prediction[]>;
  dispose(): void;
}

/**
 * Loads CenterNet (MobileNetV3, COCO) from the package `@vladmandic/human` and runs it once, as the first run
 * takes three times as long as the others. Inference blocks the thread for 0.1 to 0.2 seconds.
 */
export async function loadDetector(): Promise<Detector> {
  const { resolve } = createRequire(import.meta.url);
  setWasmPaths(dirname(resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm')) + sep);
  setThreadsCount(1);
  if (!(await tf.setBackend('wasm'))) throw new Error('TensorFlow.js cannot start its WebAssembly backend');
  const model = await loadModel(
    join(dirname(resolve('@vladmandic/human')), '..', 'models', 'centernet.json'),
  );

  const detector: Detector = {
    async detect(picture) {
      const placement = place(picture, INPUT_SIZE);
      const output = tf.tidy(() => {
        const pixels = tf.tensor3d(picture.data, [picture.height, picture.width, 3], 'float32');
        // The picture keeps its aspect ratio between black bars: squashed, wide pictures are recognised worse.
        const square = tf.pad3d(pixels, [
          [placement.y, INPUT_SIZE - placement.y - picture.height],
          [placement.x, INPUT_SIZE - placement.x - picture.width],
          [0, 0],
        ]);
        return model.execute(tf.expandDims(square), DETECTIONS) as tf.Tensor;
      });
      try {
        return toPredictions(await output.data<'float32'>(), placement);
      } finally {
        output.dispose();
      }
    },
    dispose: () => model.dispose(),
  };
  await detector.detect({ width: 1, height: 1, data: new Uint8Array(3) });
  return detector;
}

async function loadModel(path: string): Promise<tf.GraphModel> {
  const json = JSON.parse(await readFile(path, 'utf8')) as tf.io.ModelJSON;
  const artifacts = await tf.io.getModelArtifactsForJSON(json, async (manifest) => {
    const files = await Promise.all(
      manifest.flatMap(({ paths }) => paths).map((name) => readFile(join(dirname(path), name))),
    );
    return [tf.io.getWeightSpecs(manifest), new Uint8Array(Buffer.concat(files)).buffer];
  });
  return tf.loadGraphModel(tf.io.fromMemory(artifacts));
}
