/** Sound that comes in pieces, of which windows at any place are wanted while it passes. */
export class SampleWindow {
  private buffer = new Float32Array(1 << 16);
  /** Of the stream, the first sample that is still held, and the end of what has come. */
  private start = 0;
  end = 0;

  push(samples: Float32Array): void {
    const held = this.end - this.start;
    if (held + samples.length > this.buffer.length) {
      const larger = new Float32Array(2 ** Math.ceil(Math.log2(held + samples.length)));
      larger.set(this.buffer.subarray(0, held));
      this.buffer = larger;
    }
    this.buffer.set(samples, held);
    this.end += samples.length;
  }

  /** A view of samples `from` to `to`, until the next call. Both lie within what is held. */
  view(from: number, to: number): Float32Array {
    return this.buffer.subarray(from - this.start, to - this.start);
  }

  /** Nothing before `from` will be asked for. */
  forget(from: number): void {
    const gone = Math.min(from, this.end) - this.start;
    if (gone <= 0) return;
    this.buffer.copyWithin(0, gone, this.end - this.start);
    this.start += gone;
  }
}
