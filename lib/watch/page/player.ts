import type { MediaKind } from '../protocol.ts';
import { html } from './dom.ts';

/**
 * The time of what is shown: that of the sound or picture where there is one that plays, else, and beyond its end, a clock
 * of its own.
 */
export class Player {
  /** Told whenever time or motion changed, other than by passing. */
  onChange: () => void = () => {};
  #media: HTMLMediaElement | null = null;
  /** Whether the time lies behind the end of sound and picture. */
  #isBeyond = false;
  #end = 0;
  #time = 0;
  #rate = 1;
  /** When the clock of its own was started, ms; null: it rests. */
  #since: number | null = null;

  constructor(private readonly place: HTMLElement) {}

  /**
   * Another recording.
   *
   * @param end s
   * @param about what it is, for whoever cannot see it
   */
  open(kind: MediaKind, path: string, end: number, about: string): void {
    this.close();
    this.#end = end;
    if (kind === null) {
      this.place.replaceChildren(html('p', {}, 'No sound or picture of this recording is at hand: time runs without.'));
      return;
    }
    const media = html(kind, { controls: '', preload: 'metadata', src: path, 'aria-label': `${kind} of ${about}` });
    media.playbackRate = this.#rate;
    for (const event of ['play', 'pause', 'seeked', 'ended']) media.addEventListener(event, () => this.onChange());
    media.addEventListener('error', () => this.#failed(media), { once: true });
    this.#media = media;
    this.place.replaceChildren(media);
  }

  close(): void {
    this.#media?.pause();
    this.#media?.removeAttribute('src');
    this.#media = null;
    this.#isBeyond = false;
    this.#since = null;
    this.#time = 0;
    this.place.replaceChildren();
  }

  /** s */
  get time(): number {
    if (this.#clock) return Math.min(this.#clock.currentTime, this.#end);
    if (this.#since === null) return this.#time;
    return Math.min(this.#end, this.#time + ((performance.now() - this.#since) / 1000) * this.#rate);
  }

  get isPlaying(): boolean {
    if (this.#clock) return !this.#clock.paused && !this.#clock.ended;
    return this.#since !== null && this.time < this.#end;
  }

  toggle(): void {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  play(): void {
    if (this.time >= this.#end) this.seek(0);
    if (this.#clock) {
      // A browser that refuses says so by an error of the element.
      this.#clock.play().catch(() => {});
    } else {
      this.#since = performance.now();
    }
    this.onChange();
  }

  pause(): void {
    if (this.#clock) this.#clock.pause();
    else this.#rest();
    this.onChange();
  }

  seek(time: number): void {
    const within = Math.max(0, Math.min(this.#end, time));
    const isPlaying = this.isPlaying;
    const media = this.#media;
    this.#isBeyond = media !== null && within > media.duration;
    if (media && this.#isBeyond) media.pause();
    if (media && !this.#isBeyond) media.currentTime = within;
    this.#since = isPlaying && !this.#clock ? performance.now() : null;
    this.#time = within;
    if (isPlaying && !this.isPlaying) this.play();
    this.onChange();
  }

  set rate(rate: number) {
    const isRunning = this.#since !== null;
    this.#rest();
    this.#rate = rate;
    if (this.#media) this.#media.playbackRate = rate;
    if (isRunning) this.#since = performance.now();
  }

  /** What keeps the time; null: a clock of its own. */
  get #clock(): HTMLMediaElement | null {
    return this.#isBeyond ? null : this.#media;
  }

  /** Keeps the time that the clock of its own has come to. */
  #rest(): void {
    if (!this.#clock) this.#time = this.time;
    this.#since = null;
  }

  #failed(media: HTMLMediaElement): void {
    if (media !== this.#media) return;
    const text =
      'This browser cannot play the recording: time runs without it. An MP4 of H.264 and AAC plays in most: ' +
      'ffmpeg -i RECORDING -c:v libx264 -pix_fmt yuv420p -c:a aac recording.mp4';
    this.#media = null;
    this.place.replaceChildren(html('p', {}, text));
    this.onChange();
  }
}
