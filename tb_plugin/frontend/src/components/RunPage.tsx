/** Everything about the selected run: verdict, findings, loss, heat map, flight record, the selected layer's curves. */

import type {JSX} from 'preact';

import {statisticUrl, type Run} from '../api.ts';
import {circumstances, headline, progress} from '../findings.ts';
import {formatNumber, words} from '../format.ts';
import type {Action, State} from '../state.ts';
import {Shape} from './Badge.tsx';
import {Download} from './Download.tsx';
import {FindingCard} from './FindingCard.tsx';
import {FlightRecord} from './FlightRecord.tsx';
import {HeatSection} from './HeatSection.tsx';
import {LayerCurves} from './LayerCurves.tsx';
import {StepCurves} from './StepCurves.tsx';

interface Props {
  state: State;
  run: Run;
  dispatch: (action: Action) => void;
}

const FIRST_CARDS = 6;

export function RunPage({state, run, dispatch}: Props): JSX.Element {
  return (
    <>
      <Verdict run={run} />
      <Findings state={state} run={run} dispatch={dispatch} />
      <StepCurves state={state} dispatch={dispatch} />
      <HeatSection
        run={run}
        state={state}
        entry={state.tables.get(statisticUrl(run.name, state.statistic))}
        dispatch={dispatch}
      />
      <FlightRecord state={state} dispatch={dispatch} />
      <LayerCurves state={state} dispatch={dispatch} />
    </>
  );
}

function Verdict({run}: {run: Run}): JSX.Element {
  return (
    <section class={`verdict ${run.verdict}`} aria-label="Verdict">
      <Shape verdict={run.verdict} />
      <div>
        <h1 aria-live="polite">{headline(run)}</h1>
        <p>
          <strong>{run.name}</strong> · {progress(run)}
        </p>
        <p class="settings">
          {run.optimizer}
          {run.hyperparameters.map(([name, value]) => (
            <span key={name}>
              {words(name)} {typeof value === 'number' ? formatNumber(value) : value}
            </span>
          ))}
          {circumstances(run).map(told => (
            <span key={told}>{told}</span>
          ))}
        </p>
        <Download run={run.name} />
        {run.notes.map(note => (
          <p key={note} class="note" role="note">
            {note}
          </p>
        ))}
      </div>
    </section>
  );
}

function Findings({state, run, dispatch}: Props): JSX.Element | null {
  const {findings} = run;
  if (findings.length === 0) return null;
  const visible = state.allFindings ? findings : findings.slice(0, FIRST_CARDS);
  const hidden = findings.length - FIRST_CARDS;
  return (
    <section aria-label="Findings">
      <div class="findings">
        {visible.map((finding, index) => (
          <FindingCard
            key={`${run.name} ${index}`}
            finding={finding}
            place={state}
            dark={state.dark}
            onShow={shown => dispatch({type: 'finding', finding: shown})}
          />
        ))}
      </div>
      {hidden > 0 && (
        <button
          type="button"
          class="more"
          onClick={() => dispatch({type: 'all-findings', all: !state.allFindings})}
        >
          {state.allFindings
            ? `Show the first ${FIRST_CARDS} findings`
            : `Show ${hidden} more findings`}
        </button>
      )}
    </section>
  );
}
