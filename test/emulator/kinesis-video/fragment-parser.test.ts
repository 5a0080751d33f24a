import fc from 'fast-check';
import { type FragmentEvent, FragmentParser } from '../../../src/emulator/kinesis-video/fragment-parser.ts';
import { tagsElement } from '../../../src/emulator/matroska-writer.ts';
import { block, cluster, END_OF_FRAGMENT, streamHeader } from './producer.ts';

test('how a body is cut into chunks changes nothing', () => {
  const first = cluster(1000, block(), block({ timecode: 40 }));
  const second = Buffer.concat([cluster(2000), tagsElement({ motion: 'yes' }, 8)]);
  const third = cluster(3000);
  const body = Buffer.concat([streamHeader(), first, second, END_OF_FRAGMENT, third]);
  const whole = parse([body]);

  expect(whole.filter((event) => event.type === 'end').map(({ content }) => content)).toEqual([
    first,
    second,
    third,
  ]);
  fc.assert(
    fc.property(fc.array(fc.nat(body.length)), (cuts) => {
      const offsets = [0, ...cuts.sort((a, b) => a - b), body.length];
      const chunks = offsets.slice(1).map((end, index) => body.subarray(offsets[index], end));
      expect(parse(chunks)).toEqual(whole);
    }),
  );
});

function parse(chunks: readonly Buffer[]): FragmentEvent[] {
  const parser = new FragmentParser();
  return [...chunks.flatMap((chunk) => [...parser.read(chunk)]), ...parser.end()];
}
