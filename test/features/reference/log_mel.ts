/** VGGish's front end from its formula, in float64, by a plain Fourier sum: slow, and nothing shared with the native code. */

const mel = (hertz: number) => 1127 * Math.log(1 + hertz / 700);

/** `[window, 64]` of 16 kHz mono. */
export function logMelReference(samples: ArrayLike<number>): Float64Array[] {
  const rows: Float64Array[] = [];
  for (let start = 0; start + 400 <= samples.length; start += 160) {
    const windowed = Array.from(
      { length: 400 },
      (_, i) => (samples[start + i] as number) * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / 400)),
    );
    const spectrum = Array.from({ length: 257 }, (_, bin) => {
      let [re, im] = [0, 0];
      windowed.forEach((value, i) => {
        const angle = (2 * Math.PI * ((bin * i) % 512)) / 512;
        re += value * Math.cos(angle);
        im -= value * Math.sin(angle);
      });
      return Math.hypot(re, im);
    });
    rows.push(
      Float64Array.from({ length: 64 }, (_, band) => {
        const edge = (i: number) => mel(125) + ((mel(7500) - mel(125)) * i) / 65;
        const [low, centre, high] = [edge(band), edge(band + 1), edge(band + 2)];
        let sum = 0;
        for (let bin = 1; bin < 257; bin++) {
          const at = mel((bin * 16000) / 512);
          sum += Math.max(0, Math.min((at - low) / (centre - low), (high - at) / (high - centre))) * spectrum[bin]!;
        }
        return Math.log(sum + 0.01);
      }),
    );
  }
  return rows;
}
