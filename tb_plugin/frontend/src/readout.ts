/** What charts tell of a step: which lines, in which order, and how. Pure. */

import {pointAt, type Curve} from './curves.ts';
import {readoutWords, valueAt} from './curvewords.ts';
import {MARGIN, plotHeight, type PlotArea} from './plotarea.ts';

/** A line's point for a step. */
export interface Entry {
  curve: Curve;
  /** Null where the line has no number. */
  value: number | null;
}

/**
 * The lines that have a record for the step, the highest first, those without a number last.
 *
 * @param exact whether a record of another step, just before, is none.
 */
export function entriesAt(curves: readonly Curve[], step: number, exact: boolean): Entry[] {
  const entries = curves
    .filter(curve => reaches(curve, step, exact))
    .map(curve => ({curve, value: curve.values[pointAt(curve, step)]}));
  return entries.sort((one, other) => height(other) - height(one));
}

function height({value}: Entry): number {
  return value ?? -Infinity;
}

/** Whether the last record until the step is not longer ago than records are apart at the end. */
function reaches(curve: Curve, step: number, exact: boolean): boolean {
  const at = pointAt(curve, step);
  if (at < 0) return false;
  const {first, last} = curve;
  if (exact) return step <= last[at];
  const apart = at > 0 ? last[at] - last[at - 1] : last[at] - first[at] + 1;
  return at < last.length - 1 || step <= last[at] + apart;
}

/** The entries that there is room for, as they came, and the one that is pointed at. */
export interface Told {
  entries: readonly Entry[];
  nearest: Entry | null;
  more: number;
}

/**
 * The `most` entries nearest to the pointer, else the first ones.
 *
 * @param topOf where a value lies; `y`, where the pointer is, null while it is elsewhere.
 */
export function nearestEntries(
  entries: readonly Entry[],
  most: number,
  y: number | null,
  topOf: (value: number) => number,
): Told {
  const more = Math.max(0, entries.length - most);
  if (y === null) return {entries: entries.slice(0, most), nearest: null, more};
  const away = ({value}: Entry): number =>
    value === null ? Infinity : Math.abs(topOf(value) - y) || 0;
  const ordered = entries.toSorted((one, other) => away(one) - away(other));
  const near = new Set(ordered.slice(0, most));
  return {
    entries: entries.filter(entry => near.has(entry)),
    nearest: ordered.find(({value}) => value !== null) ?? null,
    more,
  };
}

/** So many values are told in a line. */
const MOST_BRIEF = 3;

/** What a line of words tells of a step: of the thickest curves the values alone, and whether there are more. */
export function briefEntries(
  curves: readonly Curve[],
  step: number,
  exact: boolean,
): {entries: {curve: Curve; words: string}[]; more: boolean} {
  const reaching = curves.filter(curve => reaches(curve, step, exact));
  const bare = (curve: Curve): Curve => ({...curve, low: null, high: null, raw: null});
  return {
    entries: reaching
      .toSorted((one, other) => other.width - one.width)
      .slice(0, MOST_BRIEF)
      .map(curve => ({curve, words: valueAt(bare(curve), step)})),
    more: reaching.length > MOST_BRIEF,
  };
}

/** Whether a box of words hides fewer of the points beside it at the bottom of the plot than at its top. */
export function isLow(
  tops: readonly number[],
  boxHeight: number,
  area: Pick<PlotArea, 'height'>,
): boolean {
  const end = MARGIN.top + plotHeight(area);
  const above = tops.filter(top => top <= MARGIN.top + boxHeight).length;
  const below = tops.filter(top => top >= end - boxHeight && top <= end).length;
  return below < above;
}

/** What a screen reader says of a step: `step 40; a 0.5; b NaN; and 2 more`. */
export function spokenWords(curves: readonly Curve[], step: number, exact: boolean): string {
  const entries = entriesAt(curves, step, exact);
  const told = entries.slice(0, 10);
  const more = entries.length - told.length;
  return [
    readoutWords(curves, step),
    ...told.map(({curve}) => `${curve.label} ${valueAt(curve, step)}`),
    ...(more > 0 ? [`and ${more} more`] : []),
  ].join('; ');
}

/** The next step with a record after the step, or before it; null without one. */
export function nextRecord(
  curves: readonly Curve[],
  step: number,
  direction: -1 | 1,
): number | null {
  const next = curves.flatMap(({steps}) => {
    const found =
      direction > 0 ? steps.find(other => other > step) : steps.findLast(other => other < step);
    return found === undefined ? [] : [found];
  });
  if (next.length === 0) return null;
  return direction > 0 ? Math.min(...next) : Math.max(...next);
}

/** Where a key takes the step: to the record beside it, or to the first or last one; undefined for other keys. */
export function stepAfterKey(
  key: string,
  curves: readonly Curve[],
  step: number,
): number | null | undefined {
  switch (key) {
    case 'ArrowLeft':
      return nextRecord(curves, step, -1);
    case 'ArrowRight':
      return nextRecord(curves, step, 1);
    case 'Home':
      return nextRecord(curves, -Infinity, 1);
    case 'End':
      return nextRecord(curves, Infinity, -1);
    default:
      return undefined;
  }
}

/** The curves' labels, without what the names of all runs, or of all layers, begin or end with. */
export function shortLabels(curves: readonly Curve[]): Map<Curve, string> {
  const runs = shortNames(curves.map(({run}) => run));
  const layers = shortNames(curves.map(({source}) => source.layer));
  return new Map(
    curves.map(curve => {
      const {label, run, source} = curve;
      const named = (name: string, short: Map<string, string>): [string, string] => [
        name,
        short.get(name) ?? name,
      ];
      return [
        curve,
        label.replace(...named(source.layer, layers)).replace(...named(run, runs)),
      ];
    }),
  );
}

/** Of each name what tells it from the others: `encoder/block_1/kernel` → `block_1`. */
export function shortNames(names: readonly string[]): Map<string, string> {
  const paths = [...new Set(names)].map(name => ({name, parts: name.split('/')}));
  const most = Math.min(...paths.map(({parts}) => parts.length)) - 1;
  const alike = (at: (parts: readonly string[]) => string | undefined): boolean =>
    paths.every(({parts}) => at(parts) === at(paths[0].parts));
  if (paths.length < 2) return new Map(paths.map(({name}) => [name, name]));
  let start = 0;
  while (start < most && alike(parts => parts[start])) start += 1;
  let end = 0;
  while (start + end < most && alike(parts => parts[parts.length - 1 - end])) end += 1;
  return new Map(
    paths.map(({name, parts}) => [name, parts.slice(start, parts.length - end).join('/')]),
  );
}
