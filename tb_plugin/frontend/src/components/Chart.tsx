/** One statistic of several runs as lines over steps, drawn by uPlot. */

import type {JSX} from 'preact';
import {useEffect, useLayoutEffect, useMemo, useRef, useState} from 'preact/hooks';
import uPlot from 'uplot';

import type {Scale} from '../api.ts';
import {closedAxis, evenAxis, type StepAxis} from '../axis.ts';
import {allSpanWords, bandWords, chartWords, readoutWords, valueAt, type Curve} from '../curves.ts';
import type {Mark} from '../flight.ts';
import {formatNumber, formatStep} from '../format.ts';
import {valueTicks} from '../scale.ts';
import type {Zoom} from '../zoom.ts';
import {drawBreaks, drawMarks, pageColors} from './marks.ts';
import {useInView} from './useInView.ts';
import {useWidth} from './useWidth.ts';

interface Props {
  name: string;
  title: string;
  unit: string;
  description: string;
  scale: Scale;
  curves: readonly Curve[];
  /** Of each curve the same over the whole run. */
  wholes: readonly Curve[];
  /** The values that there is room for. */
  range: readonly [low: number, high: number];
  /** What the band around each line means. */
  band?: string | undefined;
  /** The only steps that the axis has, where it leaves out those between; without them it has all. */
  only?: readonly number[];
  marks?: readonly Mark[];
  /** What is not drawn, and why. */
  absent: readonly string[];
  zoom: Zoom;
  step: number | null;
  dark: boolean;
  height: number;
  onStep: (step: number) => void;
  onZoom: (zoom: Zoom | null) => void;
}

export function Chart(props: Props): JSX.Element {
  const {curves, only, zoom, band} = props;
  const {firstStep, lastStep} = zoom;
  const axis = useMemo(
    () =>
      only === undefined
        ? evenAxis({firstStep, lastStep})
        : closedAxis(only, {firstStep, lastStep}),
    [only, firstStep, lastStep],
  );
  const figure = useRef<HTMLElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [step, setStep] = useState<number | null>(null);
  // What cannot be seen is drawn once, and again when it is scrolled to.
  const plotted = useRef<Plotted>({...props, axis});
  if (useInView(figure) || plotted.current.curves.length === 0) plotted.current = {...props, axis};
  usePlot(box, width, plotted.current, setStep);
  const {title, wholes} = props;
  const told = useMemo(
    () => ({
      label: chartWords(title, wholes),
      spans: allSpanWords(curves, wholes),
      band: bandWords(band, curves, wholes),
    }),
    [title, band, curves, wholes],
  );
  return (
    <figure ref={figure} class="chart" data-statistic={props.name}>
      <figcaption title={props.description}>
        <strong>{title}</strong> <span class="unit">{props.unit}</span>
        <Readout
          curves={curves.filter(({steps}) => only === undefined || steps.includes(step ?? -1))}
          step={step}
        />
      </figcaption>
      <div
        ref={box}
        class="lines"
        role="img"
        aria-label={told.label}
        style={curves.length === 0 ? {display: 'none'} : {}}
      />
      {told.band !== null && (
        <p class="hint band">
          {curves.some(({high}) => high !== null) && <span class="key" />}
          {told.band}
        </p>
      )}
      {[...props.absent, ...told.spans].map(word => (
        <p key={word} class="hint">
          {word}
        </p>
      ))}
    </figure>
  );
}

function Readout({
  curves,
  step,
}: {
  curves: readonly Curve[];
  step: number | null;
}): JSX.Element | null {
  if (step === null) return null;
  return (
    <span class="readout">
      {readoutWords(curves, step)}
      {curves.map(curve => (
        <span key={curve.run} title={curve.run}>
          <span class="swatch" style={{background: curve.color}} />
          {valueAt(curve, step)}
        </span>
      ))}
    </span>
  );
}

/** Keeps a plot in the box: a new one for other lines, the same one for other numbers, another window or step. */
function usePlot(
  box: {current: HTMLDivElement | null},
  width: number,
  plotted: Plotted,
  hovered: (step: number | null) => void,
): void {
  const {curves, wholes, range, axis, scale, dark, height, marks, only, step} = plotted;
  const latest = useRef(plotted);
  latest.current = plotted;
  const plot = useRef<{made: uPlot; lines: string} | null>(null);
  const [bottom, top] = range;
  const lines = curves
    .map(({run, color}, index) => `${run} ${color} ${banded(curves, wholes, index)}`)
    .join('\n');
  useEffect(() => {
    if (box.current === null || width === 0 || lines === '') return;
    const data = aligned(latest.current);
    const made = new uPlot(options(latest, width, hovered), data, box.current);
    plot.current = {made, lines};
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [box, width, height, lines, bottom, top, scale, only, marks, dark, hovered]);
  useLayoutEffect(() => {
    if (plot.current?.lines !== lines) return;
    plot.current.made.setData(aligned(latest.current), false);
    plot.current.made.redraw();
  }, [curves, lines]);
  const {low, high} = axis;
  useLayoutEffect(() => plot.current?.made.setScale('x', {min: low, max: high}), [low, high]);
  useEffect(() => plot.current?.made.redraw(false), [step]);
}

/** Whether a curve has a band here or elsewhere in its run. */
function banded(curves: readonly Curve[], wholes: readonly Curve[], index: number): boolean {
  return curves[index].high !== null || wholes[index].high !== null;
}

/** Per run its line, then the lower and upper edge of its band where it has them. */
function aligned({curves, wholes, axis}: Plotted): uPlot.AlignedData {
  const {place, breaks} = axis;
  const tables = curves.map(({steps, values, low, high}, index): uPlot.AlignedData => {
    const places = steps.map(step => place(step) ?? NaN);
    if (!banded(curves, wholes, index)) return [places, values];
    const none = steps.map(() => null);
    return [places, values, high === null ? none : (low ?? values), high ?? none];
  });
  if (breaks.length === 0) return uPlot.join(tables);
  // No line crosses a break: where a run has no update, it has a gap.
  const middles = breaks.map(({from, to}) => (from + to) / 2);
  const [places, ...lines] = uPlot.join([...tables, [middles]]);
  return [places, ...lines.map(line => Array.from(line, value => value ?? null))];
}

/** What a plot shows. */
type Plotted = Props & {axis: StepAxis};

interface Latest {
  current: Plotted;
}

function options(
  latest: Latest,
  width: number,
  hovered: (step: number | null) => void,
): uPlot.Options {
  const {curves, wholes, scale, height, only, range} = latest.current;
  const [low, high] = range;
  const color = pageColors();
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
    padding: [8, 26, 0, 0],
    scales: {
      x: {time: false, range: () => [latest.current.axis.low, latest.current.axis.high]},
      y: {distr: scale === 'log' ? 3 : 1, range: () => [low, high]},
    },
    axes: [
      {
        ...style,
        size: 28,
        splits: () => latest.current.axis.ticks(width / 70),
        filter: (_, ticks) => ticks,
        values: (_, ticks) => ticks.map(place => formatStep(latest.current.axis.stepAt(place))),
      },
      {
        ...style,
        size: 58,
        // uPlot draws no axis whose span is beyond its own increments, 1e15 or so, nor one with an increment below 5
        // that is not among them; the ticks do not come from it
        incrs: [Math.max(5, high - low)],
        splits: () => valueTicks({scale, low, high}, 5),
        filter: (_, ticks) => ticks,
        values: (_, ticks) => ticks.map(formatNumber),
      },
    ],
    ...linesOf(curves, wholes),
    cursor: {
      y: false,
      sync: {
        key: only === undefined ? 'steps' : 'only some steps',
        filters: {pub: type => type === 'mousemove' || type === 'mouseleave'},
      },
      drag: {x: true, y: false, setScale: false},
      points: {size: 6},
      bind: {dblclick: () => () => (latest.current.onZoom(null), null)},
    },
    hooks: {
      ready: [plot => watchClicks(plot, latest)],
      setCursor: [plot => hovered(stepUnder(plot, latest.current.axis))],
      setSelect: [plot => zoomTo(plot, latest.current)],
      drawClear: [plot => drawBreaks(plot, latest.current.axis, color.grid)],
      draw: [plot => drawMarks(plot, latest.current, latest.current.axis, color)],
    },
  };
}

function linesOf(
  curves: readonly Curve[],
  wholes: readonly Curve[],
): Pick<uPlot.Options, 'series' | 'bands'> {
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const [index, {run, color}] of curves.entries()) {
    series.push({
      label: run,
      stroke: color,
      width: 1.5,
      spanGaps: false,
      points: {show: true, size: 4, filter: lonePoints},
    });
    if (!banded(curves, wholes, index)) continue;
    const lower = series.length;
    const lowEdge = {stroke: 'transparent', width: 0, points: {show: false}};
    const highEdge = {
      stroke: `${color}b0`,
      width: 1,
      points: {show: true, size: 3, filter: lonePoints},
    };
    series.push(lowEdge, highEdge);
    bands.push({series: [lower + 1, lower], fill: `${color}30`});
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

function stepUnder(plot: uPlot, axis: StepAxis): number | null {
  const {idx} = plot.cursor;
  return idx == null ? null : axis.stepAt(plot.data[0][idx]);
}

function zoomTo(plot: uPlot, {axis, onZoom}: Plotted): void {
  const {left, width} = plot.select;
  if (width < 5) return;
  const [from, to] = [left, left + width].map(x => axis.stepAt(plot.posToVal(x, 'x')));
  const firstStep = Math.max(1, from);
  onZoom({firstStep, lastStep: Math.max(firstStep, to)});
}

/** A press that does not move picks the step; one that moves zooms. */
function watchClicks(plot: uPlot, latest: Latest): void {
  let pressed = 0;
  plot.over.addEventListener('mousedown', event => (pressed = event.clientX));
  plot.over.addEventListener('click', event => {
    const {axis, onStep} = latest.current;
    const step = stepUnder(plot, axis);
    if (step !== null && Math.abs(event.clientX - pressed) < 5) onStep(step);
  });
}
