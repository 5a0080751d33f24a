import { listening, MAX_FIRST_PORT, published } from '../../src/emulator/address.ts';

const SERVICES = ['kinesis-video', 'dynamodb', 'ssm', 'sagemaker-runtime', 'kinesis'] as const;

test('gives the services ports in a row, up to the last that there is', () => {
  const address = { host: 'emulator', port: MAX_FIRST_PORT };
  expect(SERVICES.map((service) => listening(service, address).port)).toEqual([
    65_531, 65_532, 65_533, 65_534, 65_535,
  ]);
});

test('listens on any free port, and to this machine only, unless told otherwise', () => {
  for (const service of SERVICES) {
    expect(listening(service, { host: '127.0.0.1', port: 0 })).toEqual({ host: '127.0.0.1', port: 0 });
    expect(listening(service, { host: 'emulator', port: 0 })).toEqual({ host: '0.0.0.0', port: 0 });
  }
});

test('calls a service by the name that others know', () => {
  expect(published('http://0.0.0.0:4560', { host: 'emulator', port: 4560 })).toBe('http://emulator:4560');
});
