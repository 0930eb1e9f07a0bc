/** A sample of a line, for a key. */

import type {JSX} from 'preact';

const WIDTH = 22;

export function LineKey({color, dash}: {color: string; dash: readonly number[]}): JSX.Element {
  return (
    <svg class="line-key" width={WIDTH} height="8" viewBox={`0 0 ${WIDTH} 8`} aria-hidden="true">
      <path
        d={`M0 4H${WIDTH}`}
        stroke={color}
        stroke-width="2.5"
        stroke-dasharray={dash.join(' ')}
      />
    </svg>
  );
}
