/** The export of the depth profile, at the step that it is of when it is asked for. */

import type {JSX} from 'preact';

import type {Run, Table} from '../api.ts';
import {mapCsv} from '../csv.ts';
import {columnsOf} from '../mapview.ts';
import {chartSvg} from '../pictures.ts';
import {named} from '../plain.ts';
import {profilePicture} from '../profilepicture.ts';
import {rowOf} from '../table.ts';
import {profilesAt, type Profiled} from './DepthProfile.tsx';
import {ExportMenu} from './ExportMenu.tsx';
import {chartColors} from './marks.ts';

interface Props {
  of: Profiled;
  stepOf: () => number;
  statistic: string;
}

export function ProfileExport({of, stepOf, statistic}: Props): JSX.Element {
  const {run, table, label, other} = of;
  const csv = (): string => {
    const step = stepOf();
    const own = csvAt(run, statistic, table, step);
    if (other === undefined) return own;
    const its = csvAt(other.of, statistic, other.table, step);
    return own + its.slice(its.indexOf('\n') + 1);
  };
  const words = `${label} over depth of ${named(run.name)}`;
  return (
    <ExportMenu
      label={words}
      name={`${run.name} ${statistic} over depth`}
      svg={() => svgAt(of, stepOf())}
      csv={csv}
    />
  );
}

function svgAt(of: Profiled, step: number): string {
  const {run, table, lines: rows, label, color, other} = of;
  const {own, its, domain} = profilesAt(of, step);
  const line = {run: run.name, color, table, profile: own};
  const over =
    its === null || other === undefined
      ? []
      : [{run: other.name, color: other.color, table: other.table, profile: its}];
  const colors = chartColors();
  return chartSvg(profilePicture({label, rows, lines: [line, ...over], domain, colors}));
}

/** The table's row at the step, which may stand for several steps. */
function csvAt(run: Run, statistic: string, table: Table, step: number): string {
  const row = rowOf(table, step);
  const [firstStep, lastStep] = row < 0 ? [0, 0] : [table.first[row], table.last[row]];
  return mapCsv(run.name, columnsOf(run), statistic, table, {firstStep, lastStep});
}
