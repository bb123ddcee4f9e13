import type { ProgressEvent, ServerEvent, SessionEvent } from '../protocol.ts';
import { byId, html, write, writeList } from './dom.ts';
import { Recording } from './recording.ts';
import { Training } from './training.ts';
import { Viewer } from './viewer.ts';
import { percent } from './words.ts';

/** The page: what the server tells goes to the viewer and the training. */
class Page {
  readonly #viewer = new Viewer();
  readonly #training = new Training();
  #session: SessionEvent | null = null;
  #chosen: string | null = null;
  #loading: AbortController | null = null;

  constructor() {
    byId<HTMLSelectElement>('choose').addEventListener('change', ({ target }) => {
      this.#choose((target as HTMLSelectElement).value);
    });
    const events = new EventSource('events');
    events.addEventListener('message', ({ data }) => this.#take(JSON.parse(data) as ServerEvent));
    events.addEventListener('open', () => trouble(null));
    events.addEventListener('error', () => trouble('The server does not answer: start circumplex watch again.'));
  }

  #take(event: ServerEvent): void {
    if (event.type === 'session') this.#open(event);
    else if (event.type === 'progress') this.#showProgress(event);
    else this.#training.take(event);
  }

  #open(session: SessionEvent): void {
    const before = this.#session;
    this.#session = session;
    document.title = `${session.title}: circumplex watch`;
    write(byId('title'), session.title);
    write(byId('source'), session.source);
    writeList(byId('notes'), session.notes);
    const { recordings, first } = session;
    byId('recording').hidden = first === null;
    byId('empty').hidden = first !== null;
    write(
      byId('empty'),
      first === null ? 'There are no curves yet: they appear once the training has written its checkpoints.' : '',
    );
    if (first === null) return;
    const known = recordings.find(({ id }) => id === this.#chosen)?.id;
    if (known !== undefined && before?.version === session.version) return;
    this.#fillChooser(session);
    this.#choose(known ?? first);
  }

  #fillChooser({ recordings }: SessionEvent): void {
    const select = byId<HTMLSelectElement>('choose');
    byId('chooser').hidden = recordings.length === 1;
    const groups = new Map<string | null, string[]>();
    for (const { id, partition } of recordings) groups.set(partition, [...(groups.get(partition) ?? []), id]);
    const optionsOf = (ids: readonly string[]) => ids.map((id) => html('option', { value: id }, id));
    select.replaceChildren(
      ...[...groups].flatMap(([partition, ids]) =>
        partition === null ? optionsOf(ids) : [html('optgroup', { label: partition }, ...optionsOf(ids))],
      ),
    );
  }

  async #choose(id: string): Promise<void> {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    this.#chosen = id;
    byId<HTMLSelectElement>('choose').value = id;
    write(byId('recording-heading'), `Recording ${id}`);
    this.#viewer.hide();
    trouble(null);
    this.#showProgress({ type: 'progress', id, phase: 'asking for the curves', share: null });
    try {
      const recording = await Recording.fetch(id, loading.signal);
      byId('loading').hidden = true;
      this.#viewer.show(recording, this.#session?.recordings.find((own) => own.id === id)?.media ?? null);
      write(byId('said'), `${id} is there.`);
    } catch (error) {
      if (loading.signal.aborted) return;
      byId('loading').hidden = true;
      trouble((error as Error).message);
    } finally {
      if (this.#loading === loading) this.#loading = null;
    }
  }

  #showProgress({ id, phase, share }: ProgressEvent): void {
    if (this.#loading === null || id !== this.#chosen) return;
    byId('loading').hidden = false;
    write(byId('phase'), `${id}: ${phase}${share === null ? '' : `, ${percent(share)}`}`);
    const bar = byId<HTMLProgressElement>('share');
    if (share === null) bar.removeAttribute('value');
    else bar.value = share;
  }
}

/** Shows what went wrong; null: nothing. */
function trouble(text: string | null): void {
  byId('trouble').hidden = text === null;
  write(byId('trouble'), text ?? '');
}

new Page();
