import assert from 'node:assert/strict';
import {test} from 'vitest';

import {depthColors, huesAfter, layerColors, MOST_HUES, NO_HUES} from '../src/hues.ts';
import {parseHex} from '../src/palette.ts';

const CARDS = {light: '#ffffff', dark: '#424242'};

function luminance(hex: string): number {
  const [red, green, blue] = parseHex(hex).map(channel => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** As WCAG 2.1 defines it. */
function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

const names = (count: number): string[] => Array.from({length: count}, (_, nth) => `layer ${nth}`);

test('every colour stands out from its card', () => {
  for (const dark of [false, true]) {
    const card = dark ? CARDS.dark : CARDS.light;
    for (const count of [MOST_HUES, 40]) {
      for (const color of layerColors(names(count), names(count), dark).values())
        assert.ok(contrast(color, card) >= 3, `${color} on ${card}: ${contrast(color, card)}`);
    }
  }
});

test('few layers have a colour each, which stays when another one is added', () => {
  const few = layerColors(['c', 'a'], ['a', 'b', 'c'], false);
  const more = layerColors(['c', 'a', 'b'], ['a', 'b', 'c'], false);
  assert.equal(new Set(more.values()).size, 3);
  assert.deepEqual([few.get('c'), few.get('a')], [more.get('c'), more.get('a')]);
});

test('a layer keeps its colour when one before it is taken away, and what is new takes the free one', () => {
  const before = huesAfter(NO_HUES, ['a', 'b', 'c']);
  const after = huesAfter(before, ['b', 'c', 'd', 'e']);
  const colors = layerColors(['a', 'b', 'c'], [], false, before);
  const left = layerColors(['b', 'c', 'd', 'e'], [], false, after);
  assert.deepEqual([left.get('b'), left.get('c')], [colors.get('b'), colors.get('c')]);
  assert.equal(left.get('d'), colors.get('a'));
  assert.equal(new Set(left.values()).size, 4);
});

test('of many layers that become few again, each has a colour of its own', () => {
  const many = huesAfter(NO_HUES, names(20));
  const few = huesAfter(many, names(20).slice(-MOST_HUES));
  assert.deepEqual([...few.values()].sort(), [...Array(MOST_HUES).keys()]);
});

test('the colours of many layers follow their depth, whatever the order in which they were chosen', () => {
  const all = names(12);
  const colors = layerColors(all.toReversed(), all, false);
  const lights = all.map(name => luminance(colors.get(name) ?? ''));
  assert.deepEqual(
    lights,
    lights.toSorted((one, other) => one - other),
  );
  assert.equal(colors.get('layer 0'), depthColors(false)[0]);
  assert.equal(colors.get('layer 11'), depthColors(false)[4]);
});
