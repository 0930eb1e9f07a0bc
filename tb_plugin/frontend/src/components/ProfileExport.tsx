/** The export of the depth profile, at the step that it is of when it is asked for. */

import type {JSX} from 'preact';

import type {Run, Table} from '../api.ts';
import {mapCsv} from '../csv.ts';
import {columnsOf} from '../mapview.ts';
import {chartSvg} from '../pictures.ts';
import {profileAt, type ProfileRow} from '../profile.ts';
import {profilePicture, type ProfileLine} from '../profilepicture.ts';
import type {Domain} from '../scale.ts';
import {rowOf} from '../table.ts';
import type {OtherProfile} from './DepthProfile.tsx';
import {ExportMenu} from './ExportMenu.tsx';
import {chartColors} from './marks.ts';

interface Props {
  run: Run;
  table: Table;
  stepOf: () => number;
  rows: readonly ProfileRow[];
  domain: Domain | null;
  label: string;
  statistic: string;
  color: string;
  other: OtherProfile | undefined;
}

export function ProfileExport(props: Props): JSX.Element {
  const {run, table, stepOf, rows, domain, label, statistic, color, other} = props;
  const svg = (): string => {
    const step = stepOf();
    const columns = rows.map(row => row.columns);
    const own = {run: run.name, color, table, profile: profileAt(table, step, columns)};
    const its = other === undefined ? [] : [otherLine(other, step)];
    const lines = [own, ...its] as const;
    return chartSvg(profilePicture({label, rows, lines, domain, colors: chartColors()}));
  };
  const csv = (): string => {
    const step = stepOf();
    const own = csvAt(run, statistic, table, step);
    if (other === undefined) return own;
    const its = csvAt(other.of, statistic, other.table, step);
    return own + its.slice(its.indexOf('\n') + 1);
  };
  const words = `${label} over depth of ${run.name}`;
  return (
    <ExportMenu label={words} name={`${run.name} ${statistic} over depth`} svg={svg} csv={csv} />
  );
}

function otherLine({name, color, table, columns}: OtherProfile, step: number): ProfileLine {
  return {run: name, color, table, profile: profileAt(table, step, columns)};
}

/** The table's row at the step, which may stand for several steps. */
function csvAt(run: Run, statistic: string, table: Table, step: number): string {
  const row = rowOf(table, step);
  const [firstStep, lastStep] = row < 0 ? [0, 0] : [table.first[row], table.last[row]];
  return mapCsv(run.name, columnsOf(run), statistic, table, {firstStep, lastStep});
}
