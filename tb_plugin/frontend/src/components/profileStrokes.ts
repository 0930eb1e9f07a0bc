/** The strokes of the depth profile: lines, dots, and marks for what is no number, on a canvas. */

import type {Scale} from '../api.ts';
import {MARKS} from '../palette.ts';
import {
  isPlaced,
  profileTicks,
  profileX,
  PROFILE_MARGIN,
  sideOf,
  type Profile,
  type ProfileRow,
  type Side,
} from '../profile.ts';
import type {Domain} from '../scale.ts';
import type {Colors} from './marks.ts';

/** Where and over what to draw. */
interface Sheet {
  context: CanvasRenderingContext2D;
  ratio: number;
  rows: readonly ProfileRow[];
  rowHeight: number;
  first: number;
  last: number;
  domain: Domain | null;
  width: number;
}

/** Sets the canvas to its size in device pixels, empties it and draws the lines of the axis. */
export function clearSheet(sheet: Sheet, colors: Colors): void {
  const {context, ratio, rowHeight, first, last, domain, width} = sheet;
  const {canvas} = context;
  const height = (last - first) * rowHeight;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelWidth) canvas.width = pixelWidth;
  if (canvas.height !== pixelHeight) canvas.height = pixelHeight;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (domain === null) return;
  context.fillStyle = colors.grid;
  for (const {x} of profileTicks(domain, width)) context.fillRect(x - 0.5, 0, 1, height);
  if (domain.scale === 'log' || domain.low > 0 || domain.high < 0) return;
  context.fillStyle = colors.text;
  context.fillRect(profileX(domain, width)(0) - 0.5, 0, 1, height);
}

interface Pen {
  color: string;
  dashes: number[];
  /** Around the marks, whose own colours do not stand out from every card. */
  outline: string;
}

/** Rows as high as this have room for a dot each. */
const DOT_ROW = 7;
const FAINT = 0.45;

export function drawProfile(sheet: Sheet, profile: Profile, {color, dashes, outline}: Pen): void {
  const {context, domain} = sheet;
  context.fillStyle = color;
  context.strokeStyle = color;
  if (domain !== null) {
    context.globalAlpha = FAINT;
    context.fill(pathOfOthers(sheet, profile, domain));
    context.globalAlpha = 1;
    context.lineWidth = 1.5;
    context.lineJoin = 'round';
    context.setLineDash(dashes);
    const {line, dots} = pathsOfMain(sheet, profile, domain);
    context.stroke(line);
    context.setLineDash([]);
    context.fill(dots);
  }
  drawSides(sheet, profile, outline);
}

function middle({rowHeight, first}: Sheet, row: number): number {
  return (row - first + 0.5) * rowHeight;
}

/** What the line leaves out: the rows that it does not go through, and how far the columns of a row lie apart. */
function pathOfOthers(sheet: Sheet, profile: Profile, domain: Domain): Path2D {
  const {rows, rowHeight, first, last, width} = sheet;
  const x = profileX(domain, width);
  const path = new Path2D();
  const size = Math.min(3, rowHeight);
  const thick = Math.max(1, Math.min(4, rowHeight - 2));
  for (let row = first; row < last; row++) {
    if (!isPlaced(profile, row, domain.scale)) continue;
    const [y, right] = [middle(sheet, row), x(profile.high[row])];
    if (!rows[row].main) path.rect(right - size / 2, y - size / 2, size, size);
    const low = profile.low[row];
    const left = domain.scale === 'log' && low <= 0 ? PROFILE_MARGIN : x(low);
    if (right - left >= 2) path.rect(left, y - thick / 2, right - left, thick);
  }
  return path;
}

/** The line through the main rows, which ends where one of them has no number, and their dots. */
function pathsOfMain(
  sheet: Sheet,
  profile: Profile,
  domain: Domain,
): Record<'line' | 'dots', Path2D> {
  const {rows, rowHeight, first, last, width} = sheet;
  const x = profileX(domain, width);
  const line = new Path2D();
  const dots = new Path2D();
  let joined = false;
  for (let row = first; row < last; row++) {
    if (!rows[row].main) continue;
    if (!isPlaced(profile, row, domain.scale)) {
      joined = false;
      continue;
    }
    const [at, y] = [x(profile.high[row]), middle(sheet, row)];
    if (joined) line.lineTo(at, y);
    else line.moveTo(at, y);
    // A row between two gaps has no line: it needs its dot whatever the height.
    if (rowHeight >= DOT_ROW) dots.rect(at - 2, y - 2, 4, 4);
    else if (!joined) dots.rect(at - 1, y - 1, 2, 2);
    joined = true;
  }
  return {line, dots};
}

/** Marks smaller than this would be all outline. */
const OUTLINED = 3;

/** What is no number: NaN as a cross and +∞ as an arrow to the right of the values, −∞ and zero to the left. */
function drawSides(sheet: Sheet, profile: Profile, outline: string): void {
  const {context, rowHeight, first, last, domain, width} = sheet;
  const scale: Scale = domain?.scale ?? 'log';
  const size = Math.max(1.5, Math.min(3.5, rowHeight / 2 - 0.5));
  const paths: Record<Side, Path2D> = {
    nan: new Path2D(),
    posinf: new Path2D(),
    neginf: new Path2D(),
    zero: new Path2D(),
  };
  for (let row = first; row < last; row++) {
    const side = sideOf(profile, row, scale);
    if (side === null) continue;
    const right = side === 'nan' || side === 'posinf';
    const x = right ? width - PROFILE_MARGIN / 2 : PROFILE_MARGIN / 2;
    addSide(paths[side], side, x, middle(sheet, row), size);
  }
  context.lineWidth = 1;
  context.strokeStyle = outline;
  for (const side of ['posinf', 'neginf'] as const) {
    context.fillStyle = MARKS[side].color;
    context.fill(paths[side]);
    if (size >= OUTLINED) context.stroke(paths[side]);
  }
  context.lineWidth = Math.min(2, size);
  context.strokeStyle = MARKS.nan.color;
  context.stroke(paths.nan);
  context.lineWidth = 1;
  context.strokeStyle = MARKS.zero.ink;
  context.stroke(paths.zero);
}

function addSide(path: Path2D, side: Side, x: number, y: number, size: number): void {
  if (side === 'zero') {
    path.moveTo(x + size - 1, y);
    path.arc(x, y, size - 1, 0, 2 * Math.PI);
  } else if (side === 'nan') {
    path.moveTo(x - size + 0.5, y - size + 0.5);
    path.lineTo(x + size - 0.5, y + size - 0.5);
    path.moveTo(x + size - 0.5, y - size + 0.5);
    path.lineTo(x - size + 0.5, y + size - 0.5);
  } else {
    const point = side === 'posinf' ? size : -size;
    path.moveTo(x + point, y);
    path.lineTo(x - point, y - size);
    path.lineTo(x - point, y + size);
    path.closePath();
  }
}
