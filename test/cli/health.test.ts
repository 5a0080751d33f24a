import { askHealth } from '../support/ask-health.ts';
import { type Answer, serve } from '../support/http-server.ts';

test.each<[string, number, string, Answer]>([
  ['a healthy worker', 0, 'healthy', { body: '{"status":"healthy"}' }],
  [
    'loops that are late',
    1,
    'kvs-inference: unhealthy: metrics: late by 61 s, taking leases: late by 1 s',
    {
      status: 503,
      body: JSON.stringify({
        status: 'unhealthy',
        late: [
          { loop: 'metrics', lateMillis: 61_400 },
          { loop: 'taking leases', lateMillis: 900 },
        ],
      }),
    },
  ],
  ['no worker', 1, 'is no worker', { body: '<html></html>' }],
  ['an answer without end', 1, 'is no worker', { trouble: 'endless' }],
  ['no answer', 1, 'cannot be asked', { trouble: 'reset' }],
  ['an answer that ends early', 1, 'cannot be asked', { trouble: 'cut', body: '{' }],
])('%s: exit %i, in one line', async (_name, code, text, answer) => {
  const server = await serve(() => answer);
  const { output, ...result } = await askHealth({ HEALTH_PORT: new URL(server.url).port });
  await server.close();
  expect(result).toEqual({ code });
  expect(output).toContain(text);
  expect(output.split('\n')).toEqual([expect.any(String), '']);
});

test.each([
  ['', 'HEALTH_PORT is not set'],
  ['0', 'HEALTH_PORT is "0", expected a port from 1 to 65535'],
  ['65536', 'HEALTH_PORT is "65536", expected a port from 1 to 65535'],
])('HEALTH_PORT "%s" is wrong use: exit 2, and why', async (HEALTH_PORT, message) => {
  const { code, output } = await askHealth({ HEALTH_PORT });
  expect(output).toContain(message);
  expect(code).toBe(2);
});
