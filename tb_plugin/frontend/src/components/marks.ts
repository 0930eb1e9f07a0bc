/** What a chart draws beside its lines: breaks, restarts, findings, the selected step, and what is no number. */

import type uPlot from 'uplot';

import type {Severity} from '../api.ts';
import type {StepAxis} from '../axis.ts';
import type {ChartColors} from '../chartpicture.ts';
import type {Reference} from '../charts.ts';
import {edgeOf, type Curve} from '../curves.ts';
import type {Mark} from '../flight.ts';

const STRIP = 4;

export interface Colors extends Record<Severity, string> {
  text: string;
  grid: string;
  accent: string;
}

/** The theme that the style sheet set on the page; uPlot draws on a canvas, which knows no CSS variables. */
export function pageColors(): Colors {
  const {muted, grid, accent, critical, warning, info} = chartColors();
  return {text: muted, grid, accent, critical, warning, info};
}

/** The same for a picture, which has words of its own. */
export function chartColors(): ChartColors {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string => style.getPropertyValue(name).trim();
  return {
    page: value('--card'),
    text: value('--text'),
    muted: value('--muted'),
    grid: value('--grid'),
    accent: value('--accent'),
    critical: value('--critical'),
    warning: value('--warning'),
    info: value('--info'),
  };
}

/** Fills the breaks of the axis; to be called before anything else is drawn. */
export function drawBreaks(plot: uPlot, {breaks}: StepAxis, color: string): void {
  const {ctx, bbox} = plot;
  ctx.save();
  clipToPlot(plot);
  ctx.fillStyle = color;
  for (const {from, to} of breaks) {
    const [left, right] = [from, to].map(place => plot.valToPos(place, 'x', true));
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

/** Shades the values of a range, or dots a line at a level; behind everything else. */
export function drawReference(plot: uPlot, reference: Reference | null, color: string): void {
  if (reference === null) return;
  const {ctx, bbox} = plot;
  const {from, to} = reference;
  const y = (value: number): number => plot.valToPos(value, 'y', true);
  ctx.save();
  clipToPlot(plot);
  if (from < to) {
    ctx.globalAlpha = 0.13;
    ctx.fillStyle = color;
    ctx.fillRect(bbox.left, y(to), bbox.width, y(from) - y(to));
  } else {
    ctx.strokeStyle = color;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y(from));
    ctx.lineTo(bbox.left + bbox.width, y(from));
    ctx.stroke();
  }
  ctx.restore();
}

function clipToPlot({ctx, bbox}: uPlot): void {
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
}

/** Draws the marks of all curves, and the selected step over them. */
export function drawMarks(
  plot: uPlot,
  {
    curves,
    step,
    marks = [],
  }: {curves: readonly Curve[]; step: number | null; marks?: readonly Mark[] | undefined},
  axis: StepAxis,
  colors: Colors,
): void {
  const {ctx} = plot;
  const x = (at: number): number | null => {
    const place = axis.place(at);
    return place === null ? null : plot.valToPos(place, 'x', true);
  };
  ctx.save();
  clipToPlot(plot);
  for (const {step: at, severity} of marks) drawFinding(plot, x(at), colors[severity]);
  for (const {restarts, color} of restarted(curves, colors.text))
    drawRestarts(
      plot,
      restarts.map(x).filter(at => at !== null),
      color,
    );
  for (const edge of ['top', 'bottom'] as const) drawStrips(plot, curves, edge, x);
  drawStep(plot, step === null ? null : x(step), colors.accent);
  ctx.restore();
}

/** Of each run its restarts, in the colour of its line, in another one where it has several. */
function restarted(
  curves: readonly Curve[],
  other: string,
): Pick<Curve, 'restarts' | 'color'>[] {
  const runs = new Map<string, Curve[]>();
  for (const curve of curves) runs.set(curve.run, [...(runs.get(curve.run) ?? []), curve]);
  return [...runs.values()].map(([first, ...more]) => ({
    restarts: first.restarts,
    color: more.every(({color}) => color === first.color) ? first.color : other,
  }));
}

/** So much of the plot's height may be covered by strips. */
const MOST_STRIPS = 0.3;

/** NaN and infinity as strips along the top, zero and less (on a log scale) along the bottom; each line has its own height. */
function drawStrips(
  {ctx, bbox}: uPlot,
  curves: readonly Curve[],
  edge: 'top' | 'bottom',
  x: (step: number) => number | null,
): void {
  const marked = curves
    .map(({color, spans}) => ({color, spans: spans.filter(span => edgeOf(span) === edge)}))
    .filter(({spans}) => spans.length > 0);
  const ratio = devicePixelRatio;
  const most = (MOST_STRIPS * bbox.height) / (ratio * Math.max(1, marked.length));
  const apart = Math.min(STRIP + 1, most) * ratio;
  const strip = Math.min(STRIP * ratio, Math.max(apart - ratio, apart / 2));
  marked.forEach(({color, spans}, nth) => {
    ctx.fillStyle = color;
    const offset = nth * apart;
    const y = edge === 'top' ? bbox.top + offset : bbox.top + bbox.height - strip - offset;
    for (const {firstStep, lastStep} of spans) {
      const [first, last] = [x(firstStep), x(lastStep)];
      if (first === null || last === null) continue;
      ctx.fillRect(first - ratio, y, Math.max(3 * ratio, last - first + 2 * ratio), strip);
    }
  });
}

/** A line that stands on a triangle, in the colour of the finding's severity. */
function drawFinding({ctx, bbox}: uPlot, x: number | null, color: string): void {
  if (x === null) return;
  const ratio = devicePixelRatio;
  const bottom = bbox.top + bbox.height;
  ctx.strokeStyle = color;
  ctx.fillStyle = color;
  ctx.lineWidth = ratio;
  ctx.setLineDash([]);
  ctx.globalAlpha = 0.6;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bottom);
  ctx.stroke();
  ctx.globalAlpha = 1;
  ctx.beginPath();
  ctx.moveTo(x - 5 * ratio, bottom);
  ctx.lineTo(x + 5 * ratio, bottom);
  ctx.lineTo(x, bottom - 7 * ratio);
  ctx.fill();
}

function drawStep({ctx, bbox}: uPlot, x: number | null, color: string): void {
  if (x === null) return;
  const ratio = devicePixelRatio;
  ctx.strokeStyle = color;
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash([4 * ratio, 3 * ratio]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
}

/** A faint dotted line at each restart, where they are few enough to leave room for the curve. */
function drawRestarts({ctx, bbox}: uPlot, at: readonly number[], color: string): void {
  const ratio = devicePixelRatio;
  const inside = at.filter(x => x >= bbox.left && x <= bbox.left + bbox.width);
  const tall = inside.length <= bbox.width / (24 * ratio);
  ctx.strokeStyle = color;
  ctx.globalAlpha = 0.9;
  ctx.lineWidth = ratio;
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  for (const x of inside) {
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x, tall ? bbox.top : bbox.top + bbox.height - 6 * ratio);
    ctx.stroke();
  }
  ctx.globalAlpha = 1;
  ctx.setLineDash([]);
}
