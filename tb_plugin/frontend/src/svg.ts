/** SVG as text: elements, escaping, paths, and how wide words are. It knows no chart and needs no page. Pure. */

import {named, plain} from './plain.ts';

/** What is undefined is left out; numbers are rounded. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** `<name key="value">content</name>`; the content is SVG already. */
export function element(name: string, attributes: Attributes, ...content: string[]): string {
  const told = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${attribute(value ?? '')}"`)
    .join('');
  const inside = content.join('');
  return inside === '' ? `<${name}${told}/>` : `<${name}${told}>${inside}</${name}>`;
}

function attribute(value: string | number): string {
  return typeof value === 'number' ? rounded(value) : escaped(value);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** Words as XML 1.0 can hold them: plain ones have no character that it forbids, even escaped. */
export function escaped(text: string): string {
  return plain(named(text)).replace(/[&<>"]/g, letter => ENTITIES[letter]);
}

/** Two decimals at most: `0.33`, `12`; 0 for what is no number. */
export function rounded(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value * 100) / 100) : '0';
}

/** `M0 1L2 3`; with `Z` at the end when it is closed. */
export function path(points: readonly (readonly [x: number, y: number])[], closed = false): string {
  const corners = points.map(([x, y]) => `${rounded(x)} ${rounded(y)}`);
  return corners.length === 0 ? '' : `M${corners.join('L')}${closed ? 'Z' : ''}`;
}

const NARROW = /[ .,:;'|!()[\]/ijlft1I]/;
const WIDE = /[mwMW@%—…+−∞=→▲]/;

/** About how wide words are in a system sans-serif, rather more than less: no page is there to ask. */
export function textWidth(text: string, size: number): number {
  let ems = 0;
  for (const letter of text) {
    if (letter > '\u2e7f') ems += 1;
    else if (WIDE.test(letter)) ems += 0.9;
    else ems += NARROW.test(letter) ? 0.38 : 0.62;
  }
  return ems * size;
}

/** Words on as many lines as it takes; a word that is wider than a line is broken. */
export function wrapped(text: string, width: number, size: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ').flatMap(word => broken(word, width, size))) {
    const longer = lines.length === 0 ? word : `${lines[lines.length - 1]} ${word}`;
    if (lines.length > 0 && textWidth(longer, size) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function broken(word: string, width: number, size: number): string[] {
  const pieces = [''];
  for (const letter of word) {
    const last = pieces.length - 1;
    const longer = pieces[last] + letter;
    if (pieces[last] === '' || textWidth(longer, size) <= width) pieces[last] = longer;
    else pieces.push(letter);
  }
  return pieces;
}

/** A picture that stands alone: SVG 1.1 with what a screen reader says of it. */
export function svgDocument(
  width: number,
  height: number,
  title: string,
  description: string,
  attributes: Attributes,
  ...content: string[]
): string {
  const size = {width, height, viewBox: `0 0 ${rounded(width)} ${rounded(height)}`};
  const names = {
    xmlns: 'http://www.w3.org/2000/svg',
    'xmlns:xlink': 'http://www.w3.org/1999/xlink',
    version: '1.1',
  };
  return element(
    'svg',
    {...names, ...size, role: 'img', ...attributes},
    element('title', {}, escaped(title)),
    element('desc', {}, escaped(description)),
    ...content,
  );
}
