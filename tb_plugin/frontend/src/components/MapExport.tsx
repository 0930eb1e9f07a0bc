/** The exports of the heat map: a picture is made when it is asked for, as wide as the map is then. */

import type {JSX, RefObject} from 'preact';

import type {Run} from '../api.ts';
import {mapCsv} from '../csv.ts';
import {mapSvg} from '../mapPicture.ts';
import {
  columnsOf,
  differenceName,
  mapPicture,
  mapPixels,
  rowsIn,
  type MapFrame,
  type MapView,
} from '../mapview.ts';
import {named} from '../plain.ts';
import {rasterUrl} from '../save.ts';
import {ExportMenu} from './ExportMenu.tsx';
import {chartColors} from './marks.ts';
import type {Difference, MapData} from './useMaps.ts';

interface Props {
  section: RefObject<HTMLElement | null>;
  /** Its rows are those of the selected run. */
  frame: MapFrame;
  statistic: string;
}

interface RunProps extends Props {
  data: MapData;
  /** The selected run. */
  of: Run;
}

/** Of one run's map, also of one in another run's rows. */
export function RunExport({section, frame, statistic, data, of}: RunProps): JSX.Element {
  const {run, table, spikes} = data;
  const shown = (): MapFrame =>
    run.name === of.name ? frame : {...frame, rows: rowsIn(run, of, frame.rows)};
  return (
    <ExportMenu
      label={`heat map of ${named(run.name)}`}
      name={`${run.name} ${statistic}`}
      svg={() => svgOf(section, {...shown(), run, other: null, table, spikes})}
      csv={() => mapCsv(run.name, columnsOf(run), statistic, table, frame.window)}
    />
  );
}

interface DifferenceProps extends Props {
  one: MapData;
  two: MapData;
  difference: Difference;
}

export function DifferenceExport(props: DifferenceProps): JSX.Element {
  const {section, frame, statistic, difference} = props;
  const {table} = difference;
  const [run, other] = [props.one.run, props.two.run];
  const name = differenceName(statistic, frame.scale, run, other);
  return (
    <ExportMenu
      label={`difference of ${named(run.name)} and ${named(other.name)}`}
      name={`${run.name} ${other.name} ${statistic}`}
      svg={() => svgOf(section, {...frame, run, other, table, spikes: null})}
      csv={() => mapCsv(run.name, columnsOf(run), name, table, frame.window)}
    />
  );
}

/** All maps of the section are as wide as the first. */
function svgOf(
  section: RefObject<HTMLElement | null>,
  shown: Omit<MapView, 'width' | 'colors'>,
): string {
  const width = section.current?.querySelector('.plot')?.clientWidth ?? 0;
  if (width === 0) throw new Error('the map is not on the page.');
  const view = {...shown, width, colors: chartColors()};
  const raster = rasterUrl(new ImageData(mapPixels(view), width));
  if (raster === null) throw new Error('the browser draws no map of this size.');
  return mapSvg(mapPicture(view, raster));
}
