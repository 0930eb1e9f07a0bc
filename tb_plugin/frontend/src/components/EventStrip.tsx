/** Findings and restarts where they began, on a strip as wide as the plot below it. */

import type {JSX} from 'preact';
import {useMemo, useRef, useState} from 'preact/hooks';

import type {Finding} from '../api.ts';
import {
  countOf,
  eventMarks,
  eventTitle,
  eventWords,
  leadOf,
  markAfterKey,
  widthOfMark,
  type EventMark,
  type Span,
} from '../events.ts';
import {Shape} from './Badge.tsx';

interface Props {
  /** The steps across the plot; a heat map's layout is one. */
  layout: Span;
  /** First causes, with their consequences. */
  findings: readonly Finding[];
  restarts: readonly number[];
  onFinding: (finding: Finding) => void;
  /** What a restart leads to; without it, restarts are marked but lead nowhere. */
  onStep?: ((step: number) => void) | undefined;
}

/** One stop of the tab key: the arrow keys go from mark to mark. */
export function EventStrip({layout, findings, restarts, onFinding, onStep}: Props): JSX.Element {
  const {low, high, width} = layout;
  const marks = useMemo(
    () => (width > 0 ? eventMarks(findings, restarts, {low, high, width}) : []),
    [findings, restarts, low, high, width],
  );
  const strip = useRef<HTMLDivElement>(null);
  const [chosen, setChosen] = useState(0);
  const current = Math.min(chosen, marks.length - 1);
  const open = (mark: EventMark): void => {
    const lead = leadOf(mark);
    if (lead !== null) onFinding(lead);
    else onStep?.(mark.firstStep);
  };
  const keyed = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = markAfterKey(event.key, current, marks.length);
    if (next === null) return;
    event.preventDefault();
    // The plot around the strip pans with the same keys.
    event.stopPropagation();
    setChosen(next);
    strip.current?.querySelectorAll('button')[next]?.focus();
  };
  return (
    <div
      ref={strip}
      class="events"
      role={marks.length > 0 ? 'toolbar' : undefined}
      aria-label={marks.length > 0 ? 'Findings and restarts over the steps' : undefined}
      style={{width: `${width}px`}}
      onKeyDown={keyed}
    >
      {marks.map((mark, index) => (
        <EventButton
          key={index}
          mark={mark}
          width={width}
          current={index === current}
          onFocus={() => setChosen(index)}
          onOpen={() => open(mark)}
        />
      ))}
    </div>
  );
}

function EventButton({
  mark,
  width,
  current,
  onFocus,
  onOpen,
}: {
  mark: EventMark;
  width: number;
  current: boolean;
  onFocus: () => void;
  onOpen: () => void;
}): JSX.Element {
  const {x, severity, minor} = mark;
  const own = widthOfMark(mark);
  // Inside of the strip, with the stem where the event is.
  const left = Math.max(-6, Math.min(x - 6, width + 6 - own));
  return (
    <button
      type="button"
      class={`event ${severity ?? 'restarts'}${minor && severity !== null ? ' minor' : ''}`}
      tabIndex={current ? 0 : -1}
      style={{left: `${left}px`, width: `${own}px`, '--stem': `${x - left}px`}}
      title={eventTitle(mark)}
      aria-label={eventWords(mark)}
      data-step={mark.firstStep}
      onFocus={onFocus}
      onPointerDown={unheard}
      onDblClick={unheard}
      onClick={event => {
        event.stopPropagation();
        onOpen();
      }}
    >
      {severity === null ? <span class="restart-tick" /> : <Shape verdict={severity} />}
      {countOf(mark) > 1 && <span class="count">{countOf(mark)}</span>}
    </button>
  );
}

/** Keeps a press from the plot around the strip, which would begin a drag there. */
function unheard(event: Event): void {
  event.stopPropagation();
}
