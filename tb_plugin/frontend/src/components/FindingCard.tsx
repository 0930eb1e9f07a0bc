/** One finding: what, where and since when; opened, what followed, why, what to do, where to read on. */

import type {JSX} from 'preact';

import {ruleUrl, type Finding} from '../api.ts';
import {evidenceWords} from '../evidence.ts';
import {consequenceWords, place, stretches} from '../findings.ts';
import {counted, formatNumber, formatStep} from '../format.ts';
import {Shape} from './Badge.tsx';

/** What the page shows now. */
export interface Shown {
  layers: readonly string[];
  step: number | null;
}

interface Props {
  id: string;
  finding: Finding;
  open: boolean;
  shown: Shown;
  dark: boolean;
  /** Takes the whole page to the place of a finding. */
  onShow: (finding: Finding) => void;
  onOpen: (open: boolean) => void;
  onMute: (button: HTMLElement) => void;
}

export function FindingCard(props: Props): JSX.Element {
  const {id, finding, open, shown, onShow, onOpen, onMute} = props;
  const {rule, severity, layer, firstStep, consequences} = finding;
  const current = [finding, ...consequences].some(each => isAt(each, shown));
  const head = (): void => {
    if (!open) onShow(finding);
    onOpen(!open);
  };
  return (
    <article
      class={`finding ${severity}${current ? ' current' : ''}`}
      data-rule={rule}
      data-severity={severity}
      data-layer={layer ?? ''}
      data-step={firstStep}
    >
      <header>
        <h3>
          <button type="button" class="head" aria-expanded={open} aria-controls={id} onClick={head}>
            <Shape verdict={severity} />
            <span>
              <span class="rule">
                {severity} · {rule} {place(finding)}
                {consequences.length > 0 && `, with ${counted(consequences.length, 'consequence')}`}
              </span>
              <span class="message">{finding.message}</span>
            </span>
          </button>
        </h3>
        <div class="acts">
          <button type="button" onClick={() => onShow(finding)}>
            Show at step {formatStep(firstStep)}
          </button>
          <button
            type="button"
            title="Do not tell this finding any more"
            data-removes="finding"
            onClick={event => onMute(event.currentTarget)}
          >
            Mute<span class="unseen"> {rule}</span>
          </button>
        </div>
      </header>
      <div id={id} class="body" hidden={!open}>
        {open && <Body {...props} />}
      </div>
    </article>
  );
}

function Body({finding, shown, dark, onShow}: Props): JSX.Element {
  const {rule, consequences, evidence, reference, suggestion} = finding;
  return (
    <>
      <Story consequences={consequences} shown={shown} onShow={onShow} />
      {evidence.length > 0 && (
        <dl>
          {evidence.map(([name, value]) => (
            <div key={name}>
              <dt>{evidenceWords(name)}</dt>
              <dd>{formatNumber(value)}</dd>
            </div>
          ))}
        </dl>
      )}
      <p class="advice">
        <strong>What to do</strong> {suggestion}
      </p>
      <p class="reading-on">
        <a href={ruleUrl(rule, dark)} target="_blank" rel="noopener">
          About this rule
        </a>
        {reference !== '' && <Reference text={reference} />}
      </p>
    </>
  );
}

/** Consequences that are told before the others have to be asked for. */
const FIRST_CONSEQUENCES = 3;

/** What followed from a finding, each a way to its own place. */
function Story({
  consequences,
  shown,
  onShow,
}: {
  consequences: readonly Finding[];
  shown: Shown;
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
    <div class="story">
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

function isAt({layer, firstStep}: Finding, {layers, step}: Shown): boolean {
  return firstStep === step && (layer ?? undefined) === layers[0];
}
