import { adaptiveConcurrency } from './adaptive-concurrency/adaptive-concurrency.ts';
import { decode } from './decode/decode.ts';
import type { BenchCase } from './harness/bench-case.ts';
import { leases } from './leases/leases.ts';
import { latency } from './live/latency.ts';
import { pipeline } from './live/pipeline.ts';
import { parse } from './parse/parse.ts';
import { publish } from './publish/publish.ts';
import { start } from './start/start.ts';
import { throughput } from './throughput/throughput.ts';

/** In the order of a frame's way. */
export const CASES: readonly BenchCase[] = [
  parse,
  decode,
  pipeline,
  latency,
  throughput,
  adaptiveConcurrency,
  publish,
  start,
  leases,
];
