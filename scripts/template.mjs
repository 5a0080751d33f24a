// Puts the generated parts into cloudformation/kvs-inference.yaml: the parser's code and the dashboard.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildLambda } from './build-lambda.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const template = `${root}cloudformation/kvs-inference.yaml`;

/** The parser's code as one string, and the dashboard as `src/deploy/dashboard/fragments.ts` gives it. */
export async function generatedParts() {
  const [parserCode, dashboard] = await Promise.all([parser(), board()]);
  return { parserCode, dashboard };
}

/** The template with these parts as the values of `ZipFile` and `DashboardBody`, whatever they were before. */
export function withGeneratedParts(text, { parserCode, dashboard }) {
  const variables = Object.entries(dashboard.variables);
  return withValue(withValue(text, 'ZipFile', ['|-', ...parserCode.split('\n')]), 'DashboardBody', [
    '!Sub',
    '- |-',
    `  ${dashboard.body}`,
    ...variables.map(([name, value], index) => `${index === 0 ? '- ' : '  '}${name}: ${scalar(value)}`),
  ]);
}

/** The lines after the first one stand two columns right of the key. */
function withValue(text, key, [first, ...more]) {
  const lines = text.split('\n');
  const found = lines.flatMap((line, index) => {
    const before = new RegExp(`^( *(?:- )?)${key}:( |$)`).exec(line)?.[1];
    return before === undefined ? [] : [{ index, before }];
  });
  if (found.length !== 1) throw new Error(`the template has ${found.length} times the key ${key}, not once`);
  const [{ index, before }] = found;
  let end = index + 1;
  while (end < lines.length && lines[end].search(/\S/) > before.length) end += 1;
  const indent = ' '.repeat(before.length + 2);
  const value = [`${before}${key}: ${first}`, ...more.map((line) => indent + line)];
  return [...lines.slice(0, index), ...value, ...lines.slice(end)].join('\n');
}

function scalar(text) {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('${') ? `!Sub ${quoted}` : quoted;
}

async function parser() {
  const directory = await mkdtemp(join(tmpdir(), 'kvs-inference-template-'));
  try {
    await buildLambda(directory);
    const code = await readFile(join(directory, 'lambda', 'index.js'), 'utf8');
    return code.trimEnd();
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function board() {
  const esbuild = await import('esbuild');
  const { outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ['src/deploy/dashboard/board.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  });
  const { dashboardBody, factored } = await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
  );
  return factored(dashboardBody());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = withGeneratedParts(await readFile(template, 'utf8'), await generatedParts());
  await writeFile(template, text);
  console.log(`${template}: ${Buffer.byteLength(text)} bytes`);
}
