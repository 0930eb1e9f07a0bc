/** Values on a colour scale: which numbers it spans, where a value lies on it, and its ticks. Pure. */

import type {Scale, Table} from './api.ts';

/** The span of the colours. Both ends are finite and differ; on a log scale both are above zero. */
export interface Domain {
  scale: Scale;
  low: number;
  high: number;
}

/**
 * The smallest span that holds every finite value, on a log scale every positive one; null when there is none.
 * A single value gets room on both sides, so that it takes the middle of the scale.
 */
export function domainOf(table: Table, scale: Scale): Domain | null {
  let low = Infinity;
  let high = -Infinity;
  for (const values of table.low === table.high ? [table.high] : [table.low, table.high]) {
    for (const value of values) {
      if (!Number.isFinite(value) || (scale === 'log' && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return null;
  if (low < high) return {scale, low, high};
  if (scale === 'log') return {scale, low: low / 10, high: high * 10};
  const room = Math.abs(low) / 2 || 1;
  return {scale, low: low - room, high: high + room};
}

/** Says where finite values lie on the domain: 0 at the low end, 1 at the high one, clamped. */
export function positions({scale, low, high}: Domain): (value: number) => number {
  const clamp = (at: number): number => Math.min(1, Math.max(0, at));
  if (scale === 'linear') return value => clamp((value - low) / (high - low));
  const factor = 1 / Math.log(high / low);
  return value => clamp(Math.log(value / low) * factor);
}

/** Ticks inside the domain, at most about `count`: powers of ten where the span has two of them, else round numbers. */
export function valueTicks(domain: Domain, count: number): number[] {
  return domain.scale === 'log'
    ? logTicks(domain, count)
    : linearTicks(domain.low, domain.high, count);
}

function logTicks({low, high}: Domain, count: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-6);
  const last = Math.floor(Math.log10(high) + 1e-6);
  if (last - first < 2) return fewTicks(low, high, first, count);
  const stride = Math.ceil((last - first + 1) / count);
  const ticks: number[] = [];
  // Number('1e-7') is exact where 10 ** -7 is not.
  for (let power = Math.ceil(first / stride) * stride; power <= last; power += stride)
    ticks.push(Number(`1e${power}`));
  return ticks;
}

/** Ticks of a log scale with two powers of ten or fewer: some multiples of the powers, where these are enough. */
function fewTicks(low: number, high: number, first: number, count: number): number[] {
  const multiples = (factors: readonly number[]): number[] =>
    [first - 1, first, first + 1]
      .flatMap(power => factors.map(factor => Number(`${factor}e${power}`)))
      .filter(tick => tick >= low && tick <= high);
  const sparse = multiples([1, 3]);
  if (sparse.length >= 3) return sparse;
  const dense = multiples([1, 2, 5]);
  return dense.length > 1 ? dense : linearTicks(low, high, Math.min(count, 4));
}

/** Multiples of 1, 2 or 5 times a power of ten within [low, high]. */
export function linearTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / Math.max(1, count);
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const stride = power * ([1, 2, 5].find(factor => factor * power >= rough * 0.999) ?? 10);
  const ticks: number[] = [];
  for (
    let index = Math.ceil(low / stride - 1e-9);
    index * stride <= high + stride * 1e-9;
    index++
  ) {
    ticks.push(Number((index * stride).toPrecision(12)));
  }
  return ticks;
}
