/** How much the lines of all charts are smoothed: a slider, and the number. */

import type {JSX} from 'preact';

import {MOST_SMOOTHING, smoothingOf} from '../smoothing.ts';

export function Smoothing({
  smoothing,
  onChange,
}: {
  smoothing: number;
  onChange: (smoothing: number) => void;
}): JSX.Element {
  const common = {
    min: 0,
    max: MOST_SMOOTHING,
    step: 0.01,
    value: smoothing,
    onInput: ({currentTarget: {value}}: {currentTarget: HTMLInputElement}) =>
      onChange(smoothingOf(value)),
  };
  return (
    <div
      class="smoothing"
      title="Of loss and layer charts: a moving average, as in TensorBoard's other tabs"
    >
      <label for="smoothing">Smoothing</label>
      <input id="smoothing" type="range" {...common} />
      <input type="number" aria-label="Smoothing as a number, 0 to 0.99" {...common} />
    </div>
  );
}
