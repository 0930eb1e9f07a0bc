/** Where steps lie across a chart, and which step lies where. Pure. */

import {nearestColumn} from './layout.ts';
import {linearTicks} from './scale.ts';
import type {Zoom} from './zoom.ts';

/** A chart's horizontal axis from `low` to `high`, in units of its own. */
export interface StepAxis {
  low: number;
  high: number;
  /** Where a step lies; null for one that the axis leaves out. */
  place: (step: number) => number | null;
  /** The step nearest to a place. */
  stepAt: (place: number) => number;
  /** The places of round steps, at most about `count`. */
  ticks: (count: number) => number[];
  /** Where steps are left out, also outside of `low` and `high`: no line may cross these. */
  breaks: readonly Break[];
}

interface Break {
  from: number;
  to: number;
}

/** Every step has the same room, whether or not it was recorded. */
export function evenAxis({firstStep, lastStep}: Zoom): StepAxis {
  const single = firstStep >= lastStep;
  const low = single ? firstStep - 1 : firstStep;
  const high = single ? lastStep + 1 : lastStep;
  return {
    low,
    high,
    place: step => step,
    stepAt: Math.round,
    ticks: count => linearTicks(low, high, count).filter(Number.isInteger),
    breaks: [],
  };
}

/** The width of a break, as a part of all steps. */
const BREAK = 0.03;

/**
 * Only `steps` have room, in stretches with a narrow break between them.
 *
 * @param steps ascending, one or more.
 * @param zoom what to show of them; all are shown when it holds fewer than two.
 */
export function closedAxis(steps: readonly number[], zoom: Zoom | null): StepAxis {
  const gap = Math.max(1, Math.round(steps.length * BREAK));
  const stretches = stretchesOf(steps);
  const places = stretches.flatMap((stretch, nth) => stretch.map(index => index + nth * gap));
  const starts = stretches.slice(1).map(([first]) => places[first] - 0.5);
  const at = new Map(steps.map((step, index) => [step, places[index]]));
  const inside = places.filter(
    (_, index) =>
      zoom === null || (zoom.firstStep <= steps[index] && steps[index] <= zoom.lastStep),
  );
  const shown = inside.length < 2 ? places : inside;
  const low = shown[0] - 0.5;
  const high = shown[shown.length - 1] + 0.5;
  return {
    low,
    high,
    place: step => at.get(step) ?? null,
    stepAt: place => steps[nearestColumn(places, place)],
    ticks: count => {
      const stride = strideOf(high - low, count);
      const round = stretches.flatMap(stretch => {
        const visible = stretch.filter(index => low < places[index] && places[index] < high);
        const multiples = visible.filter(index => steps[index] % stride === 0);
        return multiples.length > 0 ? multiples : visible.slice(0, 1);
      });
      return spread(
        round.map(index => places[index]),
        (0.6 * (high - low)) / Math.max(1, count),
      );
    },
    breaks: starts.map(to => ({from: to - gap, to})),
  };
}

/** The indices of `steps`, parted where a step is missing. */
function stretchesOf(steps: readonly number[]): number[][] {
  const stretches: number[][] = [];
  steps.forEach((step, index) => {
    if (index > 0 && step === steps[index - 1] + 1) stretches[stretches.length - 1].push(index);
    else stretches.push([index]);
  });
  return stretches;
}

/** A round whole number of which about `count` fit into `width`. */
function strideOf(width: number, count: number): number {
  const [first, second] = linearTicks(0, width, count);
  return Math.max(1, (second ?? Math.ceil(width)) - first);
}

/** The places without those that come less than `apart` after one that stays. */
function spread(places: readonly number[], apart: number): number[] {
  const kept: number[] = [];
  for (const place of places)
    if (kept.length === 0 || place - kept[kept.length - 1] >= apart) kept.push(place);
  return kept;
}
