/** What was found in the selected run, first causes in order of gravity, and what is muted. */

import type {JSX} from 'preact';
import {useLayoutEffect, useRef, useState} from 'preact/hooks';

import type {Finding, Run} from '../api.ts';
import {findingIds, findingKey, place} from '../findings.ts';
import {counted} from '../format.ts';
import {mutedFindings, muteKey} from '../muting.ts';
import {runToldAs} from '../selection.ts';
import {openFindings, type Action, type State} from '../state.ts';
import {FindingCard} from './FindingCard.tsx';
import {useRemoval} from './useRemoval.ts';

interface Props {
  state: State;
  run: Run;
  dispatch: (action: Action) => void;
}

const FIRST_CARDS = 6;

export function Findings({state, run, dispatch}: Props): JSX.Element | null {
  const {findings} = run;
  const [said, say] = useState({run: '', words: ''});
  const removed = useRemoval();
  const section = useRef<HTMLElement>(null);
  const shown = useFirstAdded(section, state.allFindings);
  const told = runToldAs(state, run.name);
  const muted = told === null ? [] : mutedFindings(told, state.muted);
  if (findings.length + muted.length === 0) return null;
  const open = openFindings(state);
  const visible = state.allFindings ? findings : findings.slice(0, FIRST_CARDS);
  const hidden = findings.length - FIRST_CARDS;
  const ids = findingIds(visible);
  const mute = (finding: Finding, silent: boolean, words: string): void => {
    dispatch({type: 'mute', keys: [muteKey(run, finding)], muted: silent});
    say({run: run.name, words: `${finding.rule} ${place(finding)}: ${words}`});
  };
  return (
    <section ref={section} class="findings" aria-label="Findings">
      <h2 class="unseen" tabIndex={-1}>
        Findings
      </h2>
      <p class="unseen" role="status">
        {said.run === run.name ? said.words : ''}
      </p>
      {visible.map((finding, index) => {
        const key = findingKey(finding);
        return (
          <FindingCard
            key={`${run.name} ${ids[index]}`}
            id={`finding-${encodeURIComponent(ids[index])}`}
            finding={finding}
            open={open.has(key)}
            shown={state}
            dark={state.dark}
            onShow={found => dispatch({type: 'finding', finding: found})}
            onOpen={opened => dispatch({type: 'open', key, open: opened})}
            onMute={button =>
              removed(button, () => mute(finding, true, 'muted, can be told again below'))
            }
          />
        );
      })}
      {hidden > 0 && (
        <button
          type="button"
          class="more"
          onClick={() => {
            if (!state.allFindings) shown(FIRST_CARDS);
            dispatch({type: 'all-findings', all: !state.allFindings});
          }}
        >
          {state.allFindings
            ? `Show the first ${FIRST_CARDS} findings`
            : `Show ${hidden} more ${hidden === 1 ? 'finding' : 'findings'}`}
        </button>
      )}
      <Muted
        muted={muted}
        onTell={(finding, button) => removed(button, () => mute(finding, false, 'told again'))}
      />
    </section>
  );
}

/** Returns what is told the number of the first card that the next drawing adds: the focus goes there. */
function useFirstAdded(
  section: {readonly current: HTMLElement | null},
  all: boolean,
): (nth: number) => void {
  const wanted = useRef<number | null>(null);
  useLayoutEffect(() => {
    const heads = section.current?.querySelectorAll<HTMLElement>('.finding .head');
    if (all && wanted.current !== null) heads?.[wanted.current]?.focus();
    wanted.current = null;
  }, [section, all]);
  return nth => (wanted.current = nth);
}

/** What is not told: this browser remembers it, and no other page shows it less. */
function Muted({
  muted,
  onTell,
}: {
  muted: readonly Finding[];
  onTell: (finding: Finding, button: HTMLElement) => void;
}): JSX.Element | null {
  if (muted.length === 0) return null;
  const ids = findingIds(muted);
  return (
    <details class="muted-findings">
      <summary>{counted(muted.length, 'muted finding')}</summary>
      <ul>
        {muted.map((finding, index) => (
          <li key={ids[index]}>
            <span>
              {finding.rule} {place(finding)}
            </span>
            <button
              type="button"
              data-removes="muted"
              onClick={event => onTell(finding, event.currentTarget)}
            >
              Tell again<span class="unseen"> {finding.rule}</span>
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}
