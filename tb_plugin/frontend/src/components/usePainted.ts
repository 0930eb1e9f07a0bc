/** The canvas of a heat map, painted before the browser shows the frame. */

import type {RefObject} from 'preact';
import {useLayoutEffect, useMemo, useRef} from 'preact/hooks';

import type {Table} from '../api.ts';
import {crestHeight, rowY} from '../layout.ts';
import {measured} from '../measures.ts';
import {
  codesOf,
  paint,
  spikeCodesOf,
  type Codes,
  type Picture,
  type Scheme,
} from '../raster.ts';
import type {Domain} from '../scale.ts';
import type {Spikes} from '../spikes.ts';
import type {Row} from '../tree.ts';
import type {Painted} from './usePointer.ts';

/** What a map shows, its codes kept for the time that a zoom shows another table. */
export function usePicture(
  table: Table,
  domain: Domain | null,
  spikes: Spikes | null,
  scheme: Scheme,
): Picture {
  const known = useRef(new WeakMap<Table, {domain: Domain | null; scheme: Scheme; codes: Codes}>());
  return useMemo(() => {
    const held = known.current.get(table);
    const fits = held?.domain === domain && held.scheme === scheme;
    const codes = fits ? held.codes : codesOf(table, domain, scheme);
    known.current.set(table, {domain, scheme, codes});
    return {codes, scheme, spikes: spikes === null ? null : spikeCodesOf(table, spikes, domain)};
  }, [table, domain, spikes, scheme]);
}

/** Paints the rows `first` to `last` (exclusive), and marks the section as drawn. */
export function usePainted(
  section: RefObject<HTMLElement | null>,
  {picture, layout, ratio, stretches}: Painted,
  rows: readonly Row[],
  first: number,
  last: number,
): RefObject<HTMLCanvasElement | null> {
  const canvas = useRef<HTMLCanvasElement>(null);
  const image = useRef<ImageData | null>(null);
  useLayoutEffect(() => {
    const node = canvas.current;
    const context = node?.getContext('2d');
    if (node == null || context == null || layout.width === 0) return;
    const start = performance.now();
    const width = Math.round(layout.width * ratio);
    const height = Math.round(rowY(layout, last - first) * ratio);
    if (width === 0 || height === 0) return;
    if (node.width !== width) node.width = width;
    if (node.height !== height) node.height = height;
    // The memory of the painting before, where it fits: all of it is painted over.
    const kept = image.current;
    const fits = kept?.width === width && kept.height === height;
    const into = fits ? kept : context.createImageData(width, height);
    image.current = into;
    const {rowHeight} = layout;
    paint(
      new Uint32Array(into.data.buffer),
      {
        width,
        rowHeight: rowHeight * ratio,
        patternSize: Math.round(ratio),
        crest: Math.round(crestHeight(rowHeight) * ratio),
      },
      picture,
      stretches,
      rows.slice(first, last),
    );
    context.putImageData(into, 0, 0);
    measured('optimizer-health:paint', start);
    if (section.current !== null) section.current.dataset.drawn = 'true';
  }, [section, picture, layout, ratio, stretches, rows, first, last]);
  return canvas;
}
