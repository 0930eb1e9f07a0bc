/** What the heat map's section is about: of which runs and statistic, in which rows and colours, and what of it is there. */

import type {RefObject} from 'preact';
import {useEffect, useMemo, useRef} from 'preact/hooks';

import type {Run, Scale, Statistic} from '../api.ts';
import {stepsOf, type Room} from '../layout.ts';
import {comparedRun} from '../selection.ts';
import type {Domain} from '../scale.ts';
import type {Action, State} from '../state.ts';
import type {Zoom} from '../zoom.ts';
import {
  useDifference,
  useFitted,
  useMapData,
  useValues,
  type Difference,
  type Failed,
  type MapData,
} from './useMaps.ts';
import {useRested} from './useRested.ts';
import {useRows, type Rows} from './useRows.ts';

/** From this width on, the other run's map is to the right of the first, not below it. */
const TWO_COLUMNS = 1060;
/** Colours that fit the window wait until it has rested for so long: all cells are coloured anew. */
const REST_MS = 150;

export interface Heat {
  run: Run;
  /** The run to compare with, and the same where it has the statistic. */
  compared: Run | null;
  comparable: Run | null;
  statistic: Statistic | undefined;
  scale: Scale;
  label: string;
  one: MapData | null;
  two: MapData | null;
  failed: readonly Failed[];
  /** Whether nothing is recorded yet. */
  empty: boolean;
  isDifference: boolean;
  difference: Difference | null;
  /** Whether there are two maps, and whether the second is to the right of the first. */
  beside: boolean;
  sideBySide: boolean;
  room: Room;
  rows: Rows;
  /** What the values of the whole runs span. */
  values: Domain | null;
  /** What the colours span: `values`, or what is in the window. */
  domain: Domain | null;
  fitted: boolean;
  /** All steps of the maps. */
  all: Zoom;
}

export function useHeat(
  run: Run,
  state: State,
  width: number,
  dispatch: (action: Action) => void,
): Heat {
  const statistic = state.overview?.statistics.find(({name}) => name === state.statistic);
  const scale = statistic?.scale ?? 'log';
  const compared = comparedRun(state);
  const comparable = compared?.statistics.includes(state.statistic) === true ? compared : null;
  const {data: one, failed: oneFailed} = useMapData(run, state);
  const {data: two, failed: twoFailed} = useMapData(comparable, state);
  const rested = useRested(state.zoom, REST_MS);
  const window = state.fitted && state.zoom !== null ? rested : null;
  const values = useValues(one, two, scale);
  const isDifference = comparable !== null && state.difference;
  const inWindow = useFitted(one, two, scale, isDifference ? null : window);
  const difference = useDifference(one, two, isDifference, scale, values, window);
  const beside = comparable !== null && !state.difference;
  const sideBySide = beside && width >= TWO_COLUMNS;
  return {
    run,
    compared,
    comparable,
    statistic,
    scale,
    label: statistic?.label ?? state.statistic,
    one,
    two,
    failed: [oneFailed, twoFailed].filter(failure => failure !== null),
    empty: one !== null && one.whole.last.length === 0,
    isDifference,
    difference,
    beside,
    sideBySide,
    room: beside && !sideBySide ? 'stacked' : 'alone',
    rows: useRows(run, state, dispatch),
    values,
    domain: isDifference ? (difference?.domain ?? null) : (inWindow ?? values),
    fitted: window !== null,
    all: useAllSteps(one, beside ? two : null),
  };
}

/** All steps of the maps. */
function useAllSteps(one: MapData | null, two: MapData | null): Zoom {
  return useMemo(() => {
    const tables = [one, two].flatMap(data => (data === null ? [] : [data.whole]));
    const steps = tables.filter(({last}) => last.length > 0).map(stepsOf);
    if (steps.length === 0) return {firstStep: 1, lastStep: 1};
    return {
      firstStep: Math.min(...steps.map(({firstStep}) => firstStep)),
      lastStep: Math.max(...steps.map(({lastStep}) => lastStep)),
    };
  }, [one?.whole, two?.whole]);
}

/** Scrolls the section into view after a jump; one from before it was on the page is over. */
export function useJumps(section: RefObject<HTMLElement | null>, jumps: number): void {
  const seen = useRef(jumps);
  useEffect(() => {
    if (jumps === seen.current) return;
    seen.current = jumps;
    section.current?.scrollIntoView({block: 'nearest', behavior: 'smooth'});
  }, [jumps]);
}
