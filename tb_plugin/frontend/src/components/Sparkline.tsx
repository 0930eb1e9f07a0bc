/** The loss of a whole run as a picture in a line of text. */

import type {JSX} from 'preact';

import type {LossCurve} from '../api.ts';
import {MARKS} from '../palette.ts';
import {sparkline, STRIP} from '../runtable.ts';

/** What its sides are divided into; it is as wide as there is room for. */
const [WIDTH, HEIGHT] = [160, 28];

interface Props {
  curve: LossCurve;
  color: string;
  /** What is seen, for those who do not. */
  words: string;
}

export function Sparkline({curve, color, words}: Props): JSX.Element {
  const {log, band, strips} = sparkline(curve, WIDTH, HEIGHT);
  const point = pointOf(curve);
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={words}
      data-scale={log ? 'log' : 'linear'}
      style={{color}}
    >
      <title>{`${words}${log ? ' (log scale)' : ''}`}</title>
      {point === null ? (
        <path class="band" d={band} vector-effect="non-scaling-stroke" />
      ) : (
        <path
          class="point"
          d={point}
          stroke="currentColor"
          stroke-width="6"
          stroke-linecap="round"
          vector-effect="non-scaling-stroke"
        />
      )}
      {strips.map(({x, width}) => (
        <rect key={x} x={x} width={width} height={STRIP} fill={MARKS.nan.color} />
      ))}
    </svg>
  );
}

/** The path of a dot, for a run of one loss alone; null for another. */
function pointOf({high}: LossCurve): string | null {
  const numbers = high.flatMap((value, index) => (value === null ? [] : [index]));
  if (numbers.length !== 1) return null;
  const x = ((numbers[0] + 0.5) * WIDTH) / high.length;
  return `M${x} ${(STRIP + HEIGHT) / 2}h0`;
}
