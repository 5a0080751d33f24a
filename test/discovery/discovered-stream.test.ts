import { parseStreamArn, unite } from '../../src/discovery/discovered-stream.ts';

const HERE = 'arn:aws:kinesisvideo:us-east-1:000000000000';
const door = (creation: number, at = HERE) => ({
  streamName: 'door',
  streamArn: `${at}:stream/door/${creation}`,
});
const gate = { streamName: 'gate', streamArn: `${HERE}:stream/gate/1` };
const unseenDoor = { streamName: 'door', streamArn: null };

test.each([
  ['arn:aws:kinesisvideo:us-east-1:000000000000:stream/a_b.c-1/1700000000000', 'a_b.c-1', 1700000000000],
  ['arn:aws-cn:kinesisvideo:cn-north-1:000000000000:stream/door/1', 'door', 1],
])('reads %s', (arn, streamName, creationMillis) => {
  expect(parseStreamArn(arn)).toEqual({ place: arn.replace(/\/\d+$/, ''), streamName, creationMillis });
});

test.each([
  'arn:aws:kinesisvideo:us-east-1:000000000000:channel/bell/1',
  'arn:aws:kinesis:us-east-1:000000000000:stream/results',
  'arn:aws:kinesisvideo:us-east-1:000000000000:stream/door',
  'door',
  '',
])('sees no stream in "%s"', (arn) => {
  expect(parseStreamArn(arn)).toBeNull();
});

test.each([
  ['none', [], []],
  ['each once, in the order of the names', [gate, door(1), gate], [door(1), gate]],
  ['the ARN where only one has it', [unseenDoor, door(1), unseenDoor], [door(1)]],
  ['a name without any ARN', [unseenDoor, unseenDoor], [unseenDoor]],
  ['the last created, if it is last', [door(9), door(10)], [door(10)]],
  ['the last created, if it is first', [door(10), door(9)], [door(10)]],
])('unites to %s', (_name, found, streams) => {
  expect(unite(found)).toEqual({ streams, clashes: [] });
});

test.each([
  ['region', 'arn:aws:kinesisvideo:eu-west-1:000000000000'],
  ['account', 'arn:aws:kinesisvideo:us-east-1:111111111111'],
])('refuses the stream of another %s that has a name already', (_name, there) => {
  expect(unite([door(1), door(2, there), gate, door(3)])).toEqual({
    streams: [door(3), gate],
    clashes: [{ streamName: 'door', keptArn: door(1).streamArn, refusedArn: door(2, there).streamArn }],
  });
});
