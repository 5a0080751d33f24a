import { fileURLToPath } from 'node:url';

/** Path of one of the program's other entries; the bundler puts them all into one folder. */
export function scriptPath(name: 'main' | 'kinesis' | 'model-server'): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
}
