/** A chart as it is on the page, as what a picture of it is drawn from. Pure. */

import type {Severity} from './api.ts';
import type {Reference} from './charts.ts';
import {edgeOf, shownCurves, type Curve, type ShownCurve} from './curves.ts';
import {chartWords, gapWords} from './curvewords.ts';
import type {Mark} from './flight.ts';
import {formatNumber, formatStep, stepWords} from './format.ts';
import {footerWords, type PictureColors, type PictureMark} from './frame.ts';
import type {ChartPicture, PictureLine, PictureStrip} from './pictures.ts';
import {plotHeight, plotWidth, stepPart, valuePart, type PlotArea} from './plotarea.ts';
import {valueTicks} from './scale.ts';
import type {Zoom} from './zoom.ts';

/** The colours of the page that a chart has. */
export interface ChartColors extends PictureColors, Record<Severity, string> {
  accent: string;
}

/** What is on the page. */
export interface ChartView {
  title: string;
  unit: string;
  area: PlotArea;
  window: Zoom;
  curves: readonly Curve[];
  marks: readonly Mark[];
  reference: Reference | null;
  step: number | null;
  /** What stands below the chart. */
  notes: readonly string[];
  colors: ChartColors;
}

/** How much of a line's colour its raw values have, behind its smoothed ones. */
const FAINT = 0.3;
/** Room for a step's label. */
const LABEL = 70;

export function chartPicture(view: ChartView): ChartPicture {
  const {title, unit, area, window, curves, reference, notes, colors} = view;
  const {page, text, muted, grid} = colors;
  const {axis, scale, range} = area;
  const [low, high] = range;
  const shown = shownCurves(curves, window);
  const usual = reference !== null && reference.from < reference.to ? reference : null;
  return {
    title,
    unit,
    description: chartWords(title, curves),
    axis: 'step',
    width: area.width,
    plotHeight: plotHeight(area),
    xTicks: axis.ticks(plotWidth(area) / LABEL).map(place => ({
      at: partOf(area, place),
      label: formatStep(axis.stepAt(place)),
    })),
    yTicks: valueTicks({scale, low, high}, 5).map(value => ({
      at: valuePart(area, value),
      label: formatNumber(value),
    })),
    lines: shown.flatMap(curve => linesOf(curve, area, page)),
    strips: [...stripsOf(shown, 'top', area), ...stripsOf(shown, 'bottom', area)],
    breaks: axis.breaks.map(({from, to}) => ({from: partOf(area, from), to: partOf(area, to)})),
    range: usual && {
      from: valuePart(area, usual.from),
      to: valuePart(area, usual.to),
      words: 'usual range',
    },
    marks: marksOf(view),
    notes,
    footer: footerWords([...new Set(curves.map(({run}) => run))], window),
    colors: {page, text, muted, grid},
  };
}

function partOf({axis: {low, high}}: PlotArea, place: number): number {
  return (place - low) / (high - low);
}

/** A line and its band, and faint behind it what it was before it was smoothed. */
function linesOf(curve: ShownCurve, area: PlotArea, page: string): PictureLine[] {
  const {label, color, dash, width, values, raw, low, high} = curve;
  const {x, kept} = placesOf(curve.steps, area);
  const y = (points: ShownCurve['values']): (number | null)[] =>
    kept.map(row => {
      const value = row < 0 ? null : points[row];
      return value === null ? null : valuePart(area, value);
    });
  const band = high === null ? undefined : {low: y(low ?? values), high: y(high)};
  const faint = {label: '', color: mixed(color, page, FAINT), width: 1, x};
  const behind = raw === null ? [] : [{...faint, y: y(raw)}];
  const dashed = dash.length === 0 ? undefined : dash.join(' ');
  return [...behind, {label, color, width, dash: dashed, x, y: y(values), band}];
}

/** Where the steps lie; -1 stands for no row, in a break that no line crosses. */
function placesOf(
  steps: readonly number[],
  {axis, ...area}: PlotArea,
): {x: number[]; kept: number[]} {
  const x: number[] = [];
  const kept: number[] = [];
  let before = NaN;
  steps.forEach((step, row) => {
    const place = axis.place(step) ?? NaN;
    if (axis.breaks.some(({from, to}) => before <= from && to <= place)) {
      x.push(NaN);
      kept.push(-1);
    }
    x.push(partOf({axis, ...area}, place));
    kept.push(row);
    before = place;
  });
  return {x, kept};
}

function stripsOf(
  curves: readonly ShownCurve[],
  edge: PictureStrip['edge'],
  area: PlotArea,
): PictureStrip[] {
  const marked = curves
    .map(({spans, ...curve}) => ({
      ...curve,
      spans: spans.filter(span => edgeOf(span) === edge),
    }))
    .filter(({spans}) => spans.length > 0);
  return marked.flatMap(({label, color, spans}, nth) =>
    spans.flatMap(span => {
      const [from, to] = [span.firstStep, span.lastStep].map(step => area.axis.place(step));
      if (from === null || to === null) return [];
      const words = `${label}: ${gapWords(span)}`;
      return [{from: partOf(area, from), to: partOf(area, to), color, edge, nth, words}];
    }),
  );
}

/** The restarts of each run, the findings, and the selected step. */
function marksOf({area, curves, marks, step, colors}: ChartView): PictureMark[] {
  const runs = new Map(curves.map(curve => [curve.run, curve]));
  const several = curves.some(({run, color}) => runs.get(run)?.color !== color);
  const at = (
    kind: PictureMark['kind'],
    where: number,
    color: string,
    words: string,
  ): PictureMark[] => {
    const part = stepPart(area, where);
    return part === null ? [] : [{kind, at: part, color, words}];
  };
  return [
    ...[...runs.values()].flatMap(({restarts, color}) =>
      restarts.flatMap(restart => at('restart', restart, several ? colors.muted : color, '')),
    ),
    ...marks.flatMap(({step: found, severity, words}) =>
      at('finding', found, colors[severity], words),
    ),
    ...(step === null ? [] : at('step', step, colors.accent, stepWords(step, step))),
  ];
}

/** A colour as it looks where so much of it covers the page: `#rgb` or `#rrggbb` as both. */
export function mixed(color: string, page: string, part: number): string {
  const [over, under] = [channels(color), channels(page)];
  if (over === null || under === null) return color;
  const sum = over.map((channel, nth) => Math.round(part * channel + (1 - part) * under[nth]));
  return `#${sum.map(channel => channel.toString(16).padStart(2, '0')).join('')}`;
}

function channels(color: string): number[] | null {
  const digits = color.replace(/^#/, '');
  const long = digits.length === 3 ? digits.replace(/./g, '$&$&') : digits;
  if (!/^[\da-f]{6}$/i.test(long)) return null;
  return [0, 2, 4].map(at => Number.parseInt(long.slice(at, at + 2), 16));
}
