/** What the heat map's colours mean. */

import type {ComponentChildren, JSX} from 'preact';

import type {Scale} from '../api.ts';
import {counted, formatNumber, formatStep} from '../format.ts';
import {FITTED, spanWords, specialsOf} from '../mapview.ts';
import {DIVERGING, MARKS, VIRIDIS, type Special} from '../palette.ts';
import {positions, valueTicks, type Domain} from '../scale.ts';
import {SPIKE} from '../spikes.ts';

interface Props {
  /** Null without a finite number. */
  domain: Domain | null;
  /** Whether that is of the window, not of the whole runs. */
  fitted: boolean;
  /** Whether there is nothing yet that could be told. */
  waiting: boolean;
  unit: string;
  /** Whether a spike between two records is to be seen. */
  spikes: boolean;
  /** The restarts that are marked, and all that there were. */
  marked: number;
  restarts: number;
}

/** Of a map of one run, or of two on one scale. */
export function Legend(props: Props): JSX.Element {
  const {domain, fitted, waiting, unit, spikes, marked, restarts} = props;
  const specials = specialsOf(domain?.scale ?? 'log');
  return (
    <div class="legend">
      {domain !== null && (
        <Ramp colors={VIRIDIS}>
          {valueTicks(domain, 6).map(value => (
            <Tick key={value} at={positions(domain)(value)}>
              {formatNumber(value)}
            </Tick>
          ))}
        </Ramp>
      )}
      <span class="unit">
        {domain === null
          ? waiting
            ? unit
            : 'No finite value'
          : [unit, domain.scale === 'log' ? 'log scale' : '', fitted ? FITTED : '']
              .filter(Boolean)
              .join(', ')}
      </span>
      <Keys specials={specials} marked={marked} restarts={restarts}>
        {spikes && (
          <li
            title={`The largest value of the steps between two records, at least ${SPIKE} times what was recorded before and after`}
          >
            <span class="key spiked" />
            spike between two records
          </li>
        )}
      </Keys>
    </div>
  );
}

/** A run's name and the colour in which everything of it is drawn. */
export interface NamedRun {
  name: string;
  color: string;
}

export function RunDot({color}: {color: string}): JSX.Element {
  return <span class="run-dot" style={{background: color}} />;
}

interface DifferenceProps extends Pick<
  Props,
  'domain' | 'fitted' | 'waiting' | 'marked' | 'restarts'
> {
  /** Of the statistic: on a log scale the colours are of factors. */
  scale: Scale;
  /** What the one is against the other. */
  one: NamedRun;
  other: NamedRun;
}

/** Of a map of what one run differs by from another. */
export function DifferenceLegend(props: DifferenceProps): JSX.Element {
  const {domain, fitted, waiting, scale, one, other} = props;
  const most = domain === null ? '' : spanWords(domain, scale);
  return (
    <div class="legend">
      {domain !== null && (
        <Ramp colors={DIVERGING} words>
          <span class="from">{most} smaller</span>
          <span class="middle">equal</span>
          <span class="to">{most} larger</span>
        </Ramp>
      )}
      <span class="unit">
        {domain === null ? (
          !waiting && 'Nothing to compare'
        ) : (
          <>
            in <RunDot color={one.color} /> <strong>{one.name}</strong> than in{' '}
            <RunDot color={other.color} /> <strong>{other.name}</strong>
            {fitted && `, ${FITTED}`}
          </>
        )}
      </span>
      <Keys specials={specialsOf('linear')} {...props} missing="not recorded in both" odd=" in either" />
    </div>
  );
}

function Ramp({
  colors,
  words,
  children,
}: {
  colors: readonly string[];
  words?: boolean;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <figure class={words === true ? 'map-ramp in-words' : 'map-ramp'}>
      <div style={{background: `linear-gradient(to right, ${colors.join(', ')})`}} />
      {children}
    </figure>
  );
}

function Tick({at, children}: {at: number; children: ComponentChildren}): JSX.Element {
  return (
    <span class="tick" style={{left: `${100 * at}%`}}>
      {children}
    </span>
  );
}

interface KeysProps extends Pick<Props, 'marked' | 'restarts'> {
  specials: readonly Special[];
  missing?: string;
  odd?: string;
  children?: ComponentChildren;
}

function Keys({specials, marked, restarts, missing, odd, children}: KeysProps): JSX.Element {
  return (
    <ul class="marks">
      {specials.map(special => (
        <MarkKey key={special} special={special} after={odd ?? ''} />
      ))}
      <li>
        <span class="key missing" />
        {missing ?? 'not recorded'}
      </li>
      {children}
      {restarts > 0 && (
        <li title="m and u were cleared, and the bias correction began anew">
          <span class="key restarted" />
          {counted(restarts, 'restart')}
          {restarts > marked && `, ${formatStep(marked)} marked`}
        </li>
      )}
    </ul>
  );
}

const ANGLES: Record<Special, string> = {zero: '', nan: '-45deg', posinf: '45deg', neginf: '90deg'};

function MarkKey({special, after}: {special: Special; after: string}): JSX.Element {
  const {label, color, ink} = MARKS[special];
  const background =
    special === 'zero'
      ? `radial-gradient(circle at 2px 2px, ${ink} 0.8px, transparent 1px) 0 0 / 5px 5px, ${color}`
      : `repeating-linear-gradient(${ANGLES[special]}, ${color} 0 3px, ${ink} 3px 4px)`;
  return (
    <li>
      <span class="key" style={{background}} />
      {label}
      {after}
    </li>
  );
}
