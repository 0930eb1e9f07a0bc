/** One statistic of several runs or layers as lines over steps: with its caption, its keys and what it says. */

import type {JSX, RefObject} from 'preact';
import {useMemo, useRef, useState} from 'preact/hooks';

import type {Scale} from '../api.ts';
import {closedAxis, evenAxis, type StepAxis} from '../axis.ts';
import {chartPicture} from '../chartpicture.ts';
import {describedUnit, type Reference} from '../charts.ts';
import {curvesCsv} from '../csv.ts';
import type {Cursor} from '../cursor.ts';
import {valueRange, type Curve} from '../curves.ts';
import {allSpanWords, bandWords, chartWords} from '../curvewords.ts';
import type {Mark} from '../flight.ts';
import type {Layout} from '../layout.ts';
import {chartSvg} from '../pictures.ts';
import {MARGIN, plotWidth, type PlotArea} from '../plotarea.ts';
import {spokenWords, stepAfterKey} from '../readout.ts';
import {panned, type Zoom} from '../zoom.ts';
import {ChartTip} from './ChartTip.tsx';
import {ExportMenu} from './ExportMenu.tsx';
import {chartColors} from './marks.ts';
import {useGestures} from './useGestures.ts';
import {useInView} from './useInView.ts';
import {usePlot, type Plotted} from './usePlot.ts';
import {useWidth} from './useWidth.ts';

/** What all charts of a section have in common. */
export interface ChartPlace {
  /** The window of steps; null shows `all`. */
  zoom: Zoom | null;
  all: Zoom;
  step: number | null;
  cursor: Cursor;
  dark: boolean;
  onStep: (step: number) => void;
  onZoom: (zoom: Zoom | null) => void;
}

export interface ChartProps extends ChartPlace {
  name: string;
  title: string;
  unit: string;
  description: string;
  scale: Scale;
  onScale: (scale: Scale) => void;
  curves: readonly Curve[];
  /** Of each curve the same over the whole run. */
  wholes: readonly Curve[];
  /** What the band around each line means. */
  band?: string | undefined;
  /** The only steps that the axis has, where it leaves out those between; without them it has all. */
  only?: readonly number[];
  marks?: readonly Mark[];
  /** What the values can be compared with. */
  reference?: Reference | null;
  /** What is not drawn, and why. */
  absent: readonly string[];
  height: number;
}

const KEYS = 'left and right move the step, Enter selects it, plus and minus zoom, 0 shows all';
const NO_MARKS: readonly Mark[] = [];

export function Chart(props: ChartProps): JSX.Element {
  const {title, unit, curves, wholes, only, scale, band, cursor, height, onScale} = props;
  const {firstStep, lastStep} = props.zoom ?? props.all;
  const window = useMemo(() => ({firstStep, lastStep}), [firstStep, lastStep]);
  const axis = useMemo(
    () => (only === undefined ? evenAxis(window) : closedAxis(only, window)),
    [only, window],
  );
  const range = useMemo(() => valueRange(curves, scale, window), [curves, scale, window]);
  const figure = useRef<HTMLElement>(null);
  const plot = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(plot);
  const seen = useInView(figure);
  const {marks = NO_MARKS, reference = null} = props;
  const now: Plotted = {...props, axis, range, marks, reference, onPoint: cursor.point};
  // What cannot be seen is drawn once, and again when it is scrolled to.
  const plotted = useRef(now);
  if (seen || plotted.current.curves.length === 0) plotted.current = now;
  usePlot(box, width, plotted.current);
  const area = {width, height, axis, scale, range};
  const [said, keyed] = useKeys(plot, props, window, area);
  const told = useMemo(
    () => ({
      label: chartWords(title, wholes),
      spans: allSpanWords(curves, wholes),
      band: bandWords(band, curves, wholes),
    }),
    [title, band, curves, wholes],
  );
  const empty = curves.length === 0;
  const notes = [
    ...(reference === null || empty ? [] : [reference.words]),
    ...props.absent,
    ...told.spans,
  ];
  const below = [...(told.band === null ? [] : [told.band]), ...notes];
  return (
    <figure ref={figure} class="chart" data-statistic={props.name}>
      <figcaption title={describedUnit(props.description, unit)}>
        <span class="chart-name">
          <strong>{title}</strong> <span class="unit">{unit}</span>
        </span>
        {!empty && (
          <span class="chart-tools">
            <ScaleToggle title={title} scale={scale} onScale={onScale} />
            <ExportMenu
              label={title}
              name={fileStem(title, curves)}
              svg={() => {
                const view = {...now, title, unit, area, window, notes: below};
                return chartSvg(chartPicture({...view, colors: chartColors()}));
              }}
              csv={() => curvesCsv(curves.map(({source}) => source), window)}
            />
          </span>
        )}
      </figcaption>
      <div
        ref={plot}
        class="chart-plot"
        role="group"
        tabIndex={0}
        aria-label={`${title}: ${KEYS}`}
        style={empty ? {display: 'none'} : {height: `${height}px`}}
        onKeyDown={keyed}
        onBlur={() => cursor.point(null)}
      >
        <div ref={box} class="lines" role="img" aria-label={told.label} />
        {seen && (
          <ChartTip
            box={plot}
            cursor={cursor}
            area={area}
            curves={curves}
            marks={marks}
            exact={only !== undefined}
          />
        )}
        <p class="unseen" role="status">
          {said}
        </p>
      </div>
      {told.band !== null && (
        <p class="hint band">
          {curves.some(({high}) => high !== null) && <span class="key" />}
          {told.band}
        </p>
      )}
      {notes.map(word => (
        <p key={word} class="hint">
          {word}
        </p>
      ))}
    </figure>
  );
}

/** `Gradient norm run-a dense/kernel`, of several lines the first. */
function fileStem(title: string, curves: readonly Curve[]): string {
  return curves.length === 0 ? title : `${title} ${curves[0].run} ${curves[0].source.layer}`.trim();
}

function ScaleToggle({
  title,
  scale,
  onScale,
}: {
  title: string;
  scale: Scale;
  onScale: (scale: Scale) => void;
}): JSX.Element {
  const [next, words] =
    scale === 'log' ? (['linear', 'linear'] as const) : (['log', 'logarithmic'] as const);
  return (
    <button
      type="button"
      class="scale-toggle"
      aria-pressed={scale === 'log'}
      aria-label={`Log scale of ${title}`}
      title={`Make the scale ${words}`}
      onClick={() => onScale(next)}
    >
      log
    </button>
  );
}

/** What a key in the chart does, and what is said of the step that it went to. */
function useKeys(
  plot: RefObject<HTMLElement | null>,
  {curves, zoom, all, step, cursor, only, onStep, onZoom}: ChartProps,
  window: Zoom,
  area: PlotArea,
): [said: string, keyed: (event: KeyboardEvent) => void] {
  const [said, setSaid] = useState('');
  const {firstStep, lastStep} = window;
  const inside = (at: number): boolean => firstStep <= at && at <= lastStep;
  const middle = Math.round((firstStep + lastStep) / 2);
  const gestured = useGestures(plot, {
    zoom,
    all,
    layout: layoutOf(area, window, only !== undefined),
    step: step !== null && inside(step) ? step : middle,
    onZoom,
  });
  const moved = (next: number): void => {
    cursor.point(next);
    setSaid(spokenWords(curves, next, only !== undefined));
    if (!inside(next)) onZoom(panned(zoom, all, next < firstStep ? -0.5 : 0.5));
  };
  const keyed = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const outside = event.key === 'ArrowLeft' ? lastStep + 1 : firstStep - 1;
    const from = cursor.step ?? (step !== null && inside(step) ? step : outside);
    const next = stepAfterKey(event.key, curves, from);
    const selects = event.key === 'Enter' && cursor.step !== null;
    if (next === undefined && !selects) {
      gestured(event);
      return;
    }
    event.preventDefault();
    if (selects && cursor.step !== null) onStep(cursor.step);
    else if (next != null) moved(next);
  };
  return [said, keyed];
}

/** The chart's box as the gestures see it: with the steps that would lie below the axis labels. */
function layoutOf({axis, width}: PlotArea, window: Zoom, closed: boolean): Layout {
  const {low, high}: Pick<StepAxis, 'low' | 'high'> = closed
    ? {low: window.firstStep, high: window.lastStep}
    : axis;
  const perPixel = (high - low) / plotWidth({width});
  return {
    low: low - MARGIN.left * perPixel,
    high: high + MARGIN.right * perPixel,
    width: Math.max(1, width),
    rows: 0,
    rowHeight: 0,
  };
}
