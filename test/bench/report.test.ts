import { readFile } from 'node:fs/promises';
import { documents } from '../../bench/report/save.ts';

it('the tables and the plot are made of the saved results', async () => {
  const saved = documents(JSON.parse(await readFile('bench/results.json', 'utf8')));
  for (const [path, change] of Object.entries(saved)) {
    const text = await readFile(path, 'utf8');
    expect([path, change(text)]).toEqual([path, text]);
  }
});

it('a document without a place for a table is refused', () => {
  const saved = documents({});
  expect(() => saved['README.md']?.('# Cameras\n')).toThrow('no place for "bench"');
});
