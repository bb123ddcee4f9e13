import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'tsdown';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CurvesOfModels, type ShownCurves } from '../../lib/watch/curves.ts';
import { PageServer } from '../../lib/watch/server.ts';
import { Session, type SessionOptions } from '../../lib/watch/session.ts';
import { runSource, type Source } from '../../lib/watch/source.ts';
import { page as pageBuild } from '../../tsdown.config.ts';
import { QUICK, smallData, succeed, temporaryFolder } from '../cli/cli.ts';
import { Chromium, findChromium } from '../report/chromium.ts';
import { contrasts } from '../report/contrasts.ts';
import { tone } from './tone.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects of the page, and of the DevTools protocol
type Foreign = any;

// What functions that run in the page find there.
declare const document: Foreign;
declare const getComputedStyle: Foreign;
declare const innerWidth: number;
declare const innerHeight: number;
declare const MutationObserver: Foreign;
declare const KeyboardEvent: Foreign;

const chromium = findChromium();
if (chromium === undefined) console.warn('SKIPPED: there is no Chromium or Chrome on the path; name one by CHROMIUM');

const SECONDS = 8;

/** The page as people have it: a real run's curves in a real browser. */
describe.skipIf(chromium === undefined)('the page in Chromium', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let browser: Chromium;
  let script: string;
  let open: { session: Session; server: PageServer } | null = null;
  const at = (name: string) => join(folder.path, name);

  beforeAll(async () => {
    folder = await temporaryFolder();
    const outDir = resolve('build/watch-test');
    await build({ ...pageBuild, config: false, outDir, clean: true, logLevel: 'error' });
    script = readFileSync(join(outDir, 'page.js'), 'utf8');
    await smallData(at('data'), { seconds: SECONDS, sequences: { train: 4, dev: 2, test: 1 } });
    const model = ['--streams', 'audio,video', '--fusion', 'attention', '--window', 'video=3'];
    await succeed('train', at('data'), '--out', at('run'), '--replicas', '2', ...model, ...QUICK);
    mkdirSync(at('media'));
    writeFileSync(at('media/dev_1.wav'), tone(SECONDS));
    writeFileSync(at('media/dev_2.mp4'), 'this is no film');
    browser = await Chromium.start(chromium as string);
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await folder?.remove();
  });

  afterEach(async () => {
    // The page goes before its server, which it would miss.
    await browser.send('Page.navigate', { url: 'about:blank' });
    await open?.server[Symbol.asyncDispose]();
    open?.session[Symbol.dispose]();
    open = null;
  });

  /** Serves a session, and shows its page. */
  async function show(
    options: Partial<SessionOptions>,
    width = 1280,
    scheme: 'light' | 'dark' = 'light',
  ): Promise<string> {
    const session = await Session.open({ title: 'a title', open: async () => null, run: null, ...options });
    const server = await PageServer.start(session, { host: '127.0.0.1', port: 0, script });
    open = { session, server };
    await browser.open(server.address, width, scheme);
    return server.address;
  }

  const ofRun = (): Partial<SessionOptions> => {
    const media = new Map([
      ['dev_1', at('media/dev_1.wav')],
      ['dev_2', at('media/dev_2.mp4')],
    ]);
    return { open: () => runSource(at('run'), { media, device: { threads: 1 } }), run: at('run') };
  };

  /** Until a function of the page gives true. */
  async function until(what: string, holds: () => boolean, seconds = 20): Promise<void> {
    const end = performance.now() + seconds * 1000;
    while (!(await browser.evaluate(holds))) {
      if (performance.now() > end) throw new Error(`the page does not come to this: ${what}`);
      await new Promise((done) => setTimeout(done, 30));
    }
  }

  /** What the browser has to say against the page at an address, not against one before. */
  const complaints = (address: string) =>
    browser.events.filter(
      ({ method, params }) =>
        /Log.entryAdded|Runtime.(console|exception)/.test(method) &&
        (params.entry?.url === undefined || params.entry.url.startsWith(address)),
    );

  const curvesAreThere = () => until('curves', () => document.querySelectorAll('.curve path').length > 0);

  const combined = [1280, 360].flatMap((width) => (['light', 'dark'] as const).map((scheme) => ({ width, scheme })));

  it.each(combined)(
    'fits a $scheme window of $width px, asks nobody else, and is legible',
    async ({ width, scheme }) => {
      const address = await show(ofRun(), width, scheme);
      await curvesAreThere();
      await until('the training', () => document.querySelectorAll('#replicas tbody tr').length === 2);
      const requests = browser.events
        .filter(({ method }) => method === 'Network.requestWillBeSent')
        .map(({ params }) => params.request.url as string);
      expect(requests.length).toBeGreaterThan(5);
      // The player's own buttons are drawings inside the browser.
      expect(requests.filter((url) => !url.startsWith(address) && !url.startsWith('data:'))).toEqual([]);
      expect(complaints(address)).toEqual([]);
      expect(await browser.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      const { texts, faint } = await browser.evaluate(contrasts);
      expect(texts).toBeGreaterThan(60);
      expect(faint).toEqual([]);
    },
  );

  it('shows curves, band and gold by their names, the plane, what is trusted, and where the window looks', async () => {
    await show(ofRun());
    await curvesAreThere();
    await until('the window', () => /on average/.test(document.querySelector('.windows p').textContent));
    const shown = await browser.evaluate(() => ({
      text: document.body.innerText as string,
      rows: [...document.querySelectorAll('#now tr')].map((row: Foreign) => [...row.cells].map((c) => c.textContent)),
      plane: document.querySelector('#plane svg').getAttribute('aria-label') as string,
      chosen: [...document.querySelectorAll('#choose optgroup')].map((group: Foreign) => group.label) as string[],
    }));
    expect(shown.text).toContain('prediction, mean of 2 replicas');
    expect(shown.text).toContain('lowest to highest of 2 replicas');
    expect(shown.text).toContain('gold standard');
    expect(shown.text).toMatch(/CCC of this recording alone, the mean curve of 2 replicas: arousal -?[\d.]+, valence/);
    expect(shown.text).not.toMatch(/confidence|NaN|undefined/i);
    expect(shown.plane).toMatch(/valence \(across\) and arousal \(up\)/);
    expect(shown.chosen[0]).toBe('dev');
    const row = (name: string) => shown.rows.find(([first]) => first === name)?.slice(1) as string[];
    const trust = ['audio', 'video'].map((stream) =>
      row(`trust in ${stream}`).map((text) => Number.parseInt(text, 10)),
    );
    for (const target of [0, 1]) {
      const [audio, video] = trust.map((own) => own[target] as number) as [number, number];
      expect(Math.abs(audio + video - 100)).toBeLessThanOrEqual(1);
      expect(row('most trusted')[target]).toBe(audio >= video ? 'audio' : 'video');
    }
  });

  it('a click on a curve seeks, sound and point with it', async () => {
    await show(ofRun());
    await curvesAreThere();
    await until('the sound', () => document.querySelector('audio').readyState > 0);
    const before = await browser.evaluate(() => document.querySelector('#plane circle:last-child').getAttribute('cx'));
    const place = await browser.evaluate(() => {
      const { left, top, width, height } = document.querySelector('.curve').getBoundingClientRect();
      return { x: left + width / 2, y: top + height / 2 };
    });
    const button = { ...place, button: 'left', clickCount: 1 };
    await browser.send('Input.dispatchMouseEvent', { type: 'mousePressed', ...button });
    await browser.send('Input.dispatchMouseEvent', { type: 'mouseReleased', ...button });
    await until('the middle', () => Math.abs(document.querySelector('audio').currentTime - 4) < 0.3);
    const after = await browser.evaluate(() => ({
      point: document.querySelector('#plane circle:last-child').getAttribute('cx'),
      now: Number(document.querySelector('.curve').getAttribute('aria-valuenow')),
      text: document.querySelector('.curve').getAttribute('aria-valuetext') as string,
    }));
    expect(after.point).not.toBe(before);
    expect(Math.abs(after.now - 4)).toBeLessThan(0.3);
    expect(after.text).toMatch(/^[34]\.\d s, arousal -?\d\.\d\d, valence -?\d\.\d\d$/);
    const ranged = browser.events.filter(
      ({ method, params }) => method === 'Network.responseReceived' && params.response.url.endsWith('/media'),
    );
    expect(ranged.map(({ params }) => params.response.status)).toContain(206);
  });

  it('goes by keys alone: Tab to everything in order, arrows seek, Space plays', async () => {
    await show(ofRun());
    await curvesAreThere();
    const reached: string[] = [];
    for (let i = 0; i < 30; i++) {
      await browser.pressTab();
      const at = await browser.evaluate(() => {
        const element = document.activeElement;
        const { bottom, top } = element.getBoundingClientRect();
        return {
          name: (element.getAttribute('aria-label') ?? element.id ?? element.tagName) as string,
          isSeen: bottom > 0 && top < innerHeight && innerWidth > 0,
          outline: Number.parseFloat(getComputedStyle(element).outlineWidth),
          isBody: element === document.body,
        };
      });
      if (at.isBody) break;
      expect(at.isSeen, at.name).toBe(true);
      if (!/audio|^$/.test(at.name)) expect(at.outline, at.name).toBeGreaterThanOrEqual(1);
      reached.push(at.name);
    }
    const wanted = ['choose', 'play', 'speed', 'zoom-in', 'arousal over time', 'valence over time', 'Replicas'];
    expect(reached.filter((name) => wanted.includes(name))).toEqual(wanted);
    await browser.evaluate(() => document.querySelector('.curve').focus());
    await browser.press('ArrowRight', 39);
    await browser.press('ArrowRight', 39);
    await until('2 s', () => document.querySelector('.curve').getAttribute('aria-valuetext').startsWith('2.0 s, '));
    await browser.press('End', 35);
    await until('the end', () => document.getElementById('time').textContent.startsWith('0:07.9'));
    await browser.press('Home', 36);
    await until('the beginning', () => document.getElementById('time').textContent.startsWith('0:00.0'));
    await browser.evaluate(() => document.querySelector('.curve').blur());
    await browser.press(' ', 32, ' ');
    await until('playing', () => document.getElementById('play').textContent === 'Pause');
    await until('time goes on', () => !document.getElementById('time').textContent.startsWith('0:00'));
    await browser.press(' ', 32, ' ');
    await until('paused', () => document.getElementById('play').textContent === 'Play');
  });

  it('a reader of the screen hears where it rests, and nothing while it plays', async () => {
    await show({ open: async () => longSource(2000), run: null });
    await curvesAreThere();
    await new Promise((done) => setTimeout(done, 600));
    const heard = await browser.evaluate(() => {
      const said: string[] = [];
      const listen = () => said.push(document.getElementById('said').textContent);
      new MutationObserver(listen).observe(document.getElementById('said'), {
        childList: true,
        characterData: true,
        subtree: true,
      });
      document.querySelector('.curve').focus();
      const slider = document.querySelector('.curve');
      new MutationObserver(() => said.push('slider')).observe(slider, { attributes: true });
      Object.assign(document, { heard: said });
      document.getElementById('play').click();
      return true;
    });
    expect(heard).toBe(true);
    await new Promise((done) => setTimeout(done, 1500));
    expect(await browser.evaluate(() => (document.heard as string[]).filter((text) => text !== ''))).toEqual([]);
    await browser.evaluate(() => {
      document.querySelector('.curve').blur();
      document.getElementById('play').click();
    });
    await until('it is said', () => document.heard.some((text: string) => /^\d\.\d s, arousal/.test(text)));
  });

  it('has one outline, named sliders, and names for its drawings', async () => {
    await show(ofRun());
    await curvesAreThere();
    const levels = await browser.evaluate(() =>
      [...document.querySelectorAll('h1, h2, h3')].map((heading: Foreign) => Number(heading.tagName[1])),
    );
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    expect(levels.every((level, i) => i === 0 || level <= (levels[i - 1] as number) + 1)).toBe(true);
    const { nodes } = await browser.send('Accessibility.getFullAXTree');
    const named = (role: RegExp) =>
      nodes
        .filter((node: Foreign) => !node.ignored && role.test(node.role?.value))
        .map((node: Foreign) => node.name?.value as string);
    expect(named(/^slider$/).filter((name: string) => /over time/.test(name))).toEqual([
      'arousal over time',
      'valence over time',
    ]);
    expect(named(/^slider$/).filter((name: string) => /by epoch/.test(name))).toHaveLength(3);
    for (const name of [...named(/^(image|img)$/), ...named(/^(button|combobox|progressbar)$/i)])
      expect(name).not.toBe('');
    expect(named(/^(image|img)$/).length).toBeGreaterThanOrEqual(2);
  });

  it('a film that the browser cannot play leaves a clock of its own', async () => {
    await show(ofRun());
    await curvesAreThere();
    await browser.evaluate(() => {
      const choose = document.getElementById('choose');
      choose.value = 'dev_2';
      choose.dispatchEvent(new choose.ownerDocument.defaultView.Event('change'));
    });
    await until('the reason', () => /cannot play/.test(document.getElementById('media').textContent));
    await browser.evaluate(() => document.getElementById('play').click());
    await until('time goes on', () => /^0:00\.[1-9]/.test(document.getElementById('time').textContent));
  });

  it('draws what there is where gold is missing, in part or at all', async () => {
    const source = longSource(1000);
    for (const gold of ['some', 'none'] as const) {
      const load = (id: string) => curvesOf(id, 1000, gold);
      const address = await show({ open: async () => ({ ...source, load }), run: null });
      await curvesAreThere();
      await browser.evaluate(() => {
        const slider = document.querySelector('.curve');
        for (const key of ['ArrowRight', 'PageUp', 'End', 'Home', 'PageUp']) {
          slider.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
        }
      });
      const text = await browser.evaluate(() => document.getElementById('viewer').innerText as string);
      expect(text).not.toMatch(/NaN|undefined/);
      expect(/gold standard/.test(text)).toBe(gold === 'some');
      expect(complaints(address)).toEqual([]);
      await open?.server[Symbol.asyncDispose]();
    }
  });

  it('draws two hours at the width of the window, and zooms into them', async () => {
    await show({ open: async () => longSource(180_000), run: null });
    await curvesAreThere();
    const points = () =>
      browser.evaluate(() =>
        [...document.querySelectorAll('.curve path')].map((path: Foreign) => path.getAttribute('d').split('L').length),
      );
    expect(Math.max(...(await points()))).toBeLessThan(2 * 2 * 1280);
    const whole = await browser.evaluate(() => document.getElementById('view').textContent);
    expect(whole).toBe('the whole recording');
    await browser.evaluate(() => {
      for (let i = 0; i < 30; i++) document.getElementById('zoom-in').click();
    });
    const { view, disabled } = await browser.evaluate(() => ({
      view: document.getElementById('view').textContent as string,
      disabled: document.getElementById('zoom-in').disabled as boolean,
    }));
    expect([view, disabled]).toEqual(['0:00.0 to 0:04.0', true]);
    expect(Math.max(...(await points()))).toBeLessThan(220);
    // Playing on and seeking, the view follows.
    await browser.evaluate(() => {
      const key = { key: 'End', bubbles: true, cancelable: true };
      document.querySelector('.curve').dispatchEvent(new KeyboardEvent('keydown', key));
    });
    await until('the end', () => document.getElementById('view').textContent === '1:59:56.0 to 2:00:00.0');
  });

  it('says what is wrong where curves cannot be had', async () => {
    const source = longSource(100);
    await show({
      open: async () => ({ ...source, load: () => Promise.reject(new Error('the features are gone')) }),
      run: null,
    });
    await until('the reason', () => document.getElementById('trouble').textContent === 'the features are gone');
    const { nodes } = await browser.send('Accessibility.getFullAXTree');
    expect(nodes.some((node: Foreign) => node.role?.value === 'alert' && !node.ignored)).toBe(true);
  });

  describe('while a run trains', () => {
    const lines = () => readFileSync(at('run/metrics.jsonl'), 'utf8').trimEnd().split('\n');
    const epochLine = (epoch: number) =>
      `${JSON.stringify({ ...JSON.parse(lines()[0] as string), epoch, seconds: 2, stopped: false })}\n`;
    const state = () => browser.evaluate(() => document.getElementById('training-state').textContent as string);

    it('shows epochs as they come, waits for half a line, follows what is cut back, then has the curves', async () => {
      rmSync(at('live'), { recursive: true, force: true });
      mkdirSync(at('live/replicas/1'), { recursive: true });
      const config = JSON.parse(readFileSync(at('run/config.json'), 'utf8'));
      writeFileSync(at('live/config.json'), JSON.stringify({ ...config, epochs: 50 }));
      for (const replica of ['', 'replicas/1/']) writeFileSync(at(`live/${replica}metrics.jsonl`), '');
      await show({ open: () => runSource(at('live'), { media: new Map(), device: { threads: 1 } }), run: at('live') });
      await until('waiting', () =>
        /waiting for the first epoch/.test(document.getElementById('training-state').textContent),
      );
      expect(await browser.evaluate(() => document.getElementById('empty').textContent)).toContain(
        'There are no curves yet',
      );
      const file = at('live/metrics.jsonl');
      appendFileSync(file, epochLine(1));
      await until(
        'epoch 1',
        () => /epoch 1 of at most 50/.test(document.getElementById('training-state').textContent),
        5,
      );
      expect(await state()).toMatch(/2\.00 s an epoch, at most 1 min 3\d s left/);
      const second = epochLine(2);
      appendFileSync(file, second.slice(0, 30));
      await new Promise((done) => setTimeout(done, 1200));
      expect(await state()).toContain('epoch 1 of');
      appendFileSync(file, second.slice(30) + epochLine(3));
      await until('epoch 3', () => /epoch 3 of/.test(document.getElementById('training-state').textContent), 5);
      truncateSync(file, epochLine(1).length);
      await until('cut back', () => /epoch 1 of/.test(document.getElementById('training-state').textContent), 5);
      cpSync(at('run'), at('live'), { recursive: true, preserveTimestamps: true });
      await until('the curves', () => document.querySelectorAll('.curve path').length > 0);
      await until('the end', () =>
        /finished after 2 epochs/.test(document.getElementById('training-state').textContent),
      );
      expect(await browser.evaluate(() => document.getElementById('empty').hidden)).toBe(true);
    });

    /** Lines of two replicas whose loss falls and whose CCC rises. */
    const learn = (from: number, to: number) => {
      for (const [replica, folder] of ['', 'replicas/1/'].entries()) {
        const made = Array.from({ length: to - from + 1 }, (_, i) => {
          const epoch = from + i;
          const cccMean = { arousal: 0.1 * Math.log(epoch + replica), valence: epoch < 3 ? null : epoch / 100 };
          const line = {
            ...JSON.parse(lines()[0] as string),
            epoch,
            replica,
            loss: 1 / (epoch + replica),
            best: epoch === 4,
          };
          return `${JSON.stringify({ ...line, selection: { ...line.selection, cccMean }, stopped: false })}\n`;
        });
        appendFileSync(at(`learning/${folder}metrics.jsonl`), made.join(''));
      }
    };
    const look = () =>
      browser.evaluate(() => ({
        charts: [...document.querySelectorAll('.learned')].map((chart: Foreign) => ({
          name: chart.getAttribute('aria-label') as string,
          now: Number(chart.getAttribute('aria-valuenow')),
          text: chart.getAttribute('aria-valuetext') as string,
          lines: chart.querySelectorAll('path').length as number,
          dots: chart.querySelectorAll('circle').length as number,
          top: chart.offsetTop as number,
          isWithin: chart.getBoundingClientRect().right <= innerWidth,
        })),
        rows: [...document.querySelectorAll('#replicas tbody tr')].map((row: Foreign) =>
          [...row.cells].map((cell) => cell.textContent as string),
        ),
        focus: document.activeElement?.getAttribute('aria-label') as string | null,
      }));

    it.each([
      { width: 1280, rows: 1, scheme: 'light' as const },
      { width: 760, rows: 2, scheme: 'dark' as const },
      { width: 360, rows: 3, scheme: 'light' as const },
    ])(
      'draws losses and CCC by epoch, $width px wide, to be read by keys and words',
      async ({ width, rows, scheme }) => {
        rmSync(at('learning'), { recursive: true, force: true });
        mkdirSync(at('learning/replicas/1'), { recursive: true });
        const config = JSON.parse(readFileSync(at('run/config.json'), 'utf8'));
        writeFileSync(at('learning/config.json'), JSON.stringify({ ...config, epochs: 50 }));
        learn(1, 6);
        const address = await show({ run: at('learning') }, width, scheme);
        await until('the charts', () => document.querySelectorAll('.learned path').length === 9);
        const { charts } = await look();
        expect(charts.map(({ name, now, text, lines, dots }) => [name, now, text, lines, dots])).toEqual([
          ['training loss, by epoch', 6, 'epoch 6, replica 0 0.167, replica 1 0.143', 3, 2],
          [
            'CCC of arousal, selection, mean over sequences, by epoch',
            6,
            'epoch 6, replica 0 0.179, replica 1 0.195',
            3,
            2,
          ],
          [
            'CCC of valence, selection, mean over sequences, by epoch',
            6,
            'epoch 6, replica 0 0.0600, replica 1 0.0600',
            3,
            2,
          ],
        ]);
        expect(new Set(charts.map(({ top }) => top)).size).toBe(rows);
        expect(charts.every(({ isWithin }) => isWithin)).toBe(true);
        expect((await browser.evaluate(contrasts)).faint).toEqual([]);
        expect(complaints(address)).toEqual([]);

        await browser.evaluate(() => document.querySelectorAll('.learned')[2].focus());
        for (const _ of [0, 1, 2, 3]) await browser.press('ArrowLeft', 37);
        await until('epoch 2', () => document.querySelector('.learned').getAttribute('aria-valuenow') === '2');
        const second = await look();
        expect(second.charts[2]?.text).toBe('epoch 2, replica 0 none, replica 1 none');
        expect(second.rows.map((cells) => cells.slice(0, 4))).toEqual([
          ['0', '2', '0.5000', '0.069'],
          ['1', '2', '0.3333', '0.110'],
        ]);
        // What is looked at stays, and so does the focus, while the training goes on.
        learn(7, 8);
        await until('epoch 8', () => document.querySelector('.learned').getAttribute('aria-valuemax') === '8', 5);
        const later = await look();
        expect([later.charts[0]?.now, later.focus]).toEqual([2, second.focus]);
        expect(later.focus).toMatch(/^CCC of valence/);
        await browser.press('End', 35);
        await until('the latest', () => document.querySelector('.learned').getAttribute('aria-valuenow') === '8');
        learn(9, 9);
        await until('the next', () => document.querySelector('.learned').getAttribute('aria-valuenow') === '9', 5);
      },
    );
  });

  it('says that the server has ended', async () => {
    await show(ofRun());
    await curvesAreThere();
    await open?.server[Symbol.asyncDispose]();
    await until('the news', () => /does not answer/.test(document.getElementById('trouble').textContent));
  });
});

/** A recording of so many frames at 25 Hz, of two models that nobody had to train. */
function longSource(frames: number): Source {
  const recordings = [{ id: 'long', partition: null, media: null }];
  const load = (id: string) => curvesOf(id, frames, 'whole');
  return { title: 'long', models: '2 replicas', notes: [], recordings, media: new Map(), load };
}

/** @param gold 'some': the first half alone has a gold standard, of arousal only */
async function curvesOf(id: string, frames: number, gold: 'whole' | 'some' | 'none'): Promise<ShownCurves> {
  const targets = ['arousal', 'valence'];
  const curve = (shift: number) =>
    Float64Array.from({ length: frames * 2 }, (_, i) => 0.8 * Math.sin((i >> 1) / 90 + (i & 1) + shift));
  const together = new CurvesOfModels();
  for (const shift of [0, 0.3]) together.add({ sequence: id, rate: 25, targets, values: curve(shift), traces: null });
  const some = curve(0.1).map((value, i) => (i % 2 === 0 && i < frames ? value : Number.NaN));
  return together.finish({ whole: curve(0.1), some, none: null }[gold], 'replicas', []);
}
