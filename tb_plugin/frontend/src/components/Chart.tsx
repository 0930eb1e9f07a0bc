/** One statistic of several runs as lines over steps, drawn by uPlot. */

import type {JSX} from 'preact';
import {useEffect, useRef, useState} from 'preact/hooks';
import uPlot from 'uplot';

import {spanWords, valueRange, type Curve} from '../curves.ts';
import {formatNumber, formatStep} from '../format.ts';
import type {Scale} from '../api.ts';
import type {Zoom} from '../layout.ts';
import {linearTicks, valueTicks} from '../scale.ts';
import {useWidth} from './useWidth.ts';

interface Props {
  name: string;
  title: string;
  unit: string;
  description: string;
  scale: Scale;
  curves: readonly Curve[];
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
  const {curves} = props;
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [step, setStep] = useState<number | null>(null);
  usePlot(box, width, props, setStep);
  const words = [...props.absent, ...curves.map(spanWords).filter(told => told !== null)];
  return (
    <figure class="chart" data-statistic={props.name}>
      <figcaption title={props.description}>
        <strong>{props.title}</strong> <span class="unit">{props.unit}</span>
        <Readout curves={curves} step={step} />
      </figcaption>
      <div ref={box} class="lines" style={curves.length === 0 ? {display: 'none'} : {}} />
      {words.map(word => (
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
      step {formatStep(step)}
      {curves.map(curve => (
        <span key={curve.run} title={curve.run}>
          <span class="swatch" style={{background: curve.color}} />
          {valueAt(curve, step)}
        </span>
      ))}
    </span>
  );
}

const SPECIAL = {nan: 'NaN', posinf: '+∞', neginf: '−∞', zero: '0'} as const;

function valueAt({steps, values, spans}: Curve, step: number): string {
  const at = steps.findLastIndex(other => other <= step);
  if (at < 0) return '–';
  const value = values[at];
  if (value !== null) return formatNumber(value);
  const span = spans.find(
    ({firstStep, lastStep}) => firstStep <= steps[at] && steps[at] <= lastStep,
  );
  return span === undefined ? '–' : SPECIAL[span.gap];
}

/** Keeps a plot in the box; a new one for new lines, the same one while only the selected step moves. */
function usePlot(
  box: {current: HTMLDivElement | null},
  width: number,
  props: Props,
  hovered: (step: number | null) => void,
): void {
  const {curves, scale, zoom, dark, height} = props;
  const latest = useRef(props);
  latest.current = props;
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    if (box.current === null || width === 0 || curves.length === 0) return;
    const made = new uPlot(options(latest, width, height, hovered), aligned(curves), box.current);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [box, width, height, curves, scale, zoom.firstStep, zoom.lastStep, dark, hovered]);
  useEffect(() => plot.current?.redraw(false), [props.step]);
}

/** Per run its line, then the lower and upper edge of its band where it has them. */
function aligned(curves: readonly Curve[]): uPlot.AlignedData {
  return uPlot.join(
    curves.map(({steps, values, low, high}) =>
      high === null ? [steps, values] : [steps, values, low ?? values, high],
    ),
  );
}

function options(
  latest: {current: Props},
  width: number,
  height: number,
  hovered: (step: number | null) => void,
): uPlot.Options {
  const {curves, scale, zoom} = latest.current;
  const [low, high] = valueRange(curves, scale);
  const color = pageColors();
  const axis = {
    stroke: color.text,
    font: '11px Roboto, system-ui, sans-serif',
    grid: {stroke: color.grid, width: 1},
    ticks: {stroke: color.grid, width: 1, size: 4},
  };
  return {
    width,
    height,
    legend: {show: false},
    padding: [8, 18, 0, 0],
    scales: {
      x: {time: false, range: () => stepRange(zoom)},
      y: {distr: scale === 'log' ? 3 : 1, range: () => [low, high]},
    },
    axes: [
      {
        ...axis,
        size: 28,
        splits: (_, __, from, to) => linearTicks(from, to, width / 70).filter(Number.isInteger),
        values: (_, ticks) => ticks.map(formatStep),
      },
      {
        ...axis,
        size: 58,
        // uPlot draws no axis whose span is beyond its own increments, 1e15 or so, nor one with an increment below 5
        // that is not among them; the ticks do not come from it
        incrs: [Math.max(5, high - low)],
        splits: () => valueTicks({scale, low, high}, 5),
        filter: (_, ticks) => ticks,
        values: (_, ticks) => ticks.map(formatNumber),
      },
    ],
    ...lines(curves),
    cursor: {
      y: false,
      sync: {
        key: 'optimizer-health',
        filters: {pub: type => type === 'mousemove' || type === 'mouseleave'},
      },
      drag: {x: true, y: false, setScale: false},
      points: {size: 6},
      bind: {dblclick: () => () => (latest.current.onZoom(null), null)},
    },
    hooks: {
      ready: [plot => watchClicks(plot, step => latest.current.onStep(step))],
      setCursor: [plot => hovered(stepUnder(plot))],
      setSelect: [plot => zoomTo(plot, latest.current.onZoom)],
      draw: [plot => drawMarks(plot, latest.current, color.accent)],
    },
  };
}

function stepRange({firstStep, lastStep}: Zoom): [number, number] {
  return firstStep < lastStep ? [firstStep, lastStep] : [firstStep - 1, lastStep + 1];
}

function lines(curves: readonly Curve[]): Pick<uPlot.Options, 'series' | 'bands'> {
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const {run, color, high} of curves) {
    series.push({
      label: run,
      stroke: color,
      width: 1.5,
      spanGaps: false,
      points: {show: true, size: 4, filter: lonePoints},
    });
    if (high === null) continue;
    const lower = series.length;
    const edge = {stroke: 'transparent', width: 0, points: {show: false}};
    series.push(edge, {...edge});
    bands.push({series: [lower + 1, lower], fill: `${color}30`});
  }
  return {series, bands};
}

/** The points that no line reaches, because what stands before and after them is no number. */
function lonePoints(plot: uPlot, series: number): number[] {
  const values = plot.data[series];
  const own = [...values.keys()].filter(index => values[index] !== undefined);
  return own.filter(
    (index, at) =>
      values[index] !== null && values[own[at - 1]] == null && values[own[at + 1]] == null,
  );
}

function stepUnder(plot: uPlot): number | null {
  const {idx} = plot.cursor;
  return idx == null ? null : plot.data[0][idx];
}

function zoomTo(plot: uPlot, onZoom: Props['onZoom']): void {
  const {left, width} = plot.select;
  if (width < 5) return;
  const firstStep = Math.max(1, Math.round(plot.posToVal(left, 'x')));
  onZoom({firstStep, lastStep: Math.max(firstStep, Math.round(plot.posToVal(left + width, 'x')))});
}

/** A press that does not move picks the step; one that moves zooms. */
function watchClicks(plot: uPlot, picked: (step: number) => void): void {
  let pressed = 0;
  plot.over.addEventListener('mousedown', event => (pressed = event.clientX));
  plot.over.addEventListener('click', event => {
    const step = stepUnder(plot);
    if (step !== null && Math.abs(event.clientX - pressed) < 5) picked(step);
  });
}

const STRIP = 4;

/** The selected step and the restarts as lines; NaN and infinity as strips along the top, zero (on a log scale) along the bottom. */
function drawMarks(plot: uPlot, {curves, step}: Props, accent: string): void {
  const {ctx, bbox} = plot;
  const ratio = devicePixelRatio;
  const x = (at: number): number => plot.valToPos(at, 'x', true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  curves.forEach(({color, spans, restarts}, index) => {
    drawRestarts(plot, restarts.map(x), color);
    ctx.fillStyle = color;
    for (const {gap, firstStep, lastStep} of spans) {
      const offset = index * (STRIP + 1) * ratio;
      const y =
        gap === 'zero' ? bbox.top + bbox.height - STRIP * ratio - offset : bbox.top + offset;
      const from = x(firstStep) - ratio;
      ctx.fillRect(from, y, Math.max(3 * ratio, x(lastStep) - from + ratio), STRIP * ratio);
    }
  });
  if (step !== null) {
    ctx.strokeStyle = accent;
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([4 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x(step), bbox.top);
    ctx.lineTo(x(step), bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
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

/** The theme that the style sheet set on the page; uPlot draws on a canvas, which knows no CSS variables. */
function pageColors(): {text: string; grid: string; accent: string} {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string => style.getPropertyValue(name).trim();
  return {text: value('--muted'), grid: value('--grid'), accent: value('--accent')};
}
