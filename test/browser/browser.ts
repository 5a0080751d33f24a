import { existsSync } from 'node:fs';
import { type Browser, launch, type Page } from 'puppeteer-core';

const USUAL_PATHS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** The Chromium to test with: `CHROMIUM_PATH`, else one in a usual place, else null. */
const chromiumPath = (process.env['CHROMIUM_PATH'] || USUAL_PATHS.find(existsSync)) ?? null;

/** `describe` where there is a Chromium; elsewhere the tests are skipped, which is said. */
export function describeWithChromium(name: string, tests: () => void): void {
  if (chromiumPath !== null) {
    describe(name, tests);
    return;
  }
  process.stderr.write(`SKIPPED: ${name}. There is no Chromium: set CHROMIUM_PATH to one.\n`);
  describe.skip(name, tests);
}

/** A headless Chromium. Close it. */
export function launchChromium(): Promise<Browser> {
  if (chromiumPath === null) throw new Error('There is no Chromium: set CHROMIUM_PATH to one.');
  // Without its sandbox it also starts in a container; it opens nothing but our own pages.
  return launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
}

/** An open page, and whatever the browser has complained about: script errors, refused content, failed requests. */
export interface OpenPage {
  readonly page: Page;
  readonly problems: string[];
}

export async function openPage(
  browser: Browser,
  url: string,
  { width, height }: { width: number; height: number },
): Promise<OpenPage> {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) problems.push(`${message.type()}: ${message.text()}`);
  });
  await page.setViewport({ width, height });
  await page.goto(url);
  return { page, problems };
}

/** Tries until the expectation is met; after the limit, fails as the last try did. */
export async function eventually(expectation: () => Promise<void>, limitMillis = 10_000): Promise<void> {
  const limit = Date.now() + limitMillis;
  for (;;) {
    try {
      return await expectation();
    } catch (error) {
      if (Date.now() > limit) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** The text of each element that the selector finds. */
export function textsOf(page: Page, selector: string): Promise<(string | null)[]> {
  return page.$$eval(selector, (elements) => elements.map((element) => element.textContent));
}
