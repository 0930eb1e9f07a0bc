/** One finding: what, where, since when, what to do; and the way to its place on the heat map. */

import type {JSX} from 'preact';

import type {Finding} from '../api.ts';
import {place} from '../findings.ts';
import {formatNumber, formatStep, words} from '../format.ts';
import {Badge} from './Badge.tsx';

interface Props {
  finding: Finding;
  current: boolean;
  onShow: (finding: Finding) => void;
}

export function FindingCard({finding, current, onShow}: Props): JSX.Element {
  const {rule, severity, layer, firstStep} = finding;
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
      <p class="advice">
        <strong>What to do</strong> {finding.suggestion}
      </p>
      {finding.evidence.length > 0 && (
        <dl>
          {finding.evidence.map(([name, value]) => (
            <div key={name}>
              <dt>{words(name)}</dt>
              <dd>{formatNumber(value)}</dd>
            </div>
          ))}
        </dl>
      )}
      <button type="button">Show at step {formatStep(firstStep)}</button>
    </article>
  );
}
