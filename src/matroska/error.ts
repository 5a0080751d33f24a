import { KvsInferenceError } from '../core/errors.ts';

export type MatroskaErrorCode =
  | 'NOT_MATROSKA'
  | 'INVALID_ELEMENT_ID'
  | 'INVALID_ELEMENT_SIZE'
  | 'ELEMENT_TOO_LARGE'
  | 'ELEMENT_EXCEEDS_PARENT'
  | 'UNEXPECTED_ELEMENT'
  | 'NESTING_TOO_DEEP'
  | 'INVALID_VALUE'
  | 'INVALID_BLOCK';

/** Corrupt input: what is wrong, in which element, at which byte of the stream (from 0). */
export class MatroskaError extends KvsInferenceError {
  override readonly name = 'MatroskaError';
  declare readonly code: MatroskaErrorCode;
  readonly offset: number;
  readonly element: string;

  constructor(code: MatroskaErrorCode, element: string, offset: number, problem: string) {
    super(code, `${element} at byte ${offset}: ${problem}`, { details: { element, offset } });
    this.element = element;
    this.offset = offset;
  }
}
