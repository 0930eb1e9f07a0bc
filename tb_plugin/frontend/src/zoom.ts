/** The window of steps that all charts show, moved and narrowed. Pure. */

/** Both steps are included. No zoom (null) shows all. */
export interface Zoom {
  firstStep: number;
  lastStep: number;
}

export function widthOf({firstStep, lastStep}: Zoom): number {
  return lastStep - firstStep + 1;
}

/** The window moved by a part of its width, no further than `all` reaches. */
export function panned(zoom: Zoom | null, all: Zoom, part: number): Zoom | null {
  if (zoom === null) return null;
  const width = widthOf(zoom);
  return windowAt(zoom.firstStep + Math.round(part * width), width, all);
}

/** The window made `factor` times as wide, the step `around` staying where it is in it. */
export function scaled(zoom: Zoom | null, all: Zoom, factor: number, around: number): Zoom | null {
  const {firstStep, lastStep} = zoom ?? all;
  const width = Math.max(1, Math.round(widthOf({firstStep, lastStep}) * factor));
  const part = (around - firstStep) / widthOf({firstStep, lastStep});
  return windowAt(Math.round(around - part * width), width, all);
}

/** As wide as asked for and inside of `all`; null when that is all of it. */
function windowAt(firstStep: number, width: number, all: Zoom): Zoom | null {
  if (width >= widthOf(all)) return null;
  const first = Math.min(Math.max(firstStep, all.firstStep), all.lastStep - width + 1);
  return {firstStep: first, lastStep: first + width - 1};
}

export function sameZoom(one: Zoom | null, other: Zoom | null): boolean {
  return one?.firstStep === other?.firstStep && one?.lastStep === other?.lastStep;
}

/** The window with half its width more on both sides, so that a pan has something to show. */
export function widened(zoom: Zoom): Zoom {
  const more = Math.ceil(widthOf(zoom) / 2);
  return {firstStep: Math.max(1, zoom.firstStep - more), lastStep: zoom.lastStep + more};
}

/** What a wheel asks for: to pan by a part of the window's width, or to make it `exp(scale)` times as wide. */
export interface Turn {
  pan: number;
  scale: number;
}

/** What was turned without moving the window by a step yet, and the window that it was turned at. */
export interface Rest extends Turn {
  zoom: Zoom | null;
}

/**
 * The window after a turn of the wheel, and what is left over for the next turn. What is less than a step adds up, so that
 * a slow swipe over few steps moves at last; what the window has no room for is lost, and so is all of another window.
 */
export function turned(
  rest: Rest,
  turn: Turn,
  all: Zoom,
  zoom: Zoom | null,
  around: number,
): {next: Zoom | null; rest: Rest} {
  const held = sameZoom(rest.zoom, zoom) ? rest : {pan: 0, scale: 0};
  const sum = {pan: held.pan + turn.pan, scale: held.scale + turn.scale};
  const factor = Math.exp(sum.scale);
  const next = turn.scale === 0 ? panned(zoom, all, sum.pan) : scaled(zoom, all, factor, around);
  if (!sameZoom(next, zoom)) return {next, rest: {pan: 0, scale: 0, zoom: next}};
  const width = widthOf(zoom ?? all);
  const steps = turn.scale === 0 ? sum.pan * width : (factor - 1) * width;
  // Neither narrower than a step nor wider than all: such a turn waits for nothing.
  const stuck = zoom === null ? turn.scale >= 0 : turn.scale < 0 && width === 1;
  const kept = !stuck && Math.abs(steps) < 1;
  return {next, rest: kept ? {...sum, zoom} : {pan: 0, scale: 0, zoom}};
}
