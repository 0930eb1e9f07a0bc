/** What the heat map's colours mean. */

import type {JSX} from 'preact';

import {counted, formatNumber, formatStep} from '../format.ts';
import {MARKS, VIRIDIS, type Special} from '../palette.ts';
import {positions, valueTicks, type Domain} from '../scale.ts';

const SPECIALS: readonly Special[] = ['zero', 'nan', 'posinf', 'neginf'];

export function Legend({
  domain,
  unit,
  restarts,
  restartCount,
}: {
  domain: Domain | null;
  unit: string;
  restarts: readonly number[];
  restartCount: number;
}): JSX.Element {
  return (
    <div class="legend">
      {domain !== null && (
        <figure class="ramp">
          <div style={{background: `linear-gradient(to right, ${VIRIDIS.join(', ')})`}} />
          {valueTicks(domain, 6).map(value => (
            <span key={value} style={{left: `${100 * positions(domain)(value)}%`}}>
              {formatNumber(value)}
            </span>
          ))}
        </figure>
      )}
      <span class="unit">
        {domain === null
          ? 'No finite value'
          : [unit, domain.scale === 'log' ? 'log scale' : ''].filter(Boolean).join(', ')}
      </span>
      <ul class="marks">
        {SPECIALS.map(special =>
          domain?.scale === 'linear' && special === 'zero' ? null : (
            <MarkKey key={special} special={special} />
          ),
        )}
        <li>
          <span class="key missing" />
          not recorded
        </li>
        {restartCount > 0 && (
          <li title="m and u were cleared, and the bias correction began anew">
            <span class="key restarted" />
            {counted(restartCount, 'restart')}
            {restartCount > restarts.length && `, ${formatStep(restarts.length)} marked`}
          </li>
        )}
      </ul>
    </div>
  );
}

const ANGLES: Record<Special, string> = {zero: '', nan: '-45deg', posinf: '45deg', neginf: '90deg'};

function MarkKey({special}: {special: Special}): JSX.Element {
  const {label, color, ink} = MARKS[special];
  const background =
    special === 'zero'
      ? `radial-gradient(circle at 2px 2px, ${ink} 0.8px, transparent 1px) 0 0 / 5px 5px, ${color}`
      : `repeating-linear-gradient(${ANGLES[special]}, ${color} 0 3px, ${ink} 3px 4px)`;
  return (
    <li>
      <span class="key" style={{background}} />
      {label}
    </li>
  );
}
