/** Numbers as the page writes and says them. */

/** Two digits, more for small ranges; never "-0.00". */
export function number(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || Number.isNaN(value)) return 'none';
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text;
}

/** Seconds as m:ss.s, or h:mm:ss.s. */
export function clock(seconds: number, digits = 1): string {
  const unit = 10 ** digits;
  const rounded = Math.round(Math.max(0, seconds) * unit) / unit;
  const whole = Math.floor(rounded);
  const [h, m] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const s = (rounded - h * 3600 - m * 60).toFixed(digits).padStart(digits > 0 ? 3 + digits : 2, '0');
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`;
}

/** A time as it is said: "12.3 s", "2 min 5.0 s". */
export function spokenTime(seconds: number): string {
  const rounded = Math.round(Math.max(0, seconds) * 10) / 10;
  const minutes = Math.floor(rounded / 60);
  const rest = `${(rounded - minutes * 60).toFixed(1)} s`;
  if (minutes === 0) return rest;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes} min ${rest}` : `${hours} h ${minutes % 60} min ${rest}`;
}

/** A duration that somebody has to wait, in round words. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return whole < 600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function percent(share: number): string {
  // No line breaks before the sign.
  return `${Math.round(share * 100)}\u00a0%`;
}
