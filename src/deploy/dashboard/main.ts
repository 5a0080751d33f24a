import { open, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { errorMessage } from '../../core/errors.ts';
import { DASHBOARD } from './board.ts';
import { boardHtml } from './picture.ts';
import { MetricStore } from './series.ts';

const USAGE = 'Usage: npm run dashboard -- WORKER.log… [--out dashboard.html|dashboard.png]';

try {
  await draw();
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n${USAGE}\n`);
  process.exitCode = 1;
}

/** The dashboard with the metrics of the logs; a PNG is drawn by the Chromium at `CHROMIUM_PATH`. */
async function draw(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { out: { type: 'string', default: 'dashboard.html' } },
  });
  const store = new MetricStore();
  for (const path of positionals) {
    const file = await open(path);
    for await (const line of file.readLines()) store.add(line);
  }
  if (store.firstMillis > store.lastMillis) {
    throw new Error(
      `There are no metrics in ${positionals.join(', ') || 'nothing'}: name the logs of workers.`,
    );
  }
  const html = boardHtml(DASHBOARD, store);
  if (values.out.endsWith('.png')) await screenshot(html, values.out as `${string}.png`);
  else await writeFile(values.out, html);
}

async function screenshot(html: string, path: `${string}.png`): Promise<void> {
  const { launch } = await import('puppeteer-core');
  const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
  // Without its sandbox it also starts in a container; it opens nothing but our own page.
  const browser = await launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    await page.setViewport({ width: 1720, height: 1000 });
    await page.setContent(html);
    await page.screenshot({ path, fullPage: true });
  } finally {
    await browser.close();
  }
}
