/** The colours of layers that are overlaid, where a run's colour tells nothing. Pure. */

import {parseHex, VIRIDIS} from './palette.ts';

/**
 * Eight colours that normal, deuteranopic, protanopic and tritanopic eyes tell apart (Machado et al., 2009), each with
 * a contrast of 3:1 or more on its card; the first ones differ most.
 */
const HUES = [
  '#1d13fb',
  '#bf234c',
  '#119da8',
  '#839822',
  '#e534e7',
  '#5c1e95',
  '#1d421b',
  '#54123d',
];
const HUES_DARK = [
  '#539cf5',
  '#e6af1c',
  '#eb747c',
  '#60fc75',
  '#e2aef6',
  '#bdf6fb',
  '#77a33b',
  '#fafbc3',
];

/** The part of viridis that stands out from the card: the dark end on white, the light end on grey. */
const DEPTHS = {light: [0, 0.56], dark: [0.58, 1]} as const;

export const MOST_HUES = HUES.length;

/** Which of the hues a layer has; of more layers than there are hues, not all have one. */
export type Hues = ReadonlyMap<string, number>;

export const NO_HUES: Hues = new Map();

/** The hues of layers: what was there `before` keeps its own, what is new takes the first that are free. */
export function huesAfter(before: Hues, layers: readonly string[]): Hues {
  const taken = new Set(layers.map(name => before.get(name)));
  const free = HUES.map((_, hue) => hue).filter(hue => !taken.has(hue));
  return new Map(
    layers.flatMap((name): [string, number][] => {
      const hue = before.get(name) ?? free.shift();
      return hue === undefined ? [] : [[name, hue]];
    }),
  );
}

/**
 * The colour of each layer: one of few hues, of more than eight layers along viridis by depth.
 *
 * @param all the names of the model's layers, the first one lowest.
 */
export function layerColors(
  layers: readonly string[],
  all: readonly string[],
  dark: boolean,
  hues: Hues = huesAfter(NO_HUES, layers),
): Map<string, string> {
  const colors = dark ? HUES_DARK : HUES;
  if (layers.length <= MOST_HUES)
    return new Map(layers.map(name => [name, colors[hues.get(name) ?? 0]]));
  const depth = new Map(all.map((name, nth) => [name, nth]));
  const deepest = (name: string): number => depth.get(name) ?? all.length;
  const ordered = [...layers].sort((one, other) => deepest(one) - deepest(other));
  const last = ordered.length - 1;
  return new Map(ordered.map((name, nth) => [name, depthColor(nth / last, dark)]));
}

/** The colours from the first layer to the last one, at a few places between. */
export function depthColors(dark: boolean): string[] {
  return [0, 0.25, 0.5, 0.75, 1].map(part => depthColor(part, dark));
}

function depthColor(part: number, dark: boolean): string {
  const [from, to] = dark ? DEPTHS.dark : DEPTHS.light;
  return viridisAt(from + part * (to - from));
}

/** The colour at a part of viridis, as `#rrggbb`. */
function viridisAt(part: number): string {
  const at = part * (VIRIDIS.length - 1);
  const left = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const [from, to] = [parseHex(VIRIDIS[left]), parseHex(VIRIDIS[left + 1])];
  const mixed = from.map((channel, nth) => Math.round(channel + (at - left) * (to[nth] - channel)));
  return `#${mixed.map(channel => channel.toString(16).padStart(2, '0')).join('')}`;
}
