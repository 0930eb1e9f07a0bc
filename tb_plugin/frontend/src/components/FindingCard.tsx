/** One finding: what, where, since when, what followed, what to do; and the ways to its places on the heat map. */

import type {JSX} from 'preact';

import {ruleUrl, type Finding} from '../api.ts';
import {consequenceWords, place, stretches} from '../findings.ts';
import {counted, formatNumber, formatStep, words} from '../format.ts';
import {Badge, Shape} from './Badge.tsx';

interface Place {
  layer: string | null;
  step: number | null;
}

interface Props {
  finding: Finding;
  /** What the page shows now. */
  place: Place;
  dark: boolean;
  onShow: (finding: Finding) => void;
}

/** Consequences that are told before the others have to be asked for. */
const FIRST_CONSEQUENCES = 3;

export function FindingCard({finding, place: shown, dark, onShow}: Props): JSX.Element {
  const {rule, severity, layer, firstStep, consequences, evidence, reference} = finding;
  const current = [finding, ...consequences].some(each => isAt(each, shown));
  // The button bubbles up to here, so that a click anywhere counts once; selecting the card's text is no click.
  const show = (): void => {
    if (document.getSelection()?.isCollapsed ?? true) onShow(finding);
  };
  return (
    <article
      class={`finding ${severity}${current ? ' current' : ''}`}
      data-rule={rule}
      data-severity={severity}
      data-layer={layer ?? ''}
      data-step={firstStep}
      onClick={show}
    >
      <header>
        <Badge verdict={severity} />
        <span class="rule">{rule}</span>
      </header>
      <h3>{finding.message}</h3>
      <p class="place">{place(finding)}</p>
      <Story consequences={consequences} place={shown} onShow={onShow} />
      {evidence.length > 0 && (
        <dl>
          {evidence.map(([name, value]) => (
            <div key={name}>
              <dt>{words(name)}</dt>
              <dd>{formatNumber(value)}</dd>
            </div>
          ))}
        </dl>
      )}
      <p class="advice">
        <strong>What to do</strong> {finding.suggestion}
      </p>
      <p class="reading-on" onClick={unheard}>
        <a href={ruleUrl(rule, dark)} target="_blank" rel="noopener">
          About this rule
        </a>
        {reference !== '' && <Reference text={reference} />}
      </p>
      <button type="button">Show at step {formatStep(firstStep)}</button>
    </article>
  );
}

/** What followed from a finding, each a way to its own place. */
function Story({
  consequences,
  place: shown,
  onShow,
}: {
  consequences: readonly Finding[];
  place: Place;
  onShow: (finding: Finding) => void;
}): JSX.Element | null {
  if (consequences.length === 0) return null;
  const told = (some: readonly Finding[]): JSX.Element => (
    <ol>
      {some.map((each, index) => (
        <li key={index} class={each.severity}>
          <button
            type="button"
            class="consequence"
            aria-current={isAt(each, shown)}
            data-rule={each.rule}
            data-layer={each.layer ?? ''}
            data-step={each.firstStep}
            onClick={() => onShow(each)}
          >
            <Shape verdict={each.severity} />
            <span>{consequenceWords(each)}</span>
          </button>
          <p>{each.message}</p>
        </li>
      ))}
    </ol>
  );
  const more = consequences.slice(FIRST_CONSEQUENCES);
  return (
    <div class="story" onClick={unheard}>
      {told(consequences.slice(0, FIRST_CONSEQUENCES))}
      {more.length > 0 && (
        <details>
          <summary>{counted(more.length, 'more consequence')}</summary>
          {told(more)}
        </details>
      )}
    </div>
  );
}

function Reference({text}: {text: string}): JSX.Element {
  return (
    <span class="reference">
      {stretches(text).map(({words: stretch, address}, index) =>
        address === null ? (
          stretch
        ) : (
          <a key={index} href={address} target="_blank" rel="noopener noreferrer">
            {stretch}
          </a>
        ),
      )}
    </span>
  );
}

function isAt({layer, firstStep}: Finding, shown: Place): boolean {
  return layer === shown.layer && firstStep === shown.step;
}

/** Keeps a click from the card, which would take the heat map to the finding itself. */
function unheard(event: Event): void {
  event.stopPropagation();
}
