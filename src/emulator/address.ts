import type { Listening } from './dynamo-db.ts';

const LOOPBACK = '127.0.0.1';

/** Where the emulator's services are to be reached. */
export interface Address {
  /** A name or an IPv4 address of this machine, as those call it that use the services. */
  readonly host: string;
  /** The first of five ports in a row; 0: any that are free. */
  readonly port: number;
}

/** From this machine only. */
export const LOCAL_ADDRESS: Address = { host: LOOPBACK, port: 0 };

/** In the order of their ports. */
const SERVICES = ['kinesis-video', 'dynamodb', 'ssm', 'sagemaker-runtime', 'kinesis'] as const;

export type ServiceName = (typeof SERVICES)[number];

/** The highest that the first port may be. */
export const MAX_FIRST_PORT = 65_536 - SERVICES.length;

/** Where a service listens. */
export function listening(service: ServiceName, { host, port }: Address): Listening {
  return { host: interfaceOf(host), port: port === 0 ? 0 : port + SERVICES.indexOf(service) };
}

/** 127.0.0.1 where that is the host; else every interface, as the name may be that of any. */
export function interfaceOf(host: string): string {
  return host === LOOPBACK ? LOOPBACK : '0.0.0.0';
}

/** A service's URL as those have to call it that use it. */
export function published(url: string, { host }: Address): string {
  return `http://${host}:${new URL(url).port}`;
}
