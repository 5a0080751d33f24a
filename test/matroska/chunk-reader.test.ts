import { ChunkReader } from '../../src/matroska/chunk-reader.ts';

/** A content of `size` bytes, cut in two. */
function gathered(reader: ChunkReader, size: number): Buffer {
  reader.push(Buffer.alloc(size - 1, 1));
  expect(reader.takeContent(size, 0)).toBeNull();
  reader.push(Buffer.alloc(1, 2));
  const content = reader.takeContent(size, 0);
  expect(content).toEqual(Buffer.concat([Buffer.alloc(size - 1, 1), Buffer.alloc(1, 2)]));
  return content as Buffer;
}

test('what one chunk holds is a view, and its first bytes can be left out', () => {
  const reader = new ChunkReader();
  const chunk = Buffer.from('abcdef');
  reader.push(chunk);
  expect(reader.hasHead(5, 2)).toBe(true);
  expect(reader.head.toString('latin1', reader.headStart, reader.headStart + 2)).toBe('ab');
  const content = reader.takeContent(5, 2) as Buffer;
  chunk.fill('x');
  expect(content.toString()).toBe('xxx');
  expect(reader.offset).toBe(5);
});

test('a head that a chunk cuts is looked at first, and is part of the content', () => {
  const reader = new ChunkReader();
  reader.push(Buffer.from('a'));
  expect(reader.hasHead(4, 2)).toBe(false);
  reader.push(Buffer.from('bcde'));
  expect(reader.hasHead(4, 2)).toBe(true);
  expect(reader.head.toString('latin1', reader.headStart, reader.headStart + 2)).toBe('ab');
  expect(reader.takeContent(4, 1)?.toString()).toBe('bcd');
  expect(reader.skip(9)).toBe(1);
  expect(reader.offset).toBe(5);
});

test('a head that is not wanted leaves the rest to skip', () => {
  const reader = new ChunkReader();
  reader.push(Buffer.from('a'));
  expect(reader.hasHead(4, 2)).toBe(false);
  reader.push(Buffer.from('bcde'));
  expect(reader.hasHead(4, 2)).toBe(true);
  expect(reader.dropHead(4)).toBe(2);
  expect(reader.skip(2)).toBe(2);
  expect(reader.takeContent(1, 0)?.toString()).toBe('e');
});

test('contents are gathered in the same memory until less than half of it was needed', () => {
  const reader = new ChunkReader();
  const memory = gathered(reader, 1000).buffer;
  reader.trim();
  expect(gathered(reader, 500).buffer).toBe(memory);
  reader.trim();
  expect(gathered(reader, 499).buffer).toBe(memory);
  expect(gathered(reader, 10).buffer).toBe(memory);
  reader.trim();
  expect(gathered(reader, 10).buffer.byteLength).toBe(10);
  expect(gathered(reader, 11).buffer.byteLength).toBe(11);
});
