/** The lines of the charts: of the shown runs, and of the overlaid layers of each; and the tables for them. Pure. */

import {flightUrl, layerUrl, statisticUrl, type Run, type Scale, type Table} from './api.ts';
import {ownScale, type Also, type Column} from './charts.ts';
import {curveOf, type Curve, type Look, type Shown} from './curves.ts';
import {depthColors, layerColors, type Hues} from './hues.ts';
import {errorOf, tableOf, wholeOf} from './levels.ts';
import {LOSS_COLUMN} from './flight.ts';
import {named} from './plain.ts';
import {drawnLayers, hasLayer, runColors, scaleOf, selectedRun, shownRuns} from './selection.ts';
import {smoothedCurve} from './smoothing.ts';
import {lossPeakUrl} from './sources.ts';
import type {State} from './state.ts';
import {besidePeaks} from './table.ts';

/** The table of a run or of a layer, as fine as it is there for the zoom, and the whole of it; null until they are there. */
export interface Line extends Look {
  run: Run;
  /** Null for what a step has one number of. */
  layer: string | null;
  url: string;
  table: Table | null;
  whole: Table | null;
  error: string | null;
}

export const SOLID: readonly number[] = [];
/** How further runs are drawn when colours tell layers apart. */
const DASHES: readonly (readonly number[])[] = [
  [9, 4],
  [2, 3],
  [9, 3, 2, 3],
  [5, 2],
  [9, 3, 2, 3, 2, 3],
  [14, 4],
];
/** How the second statistic of a chart is drawn. */
const ALSO_DASH: readonly number[] = [4, 3];

/** The selected run's lines stand out from others'. */
const WIDTHS = {own: 2.5, other: 1.5};
/** Of more lines than `MANY`, which have no bands either. */
const NARROW_WIDTHS = {own: 1.75, other: 1};
export const MANY = 16;

function widthOf(run: Run, state: State, widths = WIDTHS): number {
  return run.name === state.run && shownRuns(state).length > 1 ? widths.own : widths.other;
}

/** The lines of the shown runs, each in its run's colour. */
export function linesOf(state: State, urlOf: (run: Run) => string): Line[] {
  return shownRuns(state).map(run => ({
    ...lineOf(state, run, urlOf(run)),
    width: widthOf(run, state),
  }));
}

/** A line of a run that no other is drawn with. */
function lineOf(state: State, run: Run, url: string): Line {
  const color = runColors(state).get(run.name) ?? '';
  const look = {label: named(run.name), color, dash: SOLID, width: WIDTHS.other};
  return {run, layer: null, ...look, ...tablesOf(state, url)};
}

/** The lines of the selected run's flight record, ticked or not: the page is about that run. Null without a record. */
export function flightLine(state: State): Line | null {
  const run = selectedRun(state);
  if (run === null || run.flight === null) return null;
  const line = lineOf(state, run, flightUrl(run.name));
  // While a reload is on its way the run may have layers that its older table has not.
  const table = line.table?.columns === run.layers.length + 1 ? line.table : null;
  return {...line, table, whole: table};
}

/** What the table of a line of the loss has, beside each other. */
export const LOSS_COLUMNS: readonly string[] = [LOSS_COLUMN, 'loss_peak'];

/** The lines of the shown runs' losses, with the largest loss since the record before beside each. */
export function lossLines(state: State): Line[] {
  return linesOf(state, ({name}) => statisticUrl(name, LOSS_COLUMN)).map(line => {
    const peaks = tablesOf(state, lossPeakUrl(line.run));
    return {
      ...line,
      table: withPeaks(line.table, peaks.table),
      whole: withPeaks(line.whole, peaks.whole),
      error: line.error ?? peaks.error,
    };
  });
}

/** The whole loss of a run as `lossLines` has it; null until it is there. */
export function wholeLoss({tables}: Pick<State, 'tables'>, run: Run): Table | null {
  const loss = wholeOf(tables.get(statisticUrl(run.name, LOSS_COLUMN)));
  return withPeaks(loss, wholeOf(tables.get(lossPeakUrl(run))));
}

/** What was joined last with each loss: the same object while both tables are, so that nothing is drawn again. */
const peaked = new WeakMap<Table, {peaks: Table | null; table: Table}>();

function withPeaks(loss: Table | null, peaks: Table | null): Table | null {
  if (loss === null) return null;
  const held = peaked.get(loss);
  if (held?.peaks === peaks) return held.table;
  const table = besidePeaks(loss, peaks);
  peaked.set(loss, {peaks, table});
  return table;
}

/** The scale of the loss's charts: the user's, else one on which every loss of these has a place. */
export function lossScale(state: State): Scale {
  const losses = linesOf(state, ({name}) => statisticUrl(name, LOSS_COLUMN));
  const flown = flightLine(state)?.table ?? null;
  const columns: Column[] = [
    ...columnsOf(losses),
    ...(flown === null ? [] : [{table: flown, column: flown.columns - 1}]),
  ];
  return scaleOf(state, LOSS_COLUMN, ownScale(columns));
}

/** The only columns of the lines' tables, over the whole runs. */
export function columnsOf(lines: readonly Line[]): Column[] {
  return lines.flatMap(({whole}) => (whole === null ? [] : [{table: whole, column: 0}]));
}

function tablesOf(
  {tables, zoom}: State,
  url: string,
): Pick<Line, 'url' | 'table' | 'whole' | 'error'> {
  const entry = tables.get(url);
  return {url, table: tableOf(entry, zoom), whole: wholeOf(entry), error: errorOf(entry)};
}

/** What tells the lines of the layer view apart: runs by colour or dash, layers by colour. */
export interface LayerLooks {
  /** With one layer the colour is the run's, with more the layer's. */
  several: boolean;
  runs: readonly {run: Run; color: string; dash: readonly number[]}[];
  layers: ReadonlyMap<string, string>;
  /** The colours of many layers, from the model's first to its last one. */
  depths: readonly string[];
}

/** @param hues those that the overlaid layers have already; without them the first ones. */
export function layerLooks(state: State, hues?: Hues): LayerLooks {
  const {layers, dark} = state;
  const shown = shownRuns(state);
  const selected = selectedRun(state);
  const first = shown.find(run => run === selected) ?? shown[0];
  const several = layers.length > 1;
  const colors = runColors(state);
  const others = shown.filter(run => run !== first);
  const all = (selected ?? first)?.layers.map(({name}) => name) ?? [];
  return {
    several,
    runs: shown.map(run => ({
      run,
      color: colors.get(run.name) ?? '',
      dash: !several || run === first ? SOLID : DASHES[others.indexOf(run) % DASHES.length],
    })),
    layers: several ? layerColors(layers, all, dark, hues) : new Map(),
    depths: depthColors(dark),
  };
}

/** A line of each overlaid layer, as far as these are drawn, of each shown run that has it. */
export function layerLines(state: State, hues?: Hues): Line[] {
  const {several, runs, layers} = layerLooks(state, hues);
  const pairs = drawnLayers(state).flatMap(layer =>
    runs.filter(({run}) => hasLayer(run, layer)).map(look => ({...look, layer})),
  );
  const widths = pairs.length > MANY ? NARROW_WIDTHS : WIDTHS;
  return pairs.map(({run, layer, dash, color}) => ({
    run,
    layer,
    label: several ? labelOf(run, layer, runs.length) : named(run.name),
    color: layers.get(layer) ?? color,
    dash,
    width: widthOf(run, state, widths),
    ...tablesOf(state, layerUrl(run.name, layer)),
  }));
}

/** `run · layer`, wherever both matter. */
function labelOf({name}: Run, layer: string, runs: number): string {
  return runs > 1 ? `${named(name)} · ${named(layer)}` : named(layer);
}

/** A chart's curves, and the same over the whole runs. */
export interface Drawn {
  curves: Curve[];
  wholes: Curve[];
}

/** What a chart draws of its lines. */
export interface Show extends Shown {
  also?: Also | undefined;
}

/**
 * The curves of lines, the thinner ones first: what comes later is drawn over it.
 *
 * @param namesOf the columns of a run's table; a table that has others is an older one, and is left out.
 */
export function drawn(
  lines: readonly Line[],
  show: Show,
  namesOf: (run: Run) => readonly string[],
): Drawn {
  const curves: Curve[] = [];
  const wholes: Curve[] = [];
  const {also, scale} = show;
  for (const line of lines.toSorted((one, other) => one.width - other.width)) {
    const main = pairOf(line, look(line), show, namesOf(line.run));
    if (main === null) continue;
    const second = also && alsoOf(line, also, scale, namesOf(line.run));
    const pairs = second && differs(second.whole, main.whole) ? [main, second] : [main];
    curves.push(...pairs.map(({part}) => part));
    wholes.push(...pairs.map(({whole}) => whole));
  }
  return {curves, wholes};
}

/** The same without the bands of very many lines, which would hide these and take as long to draw. */
export function unbanded({curves, wholes}: Drawn): Drawn {
  if (curves.length <= MANY) return {curves, wholes};
  const line = (curve: Curve): Curve => ({...curve, low: null, high: null});
  return {curves: curves.map(line), wholes: wholes.map(line)};
}

/** The same with lines smoothed as it fits the scale. */
export function smoothedDrawn({curves, wholes}: Drawn, weight: number, scale: Scale): Drawn {
  const smooth = (curve: Curve): Curve => smoothedCurve(curve, weight, scale);
  return {curves: curves.map(smooth), wholes: wholes.map(smooth)};
}

interface Pair {
  part: Curve;
  whole: Curve;
}

function look({label, color, dash, width}: Line): Look {
  return {label, color, dash, width};
}

/** The curve of a line for the window, and that of the whole run. */
function pairOf(
  {run, layer, table, whole}: Line,
  looks: Look,
  show: Shown,
  names: readonly string[],
): Pair | null {
  const curve = (from: Table | null): Curve | null =>
    from?.columns === names.length
      ? curveOf(run, looks, from, names, show, layer ?? '')
      : null;
  const all = curve(whole);
  const part = table === whole ? all : curve(table);
  return all === null || part === null ? null : {part, whole: all};
}

function alsoOf(
  line: Line,
  {name, words}: Also,
  scale: Scale,
  names: readonly string[],
): Pair | null {
  const looks = {...look(line), label: `${line.label} · ${words}`, dash: ALSO_DASH, width: 1.2};
  return pairOf(line, looks, {name, low: null, high: null, scale}, names);
}

/** Beyond this part of a value the one is not the other, rounded otherwise. */
const ROUNDED = 1e-5;

function differs({values: one}: Curve, {values: other}: Curve): boolean {
  return one.some((value, row) => {
    const against = other[row];
    if (value === null || against === null) return value !== against;
    return Math.abs(value - against) > ROUNDED * Math.abs(against);
  });
}
