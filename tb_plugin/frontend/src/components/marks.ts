/** What a chart draws beside its lines: breaks, restarts, findings, the selected step, and what is no number. */

import type uPlot from 'uplot';

import type {Severity} from '../api.ts';
import type {StepAxis} from '../axis.ts';
import type {Curve, Span} from '../curves.ts';
import type {Mark} from '../flight.ts';

const STRIP = 4;

export interface Colors extends Record<Severity, string> {
  text: string;
  grid: string;
  accent: string;
}

/** The theme that the style sheet set on the page; uPlot draws on a canvas, which knows no CSS variables. */
export function pageColors(): Colors {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string => style.getPropertyValue(name).trim();
  return {
    text: value('--muted'),
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
  curves.forEach(({color, spans, restarts}, index) => {
    drawRestarts(
      plot,
      restarts.map(x).filter(at => at !== null),
      color,
    );
    drawSpans(plot, spans, x, color, index);
  });
  drawStep(plot, step === null ? null : x(step), colors.accent);
  ctx.restore();
}

/** NaN and infinity as strips along the top, zero (on a log scale) along the bottom; each run has a height of its own. */
function drawSpans(
  {ctx, bbox}: uPlot,
  spans: readonly Span[],
  x: (step: number) => number | null,
  color: string,
  index: number,
): void {
  const ratio = devicePixelRatio;
  const offset = index * (STRIP + 1) * ratio;
  ctx.fillStyle = color;
  for (const {gap, firstStep, lastStep} of spans) {
    const [first, last] = [x(firstStep), x(lastStep)];
    if (first === null || last === null) continue;
    const y = gap === 'zero' ? bbox.top + bbox.height - STRIP * ratio - offset : bbox.top + offset;
    ctx.fillRect(first - ratio, y, Math.max(3 * ratio, last - first + 2 * ratio), STRIP * ratio);
  }
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
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bottom);
  ctx.stroke();
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
