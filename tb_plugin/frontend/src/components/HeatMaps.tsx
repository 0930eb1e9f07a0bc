/** The maps of the heat map's section as they lie on the page, each with its export where there are two. */

import type {JSX, RefObject} from 'preact';

import type {Finding, Run} from '../api.ts';
import {mapHeight, rowHeight} from '../layout.ts';
import type {MapFrame} from '../mapview.ts';
import {named} from '../plain.ts';
import {hasLayer} from '../selection.ts';
import type {Action, State} from '../state.ts';
import type {Shared} from './HeatMap.tsx';
import {DifferenceExport, RunExport} from './MapExport.tsx';
import {usualStep} from './MapProfile.tsx';
import {Loading} from './Messages.tsx';
import {DifferenceMap, OtherMap, RunMap, RunName, type About} from './RunMaps.tsx';
import type {Heat} from './useHeat.ts';

/** Maps from so wide on have room for a depth profile of such a width; the widest first. */
const PROFILES = [
  {from: 1100, width: 150},
  {from: 760, width: 110},
] as const;

/** Of the depth profile beside a map so wide; 0 for none. */
function profileWidth(width: number): number {
  return PROFILES.find(({from}) => width >= from)?.width ?? 0;
}

interface Props {
  heat: Heat;
  state: State;
  shared: Shared;
  /** Of the section. */
  width: number;
  colorOf: (run: Run) => string;
  dispatch: (action: Action) => void;
}

export function HeatMaps(props: Props): JSX.Element | null {
  const {heat, shared} = props;
  const {one, failed, sideBySide} = heat;
  if (one === null) return failed.length === 0 ? <Wait {...props} run={heat.run} /> : null;
  return (
    <div
      class={sideBySide ? 'maps side-by-side' : 'maps'}
      style={{'--labels': `${shared.labelsWidth}px`}}
    >
      {heat.isDifference ? (
        <Difference {...props} />
      ) : heat.beside ? (
        <Both {...props} />
      ) : (
        <RunMap {...shared} {...aboutOf(props)} data={one} other={heat.two} labels="tree" />
      )}
    </div>
  );
}

function Difference(props: Props): JSX.Element | null {
  const {heat, shared} = props;
  const {one, two, difference, scale, comparable} = heat;
  if (comparable === null || one === null) return null;
  if (two === null || difference === null) return <Wait {...props} run={comparable} />;
  const of = {one, two, difference, scale};
  return <DifferenceMap {...shared} {...aboutOf(props)} {...of} />;
}

/** Two maps, below or beside one another: then the labels of the first are also those of the second. */
function Both(props: Props): JSX.Element | null {
  const {heat, shared, state, colorOf} = props;
  const {run, comparable, one, two, sideBySide} = heat;
  if (comparable === null || one === null) return null;
  const about = aboutOf(props);
  const exported = exportedOf(heat, state, shared.section);
  return (
    <>
      <RunName run={run} color={colorOf(run)}>
        <RunExport {...exported} data={one} of={run} />
      </RunName>
      <RunMap {...shared} {...about} data={one} other={two} labels="tree" />
      <RunName run={comparable} color={colorOf(comparable)}>
        {two !== null && <RunExport {...exported} data={two} of={run} />}
      </RunName>
      {two === null ? (
        <Wait {...props} run={comparable} />
      ) : (
        <OtherMap
          {...shared}
          {...about}
          data={two}
          of={run}
          labels={sideBySide ? 'none' : 'mute'}
          onFinding={finding => about.onFinding(inRun(finding, run))}
        />
      )}
    </>
  );
}

/** The place of another run's finding: the run stays, which may lack the layer. */
function inRun(finding: Finding, run: Run): Finding {
  const {layer} = finding;
  return {...finding, layer: layer !== null && hasLayer(run, layer) ? layer : null};
}

function aboutOf({heat, state, width, colorOf, dispatch}: Props): About {
  const {run, rows, statistic, label, values, sideBySide} = heat;
  return {
    rows: rows.rows,
    label,
    unit: statistic?.unit ?? '',
    statistic: state.statistic,
    values,
    dark: state.dark,
    colorOf,
    profile: profileWidth(width / (sideBySide ? 2 : 1)),
    usual: usualStep(run),
    onStep: step => dispatch({type: 'step', step}),
    onFinding: finding => dispatch({type: 'finding', finding}),
  };
}

/** What is still to come, as high as the map will be, so that the page does not jump. */
function Wait({heat, state, run}: Props & {run: Run}): JSX.Element {
  const {rows, room, label, failed} = heat;
  const height = mapHeight(rows.rows.length, state.tallRows, room);
  return (
    <div style={{minHeight: `${height}px`}}>
      {failed.length === 0 && <Loading what={`${label} of ${named(run.name)}`} />}
    </div>
  );
}

interface Exported {
  section: RefObject<HTMLElement | null>;
  frame: MapFrame;
  statistic: string;
}

function exportedOf(heat: Heat, state: State, section: Exported['section']): Exported {
  const {rows, room, label, statistic, scale, domain, fitted, all} = heat;
  const frame: MapFrame = {
    label,
    unit: statistic?.unit ?? '',
    scale,
    domain,
    fitted,
    rows: rows.rows,
    rowHeight: rowHeight(rows.rows.length, state.tallRows, room),
    window: state.zoom ?? all,
    step: state.step,
  };
  return {section, frame, statistic: state.statistic};
}

/** The export of the only map there is; where there are two, each has its own. */
export function HeatExport({
  heat,
  state,
  section,
}: Pick<Props, 'heat' | 'state'> & Pick<Exported, 'section'>): JSX.Element | null {
  const {run, one, two, difference, isDifference, beside, empty} = heat;
  if (one === null || empty || beside) return null;
  const exported = exportedOf(heat, state, section);
  if (!isDifference) return <RunExport {...exported} data={one} of={run} />;
  if (two === null || difference === null) return null;
  return <DifferenceExport {...exported} one={one} two={two} difference={difference} />;
}
