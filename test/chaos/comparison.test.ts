import { compareIds } from './comparison.ts';

test('the same ids in another order, some repeated: nothing missing, nothing extra', () => {
  expect(compareIds(['a/1', 'a/2', 'b/1'], ['b/1', 'a/2', 'a/1', 'a/2', 'b/1', 'a/2'])).toEqual({
    missing: [],
    extra: [],
    due: 3,
    published: 6,
    repeated: 2,
    worst: { id: 'a/2', times: 3 },
  });
});

test('what is missing and what is extra is named', () => {
  const comparison = compareIds(['a/3', 'a/1', 'a/2'], ['a/2', 'c/1', 'b/1', 'c/1']);
  expect(comparison).toMatchObject({ missing: ['a/1', 'a/3'], extra: ['b/1', 'c/1'], due: 3, published: 4 });
});

test('a reference that has published an id twice makes nothing due twice', () => {
  expect(compareIds(['a', 'a'], ['a'])).toMatchObject({ due: 1, missing: [], repeated: 0, worst: null });
});
