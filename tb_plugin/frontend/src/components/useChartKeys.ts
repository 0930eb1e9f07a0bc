/** The keys of a chart: they move the pointed step from record to record, select it, and pan and zoom. */

import type {RefObject} from 'preact';
import {useState} from 'preact/hooks';

import type {StepAxis} from '../axis.ts';
import type {Cursor} from '../cursor.ts';
import type {Curve} from '../curves.ts';
import type {Layout} from '../layout.ts';
import {MARGIN, plotWidth, type PlotArea} from '../plotarea.ts';
import {spokenWords, stepAfterKey} from '../readout.ts';
import {panned, widthOf, type Zoom} from '../zoom.ts';
import {useGestures} from './useGestures.ts';

export const KEYS =
  'left and right move the step, Enter selects it, plus and minus zoom, 0 shows all, Escape does, then lets the step go';

interface Asked {
  curves: readonly Curve[];
  zoom: Zoom | null;
  all: Zoom;
  step: number | null;
  cursor: Cursor;
  only?: readonly number[];
  onStep: (step: number | null) => void;
  onZoom: (zoom: Zoom | null) => void;
}

/** What the last key led to: the step that it went to, and what is said of it. */
interface Went {
  step: number | null;
  words: string;
}

const NOWHERE: Went = {step: null, words: ''};

export function useChartKeys(
  plot: RefObject<HTMLElement | null>,
  {curves, zoom, all, step, cursor, only, onStep, onZoom}: Asked,
  window: Zoom,
  area: PlotArea,
): [went: Went, keyed: (event: KeyboardEvent) => void] {
  const [went, go] = useState(NOWHERE);
  const {firstStep, lastStep} = window;
  const inside = (at: number): boolean => firstStep <= at && at <= lastStep;
  const middle = (firstStep + lastStep) / 2;
  const gestured = useGestures(plot, {
    zoom,
    all,
    layout: layoutOf(area, window, only !== undefined),
    step: step !== null && inside(step) ? step : Math.round(middle),
    onZoom,
  });
  const moved = (next: number): void => {
    cursor.point(next);
    go({step: next, words: spokenWords(curves, next, only !== undefined)});
    // To the middle, however far apart the records are.
    if (!inside(next)) onZoom(panned(zoom, all, (next - middle) / widthOf(window)));
  };
  const keyed = (event: KeyboardEvent): void => {
    const {key} = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const outside = key === 'ArrowLeft' ? lastStep + 1 : firstStep - 1;
    const from = cursor.step ?? (step !== null && inside(step) ? step : outside);
    const next = stepAfterKey(key, curves, from);
    if (key === 'Enter' && cursor.step !== null) onStep(cursor.step === step ? null : cursor.step);
    else if (key === 'Escape' && zoom === null && step !== null) onStep(null);
    else if (next != null) moved(next);
    else if (next === undefined) return gestured(event);
    event.preventDefault();
  };
  return [went, keyed];
}

/** The chart's box as the gestures see it: with the steps that would lie below the axis labels. */
function layoutOf({axis, width}: PlotArea, window: Zoom, closed: boolean): Layout {
  const {low, high}: Pick<StepAxis, 'low' | 'high'> = closed
    ? {low: window.firstStep, high: window.lastStep}
    : axis;
  const perPixel = (high - low) / plotWidth({width});
  return {
    low: low - MARGIN.left * perPixel,
    high: high + MARGIN.right * perPixel,
    width: Math.max(1, width),
    rows: 0,
    rowHeight: 0,
  };
}
