/** The depth profile beside a map at the step that the page is about now: its head, its lines, its axis. */

import type {JSX} from 'preact';

import type {Run, Table} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import {stepWords} from '../format.ts';
import {textWidth} from '../svg.ts';
import {rowOf} from '../table.ts';
import {DepthProfile, ProfileAxis, type Profiled} from './DepthProfile.tsx';
import {ProfileExport} from './ProfileExport.tsx';
import {useCursor} from './useCursor.ts';

/** Which step the profile is of. */
export interface ProfileStep {
  cursor: Cursor;
  /** The selected one. */
  step: number | null;
  /** The one where there is neither a pointer nor a selected step. */
  usual: number;
}

/** Where the first finding began, else the last step: a run that blew up ends in nothing but infinities. */
export function usualStep({findings, lastStep}: Run): number {
  return findings[0]?.firstStep ?? lastStep;
}

function stepNow({cursor, step, usual}: ProfileStep): number {
  return cursor.step ?? step ?? usual;
}

function useStep({cursor, step, usual}: ProfileStep): number {
  return useCursor(cursor) ?? step ?? usual;
}

interface Props {
  of: Profiled;
  at: ProfileStep;
}

interface LinesProps extends Props {
  rowHeight: number;
  first: number;
  last: number;
  rowCursor: Cursor;
}

export function ProfileLines({at, ...rest}: LinesProps): JSX.Element {
  return <DepthProfile {...rest} step={useStep(at)} />;
}

export function ProfileValues({of, at}: Props): JSX.Element {
  return <ProfileAxis of={of} step={useStep(at)} />;
}

const FONT_SIZE = 11;
/** What padding and the button of the export take of the head. */
const AROUND = 44;

/** Says the step, on two lines where one has no room for the longest; with the export beside it. */
export function ProfileHead({of, at, statistic}: Props & {statistic: string}): JSX.Element {
  const {table, width} = of;
  const row = rowOf(table, useStep(at));
  const longest = stepsAt(table, table.last.length - 1).join(' ');
  const long = textWidth(longest, FONT_SIZE) > width - AROUND;
  const [noun, steps] = stepsAt(table, row);
  return (
    <div class={long ? 'profile-head long' : 'profile-head'} style={{width: `${width}px`}}>
      <span class="profile-name" aria-hidden="true">
        {noun} <span>{steps}</span>
      </span>
      <ProfileExport of={of} stepOf={() => stepNow(at)} statistic={statistic} />
    </div>
  );
}

/** `at steps`, `1–4`. */
function stepsAt({first, last}: Table, row: number): [noun: string, steps: string] {
  if (row < 0) return ['no', 'record'];
  const [noun, steps] = stepWords(first[row], last[row]).split(' ');
  return [`at ${noun}`, steps];
}
