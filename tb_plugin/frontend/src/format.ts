/** Numbers and names as people read them. */

/** At most four significant digits: `0.01235`, `1.2e-07` as findings have it, `12,345`, `NaN`, `∞`. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return WHOLE.format(value);
  return shortest(value, 4);
}

/** Every digit that a float32 holds. */
export function formatExact(value: number): string {
  return Number.isFinite(value) ? shortest(value, 7) : formatNumber(value);
}

function shortest(value: number, digits: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(digits));
  if (size >= 1000 && size < 1e6)
    return rounded.toLocaleString('en-US', {maximumFractionDigits: digits});
  if (size >= 1e-4 && size < 1000) return String(rounded);
  return rounded.toExponential().replace(/(?<=e[+-])(?=\d$)/, '0');
}

/** A part of a whole as `1.3 %`, to two digits; `under 0.1 %` below that. */
export function formatPercent(part: number): string {
  const percent = 100 * part;
  if (percent < 0.1) return 'under 0.1 %';
  return `${percent < 99.5 ? percent.toPrecision(2) : Math.round(percent)} %`;
}

/** `310 MB`, to two digits or whole, in powers of a thousand. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const nth = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const size = bytes / 1000 ** nth;
  return `${size < 9.95 && nth > 0 ? size.toFixed(1) : Math.round(size)} ${units[nth]}`;
}

/** Made once: it takes longer to make than to use. */
const WHOLE = new Intl.NumberFormat('en-US');

export function formatStep(step: number): string {
  return WHOLE.format(step);
}

/** `step 40`, or `steps 33–64`. */
export function stepWords(first: number, last: number): string {
  return first === last
    ? `step ${formatStep(first)}`
    : `steps ${formatStep(first)}–${formatStep(last)}`;
}

export function counted(count: number, noun: string, nouns = `${noun}s`): string {
  return `${formatStep(count)} ${count === 1 ? noun : nouns}`;
}

/** So many entries of a list are told; of one more there is nothing to be saved. */
const MOST_LISTED = 4;

/** `a, b, c, d and 3 more` */
export function listed(entries: readonly string[]): string {
  const more = entries.length - MOST_LISTED;
  if (more <= 1) return entries.join(', ');
  return `${entries.slice(0, MOST_LISTED).join(', ')} and ${counted(more, 'more', 'more')}`;
}

/** `gradient_norm` → `gradient norm`. */
export function words(name: string): string {
  return name.replaceAll('_', ' ');
}

/** Shortens in the middle, where paths are most alike: `encoder/bl…se/kernel`. */
export function elide(name: string, length: number): string {
  if (name.length <= length) return name;
  const tail = Math.ceil((length - 1) * 0.6);
  const [start, end] = [name.slice(0, length - 1 - tail), name.slice(name.length - tail)];
  // No half of a character.
  return `${start.replace(/[\ud800-\udbff]$/, '')}…${end.replace(/^[\udc00-\udfff]/, '')}`;
}

/** What an exception says. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
