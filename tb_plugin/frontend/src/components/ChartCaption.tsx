/** What stands above a chart: its name, its tools, and while another one is pointed at, its values there. */

import type {JSX, RefObject} from 'preact';
import {useMemo} from 'preact/hooks';

import type {Scale} from '../api.ts';
import {describedUnit} from '../charts.ts';
import type {Cursor} from '../cursor.ts';
import type {Curve} from '../curves.ts';
import {readoutWords} from '../curvewords.ts';
import {briefEntries, shortLabels} from '../readout.ts';
import {ExportMenu} from './ExportMenu.tsx';
import {LineKey} from './LineKey.tsx';
import {useCursor} from './useCursor.ts';
import {usePointed} from './usePointed.ts';

interface Props {
  title: string;
  unit: string;
  description: string;
  scale: Scale;
  onScale: (scale: Scale) => void;
  curves: readonly Curve[];
  svg: () => string;
  csv: () => string;
  /** The values at the pointed step; null in a chart that is not seen. */
  values: JSX.Element | null;
}

export function ChartCaption(props: Props): JSX.Element {
  const {title, unit, description, scale, onScale, curves, svg, csv, values} = props;
  return (
    <figcaption title={describedUnit(description, unit)}>
      <span class="chart-name">
        <strong>{title}</strong> <span class="unit">{unit}</span>
      </span>
      {curves.length > 0 && (
        <span class="chart-tools">
          <ScaleToggle title={title} scale={scale} onScale={onScale} />
          <ExportMenu label={title} name={fileStem(title, curves)} svg={svg} csv={csv} />
        </span>
      )}
      {/* There also while it says nothing: the plot stays where it is. */}
      <span class="brief" aria-hidden="true">
        {values}
      </span>
    </figcaption>
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
}: Pick<Props, 'title' | 'scale' | 'onScale'>): JSX.Element {
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

/** One line needs no name, and for those of more there is no room: colours tell them apart. */
const NAMED = 2;

/** The values at a step that is pointed at elsewhere, as many as there is room for. */
export function BriefValues({
  box,
  cursor,
  curves,
  keyed,
  exact,
}: {
  /** The box of the plot, which tells its values itself while it is pointed at. */
  box: RefObject<HTMLElement | null>;
  cursor: Cursor;
  curves: readonly Curve[];
  /** The step that the keys of this chart went to. */
  keyed: number | null;
  exact: boolean;
}): JSX.Element | null {
  const step = useCursor(cursor);
  const pointed = usePointed(box);
  const names = useMemo(() => shortLabels(curves), [curves]);
  if (step === null || pointed || step === keyed) return null;
  const {entries, more} = briefEntries(curves, step, exact);
  if (entries.length === 0) return null;
  return (
    <span class="readout">
      <span class="at">{readoutWords(curves, step)}</span>
      {entries.map(({curve, words}) => (
        <span key={curve.label} class="row" title={curve.label}>
          <LineKey color={curve.color} dash={curve.dash} />
          {curves.length === NAMED && <span class="name">{names.get(curve) ?? curve.label}</span>}
          <span class="value">{words}</span>
        </span>
      ))}
      {more && <span class="more">…</span>}
    </span>
  );
}
