import { readFileSync } from 'node:fs';
import { MAIN_TEMPLATE, templatePath } from './template.ts';

/** What `npm run template` puts into the template. */
interface Script {
  generatedParts(): Promise<object>;
  withGeneratedParts(text: string, parts: object): string;
}

test('the generated parts of the template are up to date (npm run template)', async () => {
  const { href } = new URL('../../scripts/template.mjs', import.meta.url);
  const { generatedParts, withGeneratedParts } = (await import(href)) as Script;
  const text = readFileSync(templatePath(MAIN_TEMPLATE), 'utf8');
  expect(withGeneratedParts(text, await generatedParts()) === text).toBe(true);
});
