/** What was found in the selected run, first causes in order of gravity, and what is muted. */

import type {JSX} from 'preact';

import type {Finding, Run} from '../api.ts';
import {findingKey, place} from '../findings.ts';
import {counted} from '../format.ts';
import {mutedFindings, muteKey} from '../muting.ts';
import {runToldAs} from '../selection.ts';
import {openFindings, type Action, type State} from '../state.ts';
import {FindingCard} from './FindingCard.tsx';

interface Props {
  state: State;
  run: Run;
  dispatch: (action: Action) => void;
}

const FIRST_CARDS = 6;

export function Findings({state, run, dispatch}: Props): JSX.Element | null {
  const {findings} = run;
  const told = runToldAs(state, run.name);
  const muted = told === null ? [] : mutedFindings(told, state.muted);
  if (findings.length + muted.length === 0) return null;
  const open = openFindings(state);
  const visible = state.allFindings ? findings : findings.slice(0, FIRST_CARDS);
  const hidden = findings.length - FIRST_CARDS;
  return (
    <section class="findings" aria-label="Findings">
      <h2 class="unseen">Findings</h2>
      {visible.map((finding, index) => {
        const key = findingKey(finding);
        return (
          <FindingCard
            key={`${run.name} ${key} ${index}`}
            id={`finding-${index}`}
            finding={finding}
            open={open.has(key)}
            shown={state}
            dark={state.dark}
            onShow={shown => dispatch({type: 'finding', finding: shown})}
            onOpen={opened => dispatch({type: 'open', key, open: opened})}
            onMute={() => dispatch({type: 'mute', keys: [muteKey(run, finding)], muted: true})}
          />
        );
      })}
      {hidden > 0 && (
        <button
          type="button"
          class="more"
          onClick={() => dispatch({type: 'all-findings', all: !state.allFindings})}
        >
          {state.allFindings
            ? `Show the first ${FIRST_CARDS} findings`
            : `Show ${hidden} more ${hidden === 1 ? 'finding' : 'findings'}`}
        </button>
      )}
      <Muted
        muted={muted}
        onTell={finding => dispatch({type: 'mute', keys: [muteKey(run, finding)], muted: false})}
      />
    </section>
  );
}

/** What is not told: this browser remembers it, and no other page shows it less. */
function Muted({
  muted,
  onTell,
}: {
  muted: readonly Finding[];
  onTell: (finding: Finding) => void;
}): JSX.Element | null {
  if (muted.length === 0) return null;
  return (
    <details class="muted">
      <summary>{counted(muted.length, 'muted finding')}</summary>
      <ul>
        {muted.map(finding => (
          <li key={findingKey(finding)}>
            <span>
              {finding.rule} {place(finding)}
            </span>
            <button type="button" onClick={() => onTell(finding)}>
              Tell again<span class="unseen"> {finding.rule}</span>
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}
