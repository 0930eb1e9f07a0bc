/** One statistic of several runs or layers as lines over steps: with its caption, its keys and what it says. */

import type {JSX} from 'preact';
import {useEffect, useMemo, useRef} from 'preact/hooks';

import type {Scale} from '../api.ts';
import {closedAxis, evenAxis} from '../axis.ts';
import {chartPicture} from '../chartpicture.ts';
import type {Reference} from '../charts.ts';
import {curvesCsv} from '../csv.ts';
import type {Cursor} from '../cursor.ts';
import {valueRange, type Curve} from '../curves.ts';
import {allSpanWords, bandWords, chartWords} from '../curvewords.ts';
import {NO_MARKS, type Mark} from '../flight.ts';
import {chartSvg} from '../pictures.ts';
import type {PlotArea} from '../plotarea.ts';
import type {Zoom} from '../zoom.ts';
import {BriefValues, ChartCaption} from './ChartCaption.tsx';
import {ChartTip} from './ChartTip.tsx';
import {chartColors} from './marks.ts';
import {KEYS, useChartKeys} from './useChartKeys.ts';
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
  /** Null lets the selected step go. */
  onStep: (step: number | null) => void;
  onZoom: (zoom: Zoom | null) => void;
}

interface Props extends ChartPlace {
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
  /** Takes the chart's name while the pointer is in its plot, and null when that leaves. */
  onPointed?: ((name: string | null) => void) | undefined;
}

export function Chart(props: Props): JSX.Element {
  const {title, curves, only, cursor, height, marks = NO_MARKS, reference = null} = props;
  const {window, axis, range} = useView(props);
  const figure = useRef<HTMLElement>(null);
  const plot = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(plot);
  const seen = useInView(figure);
  const now: Plotted = {...props, axis, range, marks, reference};
  // What cannot be seen is drawn once, and again when it is scrolled to.
  const plotted = useRef(now);
  if (seen || plotted.current.curves.length === 0) plotted.current = now;
  usePlot(box, width, plotted.current);
  const area: PlotArea = {width, height, axis, scale: props.scale, range};
  const [went, keyed] = useChartKeys(plot, props, window, area);
  // Nobody points at a chart that is gone.
  useEffect(() => () => cursor.point(null), [cursor]);
  const told = useWords(props);
  const empty = curves.length === 0;
  const pointed = {box: plot, cursor, curves, exact: only !== undefined, keyed: went.step};
  return (
    <figure ref={figure} class="chart" data-statistic={props.name}>
      <ChartCaption
        {...props}
        svg={() => {
          const notes = [...(told.band === null ? [] : [told.band]), ...told.notes];
          const view = {...props, marks, reference, area, window, notes};
          return chartSvg(chartPicture({...view, colors: chartColors()}));
        }}
        csv={() => curvesCsv(curves.map(({source}) => source), window)}
        values={seen ? <BriefValues {...pointed} /> : null}
      />
      <div
        ref={plot}
        class="chart-plot"
        role="group"
        tabIndex={0}
        aria-label={`${title}: ${KEYS}`}
        style={empty ? {display: 'none'} : {height: `${height}px`}}
        onKeyDown={keyed}
        onBlur={() => cursor.point(null)}
        onMouseEnter={() => props.onPointed?.(props.name)}
        onMouseLeave={() => props.onPointed?.(null)}
      >
        <div ref={box} class="lines" role="img" aria-label={told.label} />
        {seen && <ChartTip {...pointed} area={area} marks={marks} />}
        <p class="unseen" role="status">
          {went.words}
        </p>
      </div>
      <Notes {...told} curves={curves} />
    </figure>
  );
}

/** The window of steps, the axis that it has, and the values that its lines span. */
function useView({
  zoom,
  all,
  only,
  curves,
  scale,
}: Props): {window: Zoom} & Pick<Plotted, 'axis' | 'range'> {
  const {firstStep, lastStep} = zoom ?? all;
  const window = useMemo(() => ({firstStep, lastStep}), [firstStep, lastStep]);
  const axis = useMemo(
    () => (only === undefined ? evenAxis(window) : closedAxis(only, window)),
    [only, window],
  );
  const range = useMemo(() => valueRange(curves, scale, window), [curves, scale, window]);
  return {window, axis, range};
}

/** What a chart says. */
interface Words {
  /** Of its lines, to those who do not see them. */
  label: string;
  /** Of its bands; null where there is nothing to be said. */
  band: string | null;
  notes: readonly string[];
}

function useWords({title, band, curves, wholes, reference = null, absent}: Props): Words {
  const {label, spans, bands} = useMemo(
    () => ({
      label: chartWords(title, wholes),
      spans: allSpanWords(curves, wholes),
      bands: bandWords(band, curves, wholes),
    }),
    [title, band, curves, wholes],
  );
  const compared = reference === null || curves.length === 0 ? [] : [reference.words];
  return {label, band: bands, notes: [...compared, ...absent, ...spans]};
}

/** What stands below a chart. */
function Notes({
  band,
  notes,
  curves,
}: Pick<Words, 'band' | 'notes'> & {curves: readonly Curve[]}): JSX.Element {
  return (
    <>
      {band !== null && (
        <p class="hint band">
          {curves.some(({high}) => high !== null) && <span class="key" />}
          {band}
        </p>
      )}
      {notes.map(word => (
        <p key={word} class="hint">
          {word}
        </p>
      ))}
    </>
  );
}
