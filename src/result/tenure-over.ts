import { KvsInferenceError } from '../core/errors.ts';

export function tenureOver(): KvsInferenceError {
  return new KvsInferenceError('TENURE_OVER', 'the lease of the stream is not held any more');
}
