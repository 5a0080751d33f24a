import { leastOf, type Sample, total } from './sample.ts';

const HELD: Sample = {
  rss: 200,
  heapUsed: 40,
  external: 10,
  arrayBuffers: 8,
  fileDescriptors: 50,
  resources: { Timeout: 3, TCPSocketWrap: 4 },
  listeners: 9,
  holders: [{ target: 'Socket', event: 'close', count: 3 }],
};

test('the least of each figure, whenever it was seen', () => {
  const other: Sample = {
    ...{ rss: 210, heapUsed: 30, external: 12, arrayBuffers: 7, fileDescriptors: 51 },
    resources: { Timeout: 2, TCPSocketWrap: 4 },
    listeners: 12,
    holders: [],
  };
  const least = leastOf([HELD, other]);
  expect(least).toEqual({ ...HELD, heapUsed: 30, arrayBuffers: 7, resources: other.resources });
  expect(total(least.resources)).toBe(6);
});

test('without /proc there is no number of file descriptors', () => {
  expect(leastOf([HELD, { ...HELD, fileDescriptors: null }]).fileDescriptors).toBeNull();
});
