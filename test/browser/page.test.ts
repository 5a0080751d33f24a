import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import { systemClock } from '../../src/core/clock.ts';
import type { StoredPicture } from '../../src/demo/page-server.ts';
import { type PageServer, startPageServer } from '../../src/demo/page-server.ts';
import type { DemoState, ResultLine, ShownStream } from '../../src/demo/state.ts';
import { describeWithChromium, eventually, launchChromium, openPage, textsOf } from './browser.ts';

const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 400, height: 800 };

/** States come faster than from the demo, so that nobody waits. */
const fastClock = {
  ...systemClock,
  sleep: (_millis: number, signal?: AbortSignal) => systemClock.sleep(50, signal),
};

const person = { label: 'person', confidence: 0.834, box: { xmin: 0.25, ymin: 0.5, xmax: 0.75, ymax: 0.9 } };
const car = { label: 'car', confidence: 0.91, box: { xmin: 0.7, ymin: 0.05, xmax: 1.2, ymax: 0.4 } };

function picture(width: number, height: number): StoredPicture {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="teal"/></svg>`;
  return { body: Buffer.from(svg), contentType: 'image/svg+xml' };
}

const PICTURES = new Map([
  ['parking/1/0', picture(640, 360)],
  ['parking/2/0', picture(300, 600)],
]);

function streamState(changes: Partial<ShownStream>): ShownStream {
  return {
    streamName: 'parking',
    fragments: 0,
    iFrames: 0,
    sampled: 0,
    published: 0,
    parsed: 0,
    failed: 0,
    lagMillis: null,
    picture: null,
    ...changes,
  };
}

function result(id: string, changes: Partial<ResultLine> = {}): ResultLine {
  const serverTimestamp = '2026-01-02T03:04:05.000Z';
  return { id, streamName: 'parking', serverTimestamp, lagMillis: 420, detections: [person], ...changes };
}

let directory: string;
let browser: Browser;
let server: PageServer;
let state: DemoState;
let page: Page;
let problems: string[];

function start(port = 0): Promise<PageServer> {
  return startPageServer({
    port,
    pageDirectory: join(directory, 'page'),
    state: () => state,
    picture: (id) => PICTURES.get(id) ?? null,
    clock: fastClock,
  });
}

function change(changes: Partial<DemoState>): void {
  state = { ...state, ...changes };
}

const countOf = async (name: string) => (await textsOf(page, `[data-count=${name}]`))[0];
const connection = async () => (await textsOf(page, '#connection'))[0];

async function rectangles(selector: string) {
  const elements = await page.$$(selector);
  return Promise.all(elements.map((element) => element.boundingBox()));
}

describeWithChromium("the demo's page", () => {
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'kvs-inference-browser-'));
    const { buildPage } = await import(new URL('../../scripts/build-page.mjs', import.meta.url).href);
    await buildPage(directory);
    browser = await launchChromium();
  }, 60_000);

  afterAll(async () => {
    rmSync(directory, { recursive: true, force: true });
    await browser.close();
  });

  beforeEach(async () => {
    state = { uptimeMillis: 0, streams: [streamState({})], results: [] };
    server = await start();
    ({ page, problems } = await openPage(browser, server.url, WIDE));
    await eventually(async () => expect(await connection()).toBe('live'));
  });

  afterEach(async () => {
    await page.close();
    await server.close();
  });

  test('says what it waits for', async () => {
    expect(await textsOf(page, 'h3')).toEqual(['parking']);
    expect(await textsOf(page, '.picture-frame')).toEqual(['waiting for the first picture…']);
    expect(await countOf('fragments')).toBe('0');
    expect(problems).toEqual([]);
  });

  test('leaves out the counts that are not known, and comes back with them', async () => {
    const shown = async () => {
      const elements = await page.$$('.counts div, .plot');
      return (await Promise.all(elements.map((element) => element.isVisible()))).map(Number).join('');
    };
    const unknown = { fragments: null, iFrames: null, sampled: null, published: null, failed: null };
    change({ uptimeMillis: 1000, streams: [streamState({ ...unknown, parsed: 3 })] });
    await eventually(async () => expect(await shown()).toBe('000010100'));
    expect(await countOf('parsed')).toBe('3');
    change({ uptimeMillis: 2000, streams: [streamState({ parsed: 4 })] });
    await eventually(async () => expect(await shown()).toBe('111111111'));
    expect(problems).toEqual([]);
  });

  test.each([
    ['a wide picture on a wide screen', WIDE, 'parking/1/0', 640 / 360],
    ['a tall picture on a wide screen', WIDE, 'parking/2/0', 300 / 600],
    ['a wide picture on a narrow screen', NARROW, 'parking/1/0', 640 / 360],
    ['a tall picture on a narrow screen', NARROW, 'parking/2/0', 300 / 600],
  ])('draws the boxes where the model saw them: %s', async (_what, viewport, id, aspect) => {
    change({ streams: [streamState({ picture: { id, detections: [person, car] } })] });
    await page.waitForSelector('.picture img');
    await page.setViewport(viewport);
    const [image] = await rectangles('.picture img');
    const [frame] = await rectangles('.picture-frame');
    if (!image || !frame) throw new Error('There is no picture.');
    expect(image.width / image.height).toBeCloseTo(aspect, 1);
    expect(image.width <= frame.width && image.height <= frame.height + 0.5).toBe(true);

    const boxes = await rectangles('.box');
    const inPicture = boxes.map((box) =>
      box === null
        ? null
        : {
            xmin: (box.x - image.x) / image.width,
            ymin: (box.y - image.y) / image.height,
            xmax: (box.x + box.width - image.x) / image.width,
            ymax: (box.y + box.height - image.y) / image.height,
          },
    );
    const close = (value: number) => expect.closeTo(value, 2);
    expect(inPicture).toEqual([
      { xmin: close(0.25), ymin: close(0.5), xmax: close(0.75), ymax: close(0.9) },
      { xmin: close(0.7), ymin: close(0.05), xmax: close(1), ymax: close(0.4) },
    ]);
    expect(await textsOf(page, '.box')).toEqual(['person 0.83', 'car 0.91']);
    const alt = await page.$eval('.picture img', (element) => element.alt);
    expect(alt).toBe('Newest sampled picture of parking: car 0.91, person 0.83');
    const pageWidth = await page.evaluate('document.documentElement.scrollWidth');
    expect(pageWidth).toBe(viewport.width);
    expect(problems).toEqual([]);
  });

  test('shows the newest picture with its own boxes, and keeps it when another is gone', async () => {
    change({ streams: [streamState({ picture: { id: 'parking/1/0', detections: [person] } })] });
    await eventually(async () => expect(await textsOf(page, '.box')).toEqual(['person 0.83']));
    change({ streams: [streamState({ picture: { id: 'parking/2/0', detections: [car] } })] });
    await eventually(async () => expect(await textsOf(page, '.box')).toEqual(['car 0.91']));
    expect(problems).toEqual([]);
    change({ streams: [streamState({ picture: { id: 'gone/3/0', detections: [person] }, parsed: 3 })] });
    await eventually(async () => expect(problems).toEqual([expect.stringContaining('404')]));
    expect(await textsOf(page, '.box')).toEqual(['car 0.91']);
  });

  test('numbers and plots follow the state', async () => {
    for (let second = 1; second <= 30; second += 1) {
      const [fragments, published] = [second * 2, Math.floor(second / 2)];
      const changes = { fragments, iFrames: 31, sampled: 16, published, parsed: 14, lagMillis: 1234 };
      change({ uptimeMillis: second * 1000, streams: [streamState(changes)] });
      await eventually(async () => expect(await countOf('fragments')).toBe(String(fragments)));
    }
    expect(await textsOf(page, '.counts dd')).toEqual(['60', '31', '16', '15', '14', '0']);
    expect(await textsOf(page, '.plot .value')).toEqual(['1.2 s', '2.0', '0.5']);
    expect(await textsOf(page, '#uptime')).toEqual(['0:30']);
    const plots = await page.$$eval('.plot canvas', (canvases) =>
      canvases.map((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let linePixels = 0;
        for (let index = 0; index < data.length; index += 4) {
          // Clearly blue and nearly opaque: the line, neither its area nor the axis.
          if (data[index + 3] > 200 && data[index + 2] > data[index] + 80) linePixels += 1;
        }
        return { label: canvas.ariaLabel, isDrawn: linePixels > 20 };
      }),
    );
    expect(plots).toEqual([
      { label: 'lag over the last two minutes, now 1.2 s', isDrawn: true },
      { label: 'fragments/s over the last two minutes, now 2.0', isDrawn: true },
      { label: 'results/s over the last two minutes, now 0.5', isDrawn: true },
    ]);
    expect(problems).toEqual([]);
  });

  test('lists the newest results first, and forgets the oldest', async () => {
    const results = Array.from({ length: 6 }, (_, index) =>
      result(`parking/${index}/0`, { lagMillis: index * 100 }),
    );
    for (const shown of [results.slice(0, 1), results.slice(0, 4).reverse(), results.slice(2).reverse()]) {
      change({ results: shown });
      const lags = shown.map(({ lagMillis }) => `${lagMillis} ms`);
      await eventually(async () => expect(await textsOf(page, '#results .lag')).toEqual(lags));
    }
    expect((await textsOf(page, '#results time'))[0]).toMatch(/^\d\d:\d\d:05$/);
    expect(problems).toEqual([]);
  });

  test('takes names and labels as text', async () => {
    const markup = '<img src=x onerror="document.title=1"><b>bold</b>';
    const detections = [{ ...person, label: markup }];
    change({
      streams: [streamState({ streamName: markup, picture: { id: 'parking/1/0', detections } })],
      results: [result('parking/1/0', { streamName: markup, detections })],
    });
    await page.waitForSelector('.box');
    expect(await textsOf(page, 'h3')).toEqual([markup]);
    expect(await textsOf(page, '.box')).toEqual([`${markup} 0.83`]);
    expect(await textsOf(page, '#results .stream, #results .detection')).toEqual([markup, `${markup} 0.83`]);
    expect(await textsOf(page, 'b')).toEqual([]);
    expect(problems).toEqual([]);
  });

  test('says when the demo has ended, and comes back with the next one', async () => {
    change({
      uptimeMillis: 60_000,
      streams: [streamState({ fragments: 7 }), streamState({ streamName: 'b' })],
    });
    await eventually(async () => expect(await countOf('fragments')).toBe('7'));
    expect(problems).toEqual([]);
    const port = Number(new URL(server.url).port);
    await server.close();
    await eventually(async () => expect(await connection()).toBe('disconnected: the demo has ended'));
    expect(await countOf('fragments')).toBe('7');

    change({ uptimeMillis: 1000, streams: [streamState({ fragments: 1 })] });
    server = await start(port);
    await eventually(async () => expect(await connection()).toBe('live'));
    await eventually(async () => expect(await textsOf(page, 'h3')).toEqual(['parking']));
    expect(await countOf('fragments')).toBe('1');
  });
});
