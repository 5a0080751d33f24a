import { type Denial, denialOf } from '../../src/worker/access-denied.ts';
import { DenialLog } from '../../src/worker/denial-log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

function start() {
  const clock = new ManualClock();
  const { log, lines } = recorded(clock);
  const denials = new DenialLog({ clock, log });
  /** A call that is refused, for a video stream of this name. */
  const refuse = (StreamName: string, operation = 'GetMedia', role = 'worker') => {
    const input = { StreamName };
    const message = `User: arn:aws:sts::123456789012:assumed-role/${role}/7f is not authorized`;
    const error = Object.assign(new Error(message), { name: 'NotAuthorizedException' });
    denials.report(
      denialOf(error, { service: 'kinesisvideo', operation, input, region: 'us-east-1' }) as Denial,
    );
  };
  const said = () => lines.splice(0).map(({ level, msg }) => `${level}: ${msg}`);
  return { clock, lines, refuse, said };
}

const arnOf = (name: string) => `arn:aws:kinesisvideo:us-east-1:*:stream/${name}/*`;
const REMEDY = 'add the statement to the policy of the task role worker';

test('an action is said once a minute, with its first stream and how many others, and nothing in it is secret', () => {
  const { clock, lines, refuse, said } = start();
  for (let stream = 0; stream < 1000; stream += 1) refuse(`front-${stream}`);
  expect(Object.keys(lines[0] ?? {}).sort()).toEqual([
    'error',
    'level',
    'msg',
    'others',
    'role',
    'statement',
    'time',
  ]);
  expect(said()).toEqual([`error: kinesisvideo:GetMedia is not allowed on ${arnOf('front-0')}: ${REMEDY}`]);
  clock.advance(59_999);
  refuse('front-1');
  expect(said()).toEqual([]);
  clock.advance(1);
  refuse('front-0');
  expect(lines).toMatchObject([{ statement: { Resource: arnOf('front-1') }, others: 999 }]);
  expect(said()).toEqual([
    `error: kinesisvideo:GetMedia is not allowed on ${arnOf('front-1')}, nor on 999 others: ${REMEDY}`,
  ]);
  clock.advance(60_000);
  refuse('front-7');
  refuse('front-8');
  expect(said()).toEqual([`error: kinesisvideo:GetMedia is not allowed on ${arnOf('front-7')}: ${REMEDY}`]);
});

test('each action and each role has lines of its own', () => {
  const { refuse, said } = start();
  refuse('front');
  refuse('front', 'GetDataEndpoint');
  refuse('front', 'GetMedia', 'other');
  expect(said()).toHaveLength(3);
});

test('what can be done without is a warning, once for each stream, and says what is done instead', () => {
  const { clock, lines, refuse, said } = start();
  for (const stream of ['a', 'b', 'c']) refuse(stream, 'DescribeStream');
  expect(said()).toEqual([
    `warn: kinesisvideo:DescribeStream is not allowed on ${arnOf('a')}: ${REMEDY}; until then streams are read as configured, whether they exist or not`,
  ]);
  clock.advance(60_000);
  for (const stream of ['a', 'b', 'c']) refuse(stream, 'DescribeStream');
  expect(lines).toMatchObject([{ statement: { Resource: arnOf('b') }, others: 1 }]);
  expect(said()).toHaveLength(1);
  clock.advance(600_000);
  for (const stream of ['a', 'b', 'c']) refuse(stream, 'DescribeStream');
  expect(said()).toEqual([]);
  refuse('d', 'DescribeStream');
  expect(said()).toHaveLength(1);
});
