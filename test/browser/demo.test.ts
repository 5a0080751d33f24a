import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Page } from 'puppeteer-core';
import { describeWithChromium, eventually, launchChromium, openPage } from './browser.ts';

const cli = fileURLToPath(new URL('../../scripts/cli.mjs', import.meta.url));

/** Each stream's boxes, as fractions of its picture. */
function boxesOf(page: Page) {
  return page.$$eval('.picture', (pictures) =>
    pictures.map((picture) => {
      const frame = picture.querySelector('img').getBoundingClientRect();
      return [...picture.querySelectorAll('.box')].map((box) => {
        const { left, top, right, bottom } = box.getBoundingClientRect();
        return {
          text: String(box.textContent),
          xmin: (left - frame.left) / frame.width,
          ymin: (top - frame.top) / frame.height,
          xmax: (right - frame.left) / frame.width,
          ymax: (bottom - frame.top) / frame.height,
        };
      });
    }),
  );
}

describeWithChromium('the running demo', () => {
  test('shows the person and the vehicle where they are, and the numbers go on', async () => {
    const demo = spawn(process.execPath, [cli, 'demo', '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const browser = await launchChromium();
    try {
      const url = await addressIn(demo.stdout);
      const { page, problems } = await openPage(browser, url, { width: 1280, height: 900 });
      await eventually(async () => {
        const [door = [], parking = []] = await boxesOf(page);
        const person = door.find(({ text }) => text.startsWith('person'));
        const car = parking.find(({ text }) => text.startsWith('car'));
        // The head is right of the middle and the shoulders end below the picture; the car fills the window's width.
        expect(
          person && person.xmin < 0.4 && person.xmax > 0.65 && person.ymin < 0.5 && person.ymax > 0.9,
        ).toBe(true);
        expect(car && car.xmax - car.xmin > 0.5 && car.ymin < 0.6 && car.ymax > 0.5).toBe(true);
      }, 30_000);
      const results = () => page.$$eval('tbody tr', (rows) => rows.length);
      const before = await results();
      await eventually(async () => expect(await results()).toBeGreaterThan(before), 15_000);
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
      demo.kill('SIGINT');
      await once(demo, 'close');
    }
  }, 90_000);
});

async function addressIn(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const address = /http:\/\/\S+/.exec(line);
    if (address !== null) {
      output.resume();
      return address[0];
    }
  }
  throw new Error('the demo ended without an address');
}
