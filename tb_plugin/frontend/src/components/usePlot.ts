/** A chart's lines, drawn by uPlot on a canvas that is kept while only numbers, window or step change. */

import type {RefObject} from 'preact';
import {useEffect, useLayoutEffect, useRef} from 'preact/hooks';
import uPlot from 'uplot';

import type {Scale} from '../api.ts';
import type {StepAxis} from '../axis.ts';
import type {Reference} from '../charts.ts';
import type {Cursor} from '../cursor.ts';
import type {Curve} from '../curves.ts';
import type {Mark} from '../flight.ts';
import {formatNumber, formatStep} from '../format.ts';
import {MARGIN} from '../plotarea.ts';
import {valueTicks} from '../scale.ts';
import type {Zoom} from '../zoom.ts';
import {drawBreaks, drawMarks, drawReference, pageColors} from './marks.ts';

/** What a plot shows. */
export interface Plotted {
  curves: readonly Curve[];
  /** Of each curve the same over the whole run. */
  wholes: readonly Curve[];
  axis: StepAxis;
  scale: Scale;
  range: readonly [low: number, high: number];
  marks: readonly Mark[];
  reference: Reference | null;
  step: number | null;
  dark: boolean;
  height: number;
  /** Takes the recorded step under the pointer; null when that leaves. */
  cursor: Cursor;
  onStep: (step: number | null) => void;
  onZoom: (zoom: Zoom | null) => void;
}

interface Latest {
  current: Plotted;
}

/** Keeps a plot in the box: a new one for other lines, the same one for other numbers, another window or step. */
export function usePlot(
  box: RefObject<HTMLDivElement | null>,
  width: number,
  plotted: Plotted,
): void {
  const {curves, wholes, range, axis, scale, dark, height, marks, reference, step} = plotted;
  const latest = useRef(plotted);
  latest.current = plotted;
  const plot = useRef<{made: uPlot; lines: string} | null>(null);
  const lines = curves
    .map((curve, index) => lineKey(curve, banded(curves, wholes, index), isPoint(wholes[index])))
    .join();
  useEffect(() => {
    if (box.current === null || width === 0 || lines === '') return;
    const made = new uPlot(options(latest, width), aligned(latest.current), box.current);
    plot.current = {made, lines};
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [box, width, height, lines, scale, dark]);
  useLayoutEffect(() => {
    if (plot.current?.lines !== lines) return;
    plot.current.made.setData(aligned(latest.current), false);
    plot.current.made.redraw();
  }, [curves, lines]);
  const {low, high} = axis;
  const [bottom, top] = range;
  // The values' range goes along with that of the steps.
  useLayoutEffect(
    () => plot.current?.made.setScale('x', {min: low, max: high}),
    [low, high, bottom, top],
  );
  useEffect(() => plot.current?.made.redraw(false), [step, marks, reference]);
}

/** What of a line is fixed in a plot. */
function lineKey({label, color, dash, width, raw}: Curve, band: boolean, point: boolean): string {
  return [label, color, dash.join(' '), width, raw !== null, band, point].join('\n');
}

/** Whether a line is one point alone. */
function isPoint({values}: Curve): boolean {
  return values.filter(value => value !== null).length === 1;
}

/** Whether a curve has a band here or elsewhere in its run. */
function banded(curves: readonly Curve[], wholes: readonly Curve[], index: number): boolean {
  return curves[index].high !== null || wholes[index].high !== null;
}

/** Per line the edges of its band where it has one, lower and upper, its raw values where it is smoothed, its own. */
function aligned({curves, wholes, axis}: Plotted): uPlot.AlignedData {
  const {place, breaks} = axis;
  const tables = curves.map(({steps, values, raw, low, high}, index): uPlot.AlignedData => {
    const places = steps.map(step => place(step) ?? NaN);
    const none = banded(curves, wholes, index) && high === null ? steps.map(() => null) : null;
    const band = high === null ? none && [none, none] : [low ?? values, high];
    return [places, ...(band ?? []), ...(raw === null ? [] : [raw]), values];
  });
  if (breaks.length === 0) return uPlot.join(tables);
  // No line crosses a break: where a run has no update, it has a gap.
  const middles = breaks.map(({from, to}) => (from + to) / 2);
  const [places, ...lines] = uPlot.join([...tables, [middles]]);
  return [places, ...lines.map(line => Array.from(line, value => value ?? null))];
}

function options(latest: Latest, width: number): uPlot.Options {
  const {curves, wholes, scale, height} = latest.current;
  const color = pageColors();
  const pointer = watchedPointer(latest);
  const style = {
    stroke: color.text,
    font: '11px Roboto, system-ui, sans-serif',
    grid: {stroke: color.grid, width: 1},
    ticks: {stroke: color.grid, width: 1, size: 4},
  };
  return {
    width,
    height,
    legend: {show: false},
    padding: [MARGIN.top, MARGIN.right, 0, 0],
    scales: {
      x: {time: false, range: () => [latest.current.axis.low, latest.current.axis.high]},
      y: {distr: scale === 'log' ? 3 : 1, range: () => [...latest.current.range]},
    },
    axes: [
      {
        ...style,
        size: MARGIN.bottom,
        splits: () => latest.current.axis.ticks(width / 70),
        filter: (_, ticks) => ticks,
        values: (_, ticks) => ticks.map(place => formatStep(latest.current.axis.stepAt(place))),
      },
      {
        ...style,
        size: MARGIN.left,
        // uPlot draws no axis whose span is beyond its own increments, 1e15 or so, nor one with an increment below 5
        // that is not among them; the ticks do not come from it
        incrs: (_, __, low, high) => [Math.max(5, high - low)],
        splits: () => ticksOf(latest.current),
        filter: (_, ticks) => ticks,
        values: (_, ticks) => ticks.map(formatNumber),
      },
    ],
    ...seriesOf(curves, wholes),
    cursor: {
      x: false,
      y: false,
      drag: {x: true, y: false, setScale: false},
      points: {show: false},
      bind: {dblclick: () => () => (pointer.doubled(), null)},
    },
    hooks: {
      ready: [pointer.watch],
      setScale: [pointer.rescaled],
      setSelect: [plot => zoomTo(plot, latest.current)],
      drawClear: [
        plot => {
          drawReference(plot, latest.current.reference, color.text);
          drawBreaks(plot, latest.current.axis, color.grid);
        },
      ],
      draw: [plot => drawMarks(plot, latest.current, latest.current.axis, color)],
    },
  };
}

function ticksOf({scale, range: [low, high]}: Plotted): number[] {
  return valueTicks({scale, low, high}, 5);
}

/** Of more lines bands are fainter, the edge and what is inside: all on each other must not hide the lines. */
const BANDS = [
  {most: 1, edge: 'b0', fill: '30'},
  {most: 3, edge: '90', fill: '1c'},
  {most: Infinity, edge: '48', fill: '0b'},
];
/** What was recorded, behind a smoothed line. */
const FAINT = '48';
/** The diameters of points that no line reaches. */
const DOTS = {edge: 3, among: 5, alone: 9};

function seriesOf(
  curves: readonly Curve[],
  wholes: readonly Curve[],
): Pick<uPlot.Options, 'series' | 'bands'> {
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  const {edge, fill} = BANDS.find(({most}) => curves.length <= most) ?? BANDS[0];
  const dots = (size: number, fill: string): uPlot.Series.Points => ({
    show: true,
    size,
    fill,
    filter: lonePoints,
  });
  for (const [index, {label, color, dash, width, raw}] of curves.entries()) {
    if (banded(curves, wholes, index)) {
      const lower = series.length;
      series.push(
        {stroke: 'transparent', width: 0, points: {show: false}},
        {
          stroke: `${color}${raw === null ? edge : FAINT}`,
          width: 1,
          points: dots(DOTS.edge, color),
        },
      );
      bands.push({series: [lower + 1, lower], fill: `${color}${fill}`});
    }
    if (raw !== null) series.push({stroke: `${color}${FAINT}`, width: 1, points: {show: false}});
    series.push({
      label,
      stroke: color,
      width,
      dash: dash.map(length => length * devicePixelRatio),
      spanGaps: false,
      points: dots(isPoint(wholes[index]) ? DOTS.alone : DOTS.among, color),
    });
  }
  return {series, bands};
}

const lone = new WeakMap<object, number[]>();

/** The points that no line reaches, because what stands before and after them is no number. */
function lonePoints(plot: uPlot, series: number): number[] {
  const values = plot.data[series];
  const known = lone.get(values);
  if (known !== undefined) return known;
  const alone: number[] = [];
  // Undefined is a place that only other lines have.
  let [joined, candidate] = [false, -1];
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value === undefined) continue;
    if (candidate >= 0 && value === null) alone.push(candidate);
    candidate = value === null || joined ? -1 : index;
    joined = value !== null;
  }
  if (candidate >= 0) alone.push(candidate);
  lone.set(values, alone);
  return alone;
}

function zoomTo(plot: uPlot, {axis, onZoom}: Plotted): void {
  const {left, width} = plot.select;
  if (width < 5) return;
  const [from, to] = [left, left + width].map(x => axis.stepAt(plot.posToVal(x, 'x')));
  const firstStep = Math.max(1, from);
  plot.setSelect({left: 0, top: 0, width: 0, height: 0}, false);
  onZoom({firstStep, lastStep: Math.max(firstStep, to)});
}

/** What the pointer does in a plot. */
interface Pointer {
  watch: (plot: uPlot) => void;
  /** The window moved below the pointer, which may rest. */
  rescaled: (plot: uPlot, scale: string) => void;
  doubled: () => void;
}

/** A press that moved so far is a drag. */
const DRAG_PIXELS = 5;

/** Tells the recorded step under the pointer; a press that does not move picks it or lets it go, two show all steps. */
function watchedPointer(latest: Latest): Pointer {
  let pressed = 0;
  /** The step that was selected before a press, the first of two. */
  let before: number | null = null;
  let at: {clientX: number; told: number | null} | null = null;
  const tell = (plot: uPlot, clientX: number): void => {
    at = {clientX, told: stepUnder(plot, clientX, latest.current)};
    latest.current.cursor.point(at.told);
  };
  return {
    watch: plot => {
      const {over} = plot;
      over.addEventListener('mousemove', ({clientX}) => tell(plot, clientX));
      over.addEventListener('mouseleave', () => {
        at = null;
        latest.current.cursor.point(null);
      });
      over.addEventListener('mousedown', ({clientX, detail}) => {
        pressed = clientX;
        if (detail <= 1) before = latest.current.step;
      });
      over.addEventListener('click', ({clientX, detail}) => {
        if (detail > 1 || Math.abs(clientX - pressed) >= DRAG_PIXELS) return;
        const {step, onStep} = latest.current;
        const under = stepUnder(plot, clientX, latest.current);
        if (under !== null) onStep(under === step ? null : under);
      });
    },
    rescaled: (plot, scale) => {
      // Keys may have taken the step elsewhere since.
      if (scale === 'x' && at !== null && at.told === latest.current.cursor.step)
        tell(plot, at.clientX);
    },
    doubled: () => {
      const {onStep, onZoom} = latest.current;
      onStep(before);
      onZoom(null);
    },
  };
}

/** The recorded step nearest to a place on the page. */
function stepUnder(plot: uPlot, clientX: number, {axis}: Plotted): number | null {
  const place = plot.data[0][plot.posToIdx(clientX - plot.over.getBoundingClientRect().left)];
  return place === undefined ? null : axis.stepAt(place);
}
