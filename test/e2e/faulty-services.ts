import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { MetricName } from '../../src/core/metric-names.ts';
import type { Fault } from '../chaos/actions.ts';
import { startHttpProxy } from '../chaos/proxy.ts';
import { type Answer, awsError, serve } from '../support/http-server.ts';
import { DETECTION } from '../support/local-services.ts';
import { Random } from '../support/random.ts';

/** A service that one application has for itself, to go wrong. */
export interface FaultyService {
  readonly url: string;
  /** From now on, and until `heal`, every request suffers the fault. */
  strike(): void | Promise<void>;
  heal(): void | Promise<void>;
  close(): Promise<void>;
}

/** A part of a line's message, and fields of it. */
export type Line = readonly [message: string, fields: Readonly<Record<string, unknown>>];

export interface FaultCase {
  /** The variable that leads a worker to the service. */
  readonly variable: string;
  /** @param target URL of the service that works */
  readonly start: (target: string) => Promise<FaultyService>;
  readonly config?: Readonly<Record<string, unknown>>;
  /** How long it lasts at least; as long as the others' by default. */
  readonly faultMillis?: number;
  /** Those that it reads; 1 by default. */
  readonly streams?: number;
  /** Keys that the parameter is given while the fault lasts. */
  readonly change?: Readonly<Record<string, unknown>>;
  /** What the worker writes while the fault lasts, and when it is over. */
  readonly says: readonly Line[];
  readonly saysLater?: readonly Line[];
  /** What it counts. */
  readonly metrics: readonly MetricName[];
}

/** Of the endpoint that throttles: more than the cameras send. */
const CAPACITY = 2;
const CALL_MILLIS = 300;
/** Faults last longer than these. */
const TIMEOUT_MILLIS = 3000;
const FAILOVER_MILLIS = 4000;

export const FAULT_CASES: Readonly<Record<string, FaultCase>> = {
  'sagemaker-throttled': {
    variable: 'AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME',
    start: startThrottlingEndpoint,
    streams: 3,
    says: [retried('ThrottlingException')],
    metrics: ['Throttles', 'InvocationRetries'],
  },
  'sagemaker-5xx': endpointCase(
    ['InternalFailure', 'ServiceUnavailable', 'ModelError'],
    awsError('InternalFailure', 500),
    awsError('ServiceUnavailable', 503),
    awsError('ModelError', 424, { OriginalStatusCode: 500 }),
  ),
  'sagemaker-hang': endpointCase(['TIMEOUT'], { trouble: 'hang' }),
  'sagemaker-reset': endpointCase(['ECONNRESET'], { trouble: 'reset' }),
  'sagemaker-trickle': endpointCase(['TIMEOUT'], { trouble: 'trickle' }),
  'sagemaker-garbage': endpointCase(
    ['HPE_INVALID_CONSTANT', 'HTTP_502', 'ECONNRESET'],
    { trouble: 'garbage' },
    { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>Bad gateway' },
    { ...DETECTION, trouble: 'cut' },
  ),
  'sagemaker-gone': {
    ...endpointCase(['ECONNREFUSED']),
    start: startVanishingEndpoint,
    faultMillis: 30_000,
  },
  'kinesis-partial': kinesisCase('partial', 'ProvisionedThroughputExceededException'),
  'kinesis-throttled': kinesisCase('throttled', 'ProvisionedThroughputExceededException'),
  'kinesis-hang': kinesisCase('hang', 'TIMEOUT'),
  'dynamodb-throttled': tableCase('throttled', 'ProvisionedThroughputExceededException'),
  'dynamodb-500': tableCase('failed', 'InternalServerError'),
  'dynamodb-hang': tableCase('hang', 'TIMEOUT'),
  'ssm-500': {
    variable: 'AWS_ENDPOINT_URL_SSM',
    start: (target) => startFaultyProxy(target, 'failed'),
    config: { configRefreshIntervalInMilli: 1000 },
    change: { sageMakerTaskThreadPoolSize: 10 },
    says: [
      [
        'configuration cannot be read again, the last good one stays: ssm:ssm-500 cannot be read',
        { error: 'PARAMETER_UNREADABLE' },
      ],
    ],
    saysLater: [['configuration changed: sageMakerTaskThreadPoolSize: 20 → 10', {}]],
    metrics: ['ConfigErrors'],
  },
};

/** An endpoint that is down: it answers with these, one after the other. */
function endpointCase(errors: readonly string[], ...answers: readonly Answer[]): FaultCase {
  return {
    variable: 'AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME',
    start: () => startFaultyEndpoint(answers),
    config: { sageMakerTaskTimeoutInMilli: TIMEOUT_MILLIS },
    says: [...errors.map(retried), ['endpoint is down since', { waiting: expect.any(Number) }]],
    saysLater: [['endpoint is back after', { downMillis: expect.any(Number) }]],
    metrics: ['EndpointPauses', 'EndpointPausedTime', 'InvocationRetries'],
  };
}

function kinesisCase(fault: Fault, error: string): FaultCase {
  return {
    variable: 'AWS_ENDPOINT_URL_KINESIS',
    start: (target) => startFaultyProxy(target, fault),
    says: [['results not published yet, trying again', { errors: { [error]: expect.any(Number) } }]],
    metrics: ['PublishRetries'],
  };
}

/** Every lease is given up meanwhile, as nobody knows whose they are. */
function tableCase(fault: Fault, error: string): FaultCase {
  return {
    variable: 'AWS_ENDPOINT_URL_DYNAMODB',
    start: (target) => startFaultyProxy(target, fault),
    config: { failoverTimeInMilli: FAILOVER_MILLIS },
    says: [
      ['trying again', { error }],
      ['no sign of life has landed for the fail-over time', {}],
    ],
    metrics: ['LeaseTableErrors'],
  };
}

function retried(error: string): Line {
  return ['invocation failed, trying again', { error }];
}

async function startFaultyEndpoint(answers: readonly Answer[]): Promise<FaultyService> {
  let isStruck = false;
  let calls = 0;
  const { url, close } = await serve(() => {
    if (!isStruck) return DETECTION;
    calls += 1;
    return answers[calls % answers.length] ?? DETECTION;
  });
  const set = (value: boolean) => () => {
    isStruck = value;
  };
  return { url, strike: set(true), heal: set(false), close };
}

/** Callers are refused, as nobody listens. */
async function startVanishingEndpoint(): Promise<FaultyService> {
  const { url, close, reopen } = await serve(() => DETECTION);
  return { url, strike: close, heal: reopen, close };
}

/** Takes a few calls at once, and refuses the others. */
async function startThrottlingEndpoint(): Promise<FaultyService> {
  let capacity = Number.POSITIVE_INFINITY;
  let taken = 0;
  const { url, close } = await serve(async () => {
    if (taken >= capacity) return awsError('ThrottlingException');
    taken += 1;
    await delay(CALL_MILLIS);
    taken -= 1;
    return DETECTION;
  });
  const set = (value: number) => () => {
    capacity = value;
  };
  return { url, strike: set(CAPACITY), heal: set(Number.POSITIVE_INFINITY), close };
}

async function startFaultyProxy(target: string, fault: Fault): Promise<FaultyService> {
  const { url, harm, heal, close } = await startHttpProxy({ target, random: new Random(1) });
  return { url, strike: () => harm(fault, 1), heal, close };
}
