import assert from 'node:assert/strict';
import {test} from 'vitest';

import {DIVERGING, MARKS, parseHex, ramp, VIRIDIS, type Rgb, type Special} from '../src/palette.ts';

type Vector = readonly [number, number, number];
type Matrix = readonly [Vector, Vector, Vector];

/**
 * How linear sRGB looks to other eyes, at the severity of 1.0: Machado, Oliveira and Fernandes, "A Physiologically-based
 * Model for Simulation of Color Vision Deficiency", 2009, https://doi.org/10.1109/TVCG.2009.113
 */
const EYES = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
} as const satisfies Record<string, Matrix>;
type Eye = keyof typeof EYES;
const ALL_EYES: readonly Eye[] = ['usual', 'protanopia', 'deuteranopia'];

/** Linear sRGB to XYZ, relative to the white of D65. */
const TO_XYZ: Matrix = [
  [0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047],
  [0.2126729, 0.7151522, 0.072175],
  [0.0193339 / 1.08883, 0.119192 / 1.08883, 0.9503041 / 1.08883],
];

function times(matrix: Matrix, [x, y, z]: Vector): Vector {
  const row = ([a, b, c]: Vector): number => a * x + b * y + c * z;
  return [row(matrix[0]), row(matrix[1]), row(matrix[2])];
}

function each([x, y, z]: Vector, change: (value: number) => number): Vector {
  return [change(x), change(y), change(z)];
}

/** CIELAB of an sRGB colour as an eye sees it. */
function lab(rgb: Rgb, eye: Eye): Vector {
  const linear = each(rgb, byte =>
    byte <= 0.04045 * 255 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4,
  );
  const seen = each(times(EYES[eye], linear), value => Math.min(1, Math.max(0, value)));
  const [x, y, z] = each(times(TO_XYZ, seen), value =>
    value > 216 / 24389 ? Math.cbrt(value) : ((24389 / 27) * value + 16) / 116,
  );
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** CIE76: about 2 is a difference that can just be seen side by side. */
function difference(one: Vector, other: Vector): number {
  return Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]);
}

/** The colours of cells, as raster.ts takes them from the control points. */
function rampLab(points: readonly string[], eye: Eye): Vector[] {
  return [...ramp(points, 250)].map(color =>
    lab([color & 255, (color >> 8) & 255, (color >> 16) & 255], eye),
  );
}

function lightness(points: readonly string[]): number[] {
  return points.map(point => lab(parseHex(point), 'usual')[0]);
}

function rises(values: readonly number[]): boolean {
  return values.slice(1).every((value, at) => value > values[at]);
}

/** How far a special's colour is from the nearest of a ramp. */
function clearance(special: Special, points: readonly string[], eye: Eye): number {
  const own = lab(parseHex(MARKS[special].color), eye);
  return Math.min(...rampLab(points, eye).map(color => difference(color, own)));
}

test('the oracle knows the lightness of white, of the middle grey and of black', () => {
  const [white, grey, black] = lightness(['#ffffff', '#777777', '#000000']);
  assert.ok(Math.abs(white - 100) < 0.01);
  assert.ok(Math.abs(grey - 50) < 0.1);
  assert.equal(black, 0);
});

test('viridis gets lighter at every step', () => {
  assert.ok(rises(lightness(VIRIDIS)));
});

test('the diverging palette gets lighter up to its middle and darker from there on, in even steps', () => {
  const middle = (DIVERGING.length - 1) / 2;
  const all = lightness(DIVERGING);
  assert.ok(rises(all.slice(0, middle + 1)), 'low half');
  assert.ok(rises(all.slice(middle).reverse()), 'high half');
  const steps = all.slice(1).map((value, at) => Math.abs(value - all[at]));
  // As even as bytes and the clipping into sRGB leave them.
  assert.ok(Math.max(...steps) / Math.min(...steps) < 1.3, steps.join(' '));
});

test('the two sides of the diverging palette weigh the same: equal sizes are equally light', () => {
  const all = lightness(DIVERGING);
  all.forEach((value, at) => assert.ok(Math.abs(value - all[all.length - 1 - at]) < 2, `${at}`));
});

test('the middle of the diverging palette is grey', () => {
  const [, a, b] = lab(parseHex(DIVERGING[5]), 'usual');
  assert.ok(Math.hypot(a, b) < 4);
});

test('the two sides of the diverging palette differ to colour-blind eyes, too', () => {
  for (const eye of ALL_EYES) {
    for (let at = 0; at < 4; at++) {
      const [one, other] = [DIVERGING[at], DIVERGING[10 - at]].map(hex => lab(parseHex(hex), eye));
      assert.ok(difference(one, other) > 25, `${eye}, ${at} steps from the ends`);
    }
  }
});

test('every colour of the diverging palette stands out from the light and from the dark card', () => {
  for (const card of ['#ffffff', '#424242']) {
    for (const eye of ALL_EYES) {
      const own = lab(parseHex(card), eye);
      const nearest = Math.min(...rampLab(DIVERGING, eye).map(color => difference(color, own)));
      assert.ok(nearest > 7, `${card} to ${eye}: ${nearest}`);
    }
  }
});

test('what is no number has a colour that viridis never takes, to colour-blind eyes by less', () => {
  const margins: Record<Eye, number> = {usual: 30, protanopia: 7, deuteranopia: 7};
  for (const eye of ALL_EYES) {
    for (const special of ['zero', 'nan', 'posinf', 'neginf'] as const) {
      const margin = clearance(special, VIRIDIS, eye);
      assert.ok(margin > margins[eye], `${special} to ${eye}: ${margin}`);
    }
  }
});

test('what is no number has a colour that the diverging palette never takes', () => {
  const margins: Record<Eye, number> = {usual: 25, protanopia: 10, deuteranopia: 10};
  for (const eye of ALL_EYES) {
    // A scale around zero is linear: there zero is a number like any other.
    for (const special of ['nan', 'posinf', 'neginf'] as const) {
      const margin = clearance(special, DIVERGING, eye);
      assert.ok(margin > margins[eye], `${special} to ${eye}: ${margin}`);
    }
  }
});

test('what is no number can be told apart by its colour, to colour-blind eyes too', () => {
  const specials: readonly Special[] = ['zero', 'nan', 'posinf', 'neginf'];
  for (const eye of ALL_EYES) {
    specials.forEach((one, at) => {
      for (const other of specials.slice(at + 1)) {
        const [own, its] = [one, other].map(name => lab(parseHex(MARKS[name].color), eye));
        assert.ok(difference(own, its) > 10, `${one} and ${other} to ${eye}`);
      }
    });
  }
});
