const NONE = '–';

/** 1234 → `1,234`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en');
}

/** `420 ms`, `1.4 s`, `12 s`, `3 min 5 s`. */
export function formatLag(millis: number | null): string {
  if (millis === null) return NONE;
  if (millis < 999.5) return `${Math.round(millis)} ms`;
  if (millis < 9950) return `${(millis / 1000).toFixed(1)} s`;
  const seconds = Math.round(millis / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Per second: `0.5`, `12`. */
export function formatRate(rate: number | null): string {
  if (rate === null) return NONE;
  return rate < 9.95 ? rate.toFixed(1) : formatCount(Math.round(rate));
}

/** `0:42`, `12:05`, `1:02:05`. */
export function formatUptime(millis: number): string {
  const seconds = Math.floor(millis / 1000);
  const twoDigits = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = twoDigits(seconds % 60);
  return hours > 0 ? `${hours}:${twoDigits(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** ISO 8601 → `14:03:07`, in the reader's time zone. */
export function formatTime(timestamp: string | null): string {
  const date = new Date(timestamp ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? NONE : date.toLocaleTimeString('en-GB');
}
