/** Everything about the selected run: verdict, findings, heat map, the selected layers' curves, loss, flight record. */

import type {JSX} from 'preact';

import type {Run} from '../api.ts';
import type {Cursor} from '../cursor.ts';
import {circumstances, progress} from '../findings.ts';
import {settingsWords} from '../runtable.ts';
import type {Action, State} from '../state.ts';
import {Download} from './Download.tsx';
import {Findings} from './Findings.tsx';
import {FlightRecord} from './FlightRecord.tsx';
import {HeatSection} from './HeatSection.tsx';
import {LayerCurves} from './LayerCurves.tsx';
import {RunBar} from './RunBar.tsx';
import {StepCurves} from './StepCurves.tsx';

interface Props {
  state: State;
  run: Run;
  cursor: Cursor;
  dispatch: (action: Action) => void;
  /** The address of what the page shows. */
  link: () => string;
}

export function RunPage({state, run, cursor, dispatch, link}: Props): JSX.Element {
  const shared = {state, cursor, dispatch};
  return (
    <>
      <RunBar {...shared} run={run} link={link} />
      <Verdict run={run} />
      <Findings state={state} run={run} dispatch={dispatch} />
      <HeatSection {...shared} run={run} />
      <LayerCurves {...shared} />
      <StepCurves {...shared} />
      <FlightRecord {...shared} />
    </>
  );
}

function Verdict({run}: {run: Run}): JSX.Element {
  return (
    <section class="verdict" aria-label="Verdict">
      <p>{progress(run)}</p>
      <p class="settings">
        {[run.optimizer, settingsWords(run), ...circumstances(run)].filter(Boolean).join(' · ')}
      </p>
      <Download run={run.name} />
      {run.notes.map(note => (
        <p key={note} class="note" role="note">
          {note}
        </p>
      ))}
    </section>
  );
}
