import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/parse.ts';
import { listening, type ServiceName } from '../../src/emulator/address.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface Service {
  build: { context: string; target: string };
  command?: string[];
  environment?: Record<string, string>;
  read_only: boolean;
  cap_drop: string[];
}

const { services } = parse(read('docker/compose.yaml'), { merge: true }) as {
  services: Record<'emulator' | 'worker', Service>;
};
const option = (name: string) => services.emulator.command?.[services.emulator.command.indexOf(name) + 1];

test('the workers call the emulator by the name and at the ports that it has', () => {
  const address = { host: option('--host') ?? '', port: Number(option('--port')) };
  expect(services).toHaveProperty(address.host);
  const url = (service: ServiceName) => `http://${address.host}:${listening(service, address).port}`;
  expect(services.worker.environment).toMatchObject({
    AWS_ENDPOINT_URL_KINESIS_VIDEO: url('kinesis-video'),
    AWS_ENDPOINT_URL_DYNAMODB: url('dynamodb'),
    AWS_ENDPOINT_URL_SSM: url('ssm'),
    AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API: url('ssm'),
    AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME: url('sagemaker-runtime'),
    AWS_ENDPOINT_URL_KINESIS: url('kinesis'),
  });
});

test('both run without a writable file or a capability', () => {
  for (const { read_only: readOnly, cap_drop: dropped } of Object.values(services)) {
    expect({ readOnly, dropped }).toEqual({ readOnly: true, dropped: ['ALL'] });
  }
});

test("the emulator's configuration is valid", () => {
  expect(parseConfig(read('docker/emulator.json')).problems).toEqual([]);
});
