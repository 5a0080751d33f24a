import { existsSync, readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

interface Stage {
  readonly name: string;
  readonly base: string;
  readonly instructions: { name: string; text: string }[];
}

/** The stages of the Dockerfile, without comments, one instruction each line. */
const stages: Stage[] = [];
for (const line of read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')) {
  const [, name = '', text = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
  const from = /^(?:--platform=\S+ )?(\S+) AS (\S+)$/.exec(text);
  if (name === 'FROM' && from !== null) {
    stages.push({ base: from[1] ?? '', name: from[2] ?? '', instructions: [] });
  } else if (name !== '') stages.at(-1)?.instructions.push({ name, text });
}

const stage = (name: string) => stages.find((each) => each.name === name);

/** All that a target is made with, from its base image on. */
function layers(name: string): Stage['instructions'] {
  const found = stage(name);
  return found === undefined ? [] : [...layers(found.base), ...found.instructions];
}

test('is the worker where no target is named', () => {
  expect(stages.at(-1)?.name).toBe('worker');
});

describe.each(['worker', 'local', 'model'])('%s', (target) => {
  const last = (instruction: string) => layers(target).findLast(({ name }) => name === instruction)?.text;

  test('is made of copies alone, so that it can be built for another architecture', () => {
    expect(layers(target).length).toBeGreaterThan(5);
    expect(layers(target).filter(({ name }) => name === 'RUN' || name === 'ADD')).toEqual([]);
  });

  test('runs as user 1000, has a health check, and starts a program without a shell', () => {
    expect(last('USER')).toBe('1000:1000');
    expect(last('HEALTHCHECK')).toMatch(/CMD \[".*"\]$/);
    expect(last('ENTRYPOINT')).toMatch(/^\[".*"\]$/);
  });

  test('brings the licences', () => {
    expect(layers(target)).toContainEqual({ name: 'COPY', text: 'LICENSE docker/NOTICE ./' });
  });
});

test('what is copied from the repository exists and reaches the build', () => {
  const ignored = read('.dockerignore').split('\n');
  expect(ignored).toContain('*');
  const sources = stages
    .flatMap(({ instructions }) => instructions)
    .filter(({ name, text }) => name === 'COPY' && !text.startsWith('--from'))
    .flatMap(({ text }) => text.split(' ').slice(0, -1))
    .filter((source) => source !== '.');
  expect(sources.length).toBeGreaterThan(4);
  for (const source of sources) {
    expect({ source, exists: existsSync(new URL(source, root)) }).toEqual({ source, exists: true });
    expect(ignored).toContain(`!${source.split('/')[0]}`);
  }
});
