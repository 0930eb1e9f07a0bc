/** The colours of data. Colours of the page are CSS variables in styles/page.css. */

export type Rgb = readonly [red: number, green: number, blue: number];

/** TensorBoard's default palette of runs; its first colour has a lighter twin for the dark page. */
const RUN_COLORS = ['#425066', '#12b5cb', '#e52592', '#f9ab00', '#9334e6', '#7cb342', '#e8710a'];
const RUN_COLORS_DARK = ['#8e98a3', ...RUN_COLORS.slice(1)];

export function runColor(index: number, dark: boolean): string {
  const colors = dark ? RUN_COLORS_DARK : RUN_COLORS;
  return colors[index % colors.length];
}

/**
 * Ten control points of matplotlib's viridis (van der Walt and Smith, 2015, CC0): even steps in perceived lightness,
 * also to colour-blind eyes.
 */
export const VIRIDIS = [
  '#440154',
  '#482878',
  '#3e4989',
  '#31688e',
  '#26828e',
  '#1f9e89',
  '#35b779',
  '#6ece58',
  '#b5de2b',
  '#fde725',
];

/**
 * Eleven control points from blue over grey to brown, for differences around zero. Our own, after vik (Crameri, 2018,
 * Scientific colour maps, https://doi.org/10.5281/zenodo.1243862): even steps in lightness to both sides, L* 92 in the
 * middle and 40 at the ends, so that equal cells stand out from the white card (#fff, L* 100) and extreme ones from the
 * dark card (#424242, L* 28). Blue and brown differ to colour-blind eyes, too, and keep clear of the colours in `MARKS`
 * but for zero's, which a scale around zero has no use for.
 */
export const DIVERGING = [
  '#1b5cb6',
  '#6272c6',
  '#918bd1',
  '#b5a7d9',
  '#d3c6e0',
  '#e8e7e4',
  '#d9c8bc',
  '#caa793',
  '#bb876e',
  '#ab664d',
  '#9a4431',
];

/** What is no number on the scale has a colour that viridis never takes, and a pattern for eyes that see no hue. */
export type Special = 'zero' | 'nan' | 'posinf' | 'neginf';

export interface Mark {
  label: string;
  color: string;
  ink: string;
  pattern: 'rising' | 'falling' | 'cross' | 'dots';
}

export const MARKS: Record<Special, Mark> = {
  zero: {label: '0', color: '#c3ccd1', ink: '#78909c', pattern: 'dots'},
  nan: {label: 'NaN', color: '#ff1fa8', ink: '#2a0018', pattern: 'rising'},
  posinf: {label: '+∞', color: '#e3170a', ink: '#ffffff', pattern: 'falling'},
  neginf: {label: '−∞', color: '#00c8ff', ink: '#001c3a', pattern: 'cross'},
};

/** Whether the pixel (x, y) of a patterned cell takes the ink; patterns repeat every `4 * size` pixels. */
export function inked(pattern: Mark['pattern'], x: number, y: number, size: number): boolean {
  const column = Math.floor(x / size) % 4;
  const row = Math.floor(y / size) % 4;
  switch (pattern) {
    case 'rising':
      return (column + row) % 4 === 0;
    case 'falling':
      return (column + 4 - row) % 4 === 0;
    case 'cross':
      return column === 0 && row !== 2;
    case 'dots':
      return column === 1 && row === 1;
  }
}

export function parseHex(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** One opaque pixel of ImageData, whose bytes are red, green, blue, alpha on a little-endian machine. */
export function pixel([red, green, blue]: Rgb): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** `size` pixels from the first control point to the last. */
export function ramp(points: readonly string[], size: number): Uint32Array {
  const colors = points.map(parseHex);
  return Uint32Array.from({length: size}, (_, index) => {
    const at = size === 1 ? 0 : (index / (size - 1)) * (colors.length - 1);
    const left = Math.min(Math.floor(at), colors.length - 2);
    const [from, to] = [colors[left], colors[left + 1]];
    const mix = (channel: 0 | 1 | 2): number =>
      Math.round(from[channel] + (at - left) * (to[channel] - from[channel]));
    return pixel([mix(0), mix(1), mix(2)]);
  });
}
