/** What stays in sight while the page is scrolled: which run this is, how it is, and the window that all charts show. */

import type {JSX} from 'preact';

import type {Run} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import {headline} from '../findings.ts';
import {wholeLoss} from '../lines.ts';
import {mutedFindings} from '../muting.ts';
import {allSteps, runColors, runToldAs} from '../selection.ts';
import type {Action, State} from '../state.ts';
import {Shape} from './Badge.tsx';
import {CopyLink} from './CopyLink.tsx';
import {Timeline} from './Timeline.tsx';

interface Props {
  state: State;
  run: Run;
  cursor: Cursor;
  dispatch: (action: Action) => void;
  link: () => string;
}

export function RunBar({state, run, cursor, dispatch, link}: Props): JSX.Element {
  const color = runColors(state).get(run.name) ?? '';
  const told = runToldAs(state, run.name);
  const muted = told === null ? 0 : mutedFindings(told, state.muted).length;
  return (
    <header class={`run-bar ${run.verdict}`}>
      <div class="telling">
        <Shape verdict={run.verdict} />
        <h1 aria-live="polite">{headline(run, muted)}</h1>
        <span class="which">
          <span class="swatch" style={{background: color}} />
          <span>{run.name}</span>
        </span>
        <CopyLink link={link} />
      </div>
      <Brush state={state} run={run} cursor={cursor} dispatch={dispatch} color={color} />
    </header>
  );
}

function Brush({
  state,
  run,
  cursor,
  dispatch,
  color,
}: Omit<Props, 'link'> & {color: string}): JSX.Element {
  return (
    <Timeline
      name={run.name}
      loss={wholeLoss(state, run)}
      all={allSteps(state)}
      zoom={state.zoom}
      step={state.step}
      cursor={cursor}
      findings={run.findings}
      restarts={run.restarts}
      color={color}
      dark={state.dark}
      onZoom={zoom => dispatch({type: 'zoom', zoom})}
      onStep={step => dispatch({type: 'step', step})}
      onFinding={finding => dispatch({type: 'finding', finding})}
    />
  );
}
