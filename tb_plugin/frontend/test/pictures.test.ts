import assert from 'node:assert/strict';
import {test} from 'vitest';

import {footerWords} from '../src/frame.ts';
import {mapSvg, type MapPicture} from '../src/mapPicture.ts';
import {MARKS, VIRIDIS} from '../src/palette.ts';
import {chartSvg, type ChartPicture, type PictureLine} from '../src/pictures.ts';
import {xmlProblem} from './xml.ts';

const COLORS = {page: '#fff', text: '#222', muted: '#666', grid: '#eee'};

const LINE: PictureLine = {label: 'a', color: '#00f', width: 1.5, x: [0, 0.5, 1], y: [0, 1, 0.5]};

const CHART: ChartPicture = {
  title: 'Loss',
  unit: 'nats',
  description: 'Loss; a 2 at step 1 to 1 at step 3',
  axis: 'step',
  width: 200,
  plotHeight: 100,
  xTicks: [{at: 0.5, label: '2'}],
  yTicks: [{at: 0.25, label: '1'}],
  lines: [LINE],
  strips: [],
  breaks: [],
  range: null,
  marks: [],
  notes: [],
  footer: 'a · steps 1–3 · adamax-tb',
  colors: COLORS,
};

const MAP: MapPicture = {
  title: 'Gradient norm',
  unit: '',
  description: 'Gradient norm of 2 layers',
  axis: 'step',
  mapWidth: 100,
  mapHeight: 40,
  raster: 'data:image/png;base64,AAAA',
  labels: [
    {at: 0.25, label: 'dense/kernel'},
    {at: 0.75, label: 'dense/bias'},
  ],
  xTicks: [{at: 0.5, label: '2'}],
  ramp: {stops: VIRIDIS, ticks: [{at: 0.5, label: '1'}], words: 'log scale'},
  specials: Object.values(MARKS),
  marks: [],
  notes: [],
  footer: '',
  colors: COLORS,
};

const GOLDEN_CHART = [
  '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" width="200" height="220" viewBox="0 0 200 220" role="img" font-family="Roboto, system-ui, Segoe UI, Helvetica, Arial, sans-serif" font-size="11">',
  '<title>Loss</title>',
  '<desc>Loss; a 2 at step 1 to 1 at step 3</desc>',
  '<rect width="200" height="220" fill="#fff"/>',
  '<g transform="translate(12 12)">',
  '<text y="13" font-size="14" font-weight="bold" fill="#222">Loss<tspan dx="6" font-size="12" font-weight="normal" fill="#666">nats</tspan>',
  '</text>',
  '</g>',
  '<g transform="translate(12 36)">',
  '<g transform="translate(0 0)">',
  '<path d="M0 6H20" stroke="#00f" stroke-width="2"/>',
  '<text x="25" y="10" fill="#222">a</text>',
  '</g>',
  '</g>',
  '<g transform="translate(12 58)">',
  '<g transform="translate(33 6)">',
  '<path d="M70 0V104M-4 75H139" stroke="#eee" fill="none"/>',
  '<text x="-8" y="79" text-anchor="end" fill="#666">1</text>',
  '<text x="-8" y="118" text-anchor="end" fill="#666">step</text>',
  '<text x="69.5" y="118" text-anchor="middle" fill="#666">2</text>',
  '<svg width="139" height="100">',
  '<path d="M0 100L69.5 0L139 50" stroke="#00f" stroke-width="1.5" stroke-linejoin="round" fill="none"/>',
  '</svg>',
  '</g>',
  '</g>',
  '<g transform="translate(12 194)">',
  '<text y="10" font-size="10" fill="#666">a · steps 1–3 · adamax-tb</text>',
  '</g>',
  '</svg>',
].join('');

const GOLDEN_MAP = [
  '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" width="209" height="153" viewBox="0 0 209 153" role="img" font-family="Roboto, system-ui, Segoe UI, Helvetica, Arial, sans-serif" font-size="11">',
  '<title>Gradient norm</title>',
  '<desc>Gradient norm of 2 layers</desc>',
  '<rect width="209" height="153" fill="#fff"/>',
  '<g transform="translate(12 12)">',
  '<text y="13" font-size="14" font-weight="bold" fill="#222">Gradient norm</text>',
  '</g>',
  '<g transform="translate(12 36)">',
  '<text y="11" font-size="11" fill="#666">No finite value</text>',
  '<g transform="translate(0 15)">',
  '<g transform="translate(0 0)">',
  '<rect x="0.5" y="0.5" width="19" height="11" fill="#fff"/>',
  '<path d="M6 1L1 6M13 1L3 11M19 2L10 11M19 9L17 11" stroke="#666" stroke-opacity="0.5" fill="none"/>',
  '<rect x="0.5" y="0.5" width="19" height="11" stroke="#666" stroke-opacity="0.5" fill="none"/>',
  '<text x="25" y="10" fill="#222">not recorded</text>',
  '</g>',
  '</g>',
  '</g>',
  '<g transform="translate(12 75)">',
  '<g transform="translate(85 0)">',
  '<svg width="100" height="40">',
  '<rect width="100" height="40" fill="#fff"/>',
  '<path d="M0 0l-40 40M7 0l-40 40M14 0l-40 40M21 0l-40 40M28 0l-40 40M35 0l-40 40M42 0l-40 40M49 0l-40 40M56 0l-40 40M63 0l-40 40M70 0l-40 40M77 0l-40 40M84 0l-40 40M91 0l-40 40M98 0l-40 40M105 0l-40 40M112 0l-40 40M119 0l-40 40M126 0l-40 40M133 0l-40 40" stroke="#666" stroke-opacity="0.5" fill="none"/>',
  '</svg>',
  '<image width="100" height="40" preserveAspectRatio="none" xlink:href="data:image/png;base64,AAAA" image-rendering="optimizeSpeed"/>',
  '<path d="M50 40v4" stroke="#666" fill="none"/>',
  '<text x="-8" y="14" text-anchor="end" fill="#222">dense/kernel</text>',
  '<text x="-8" y="34" text-anchor="end" fill="#222">dense/bias</text>',
  '<text x="-8" y="56" text-anchor="end" fill="#666">step</text>',
  '<text x="50" y="56" text-anchor="middle" fill="#666">2</text>',
  '</g>',
  '</g>',
  '</svg>',
].join('');

function chart(changes: Partial<ChartPicture>): string {
  const svg = chartSvg({...CHART, ...changes});
  assert.equal(xmlProblem(svg), null);
  return svg;
}

function map(changes: Partial<MapPicture>): string {
  const svg = mapSvg({...MAP, ...changes});
  assert.equal(xmlProblem(svg), null);
  return svg;
}

/** The inner picture, which cuts off what lies beyond the plot. */
function plotOf(svg: string): string {
  return /<svg width="[\d.]+" height="[\d.]+"(?:\/>|>(.*?)<\/svg>)/.exec(svg)?.[1] ?? '';
}

test('a tiny chart is drawn as it was when last looked at', () => {
  assert.equal(chart({}), GOLDEN_CHART);
});

test('a tiny map is drawn as it was when last looked at', () => {
  const svg = map({specials: [], ramp: null});
  assert.equal(svg, GOLDEN_MAP);
});

test('a line breaks where it has no number, and a lone point is a dot', () => {
  const x = [0, 0.1, NaN, 0.3, 0.4, 0.5, 0.6, 0.7];
  const y = [0, 0, 0, 0, 0, null, 0.5, Infinity];
  const plot = plotOf(chart({lines: [{...LINE, x, y}]}));
  assert.equal(plot.match(/<path d="([^"]*)"/)?.[1].match(/M/g)?.length, 2);
  assert.equal(plot.match(/<circle /g)?.length, 1);
  assert.ok(!/NaN|Infinity|null/.test(plot));
});

test('a band is there at a fifth of its opacity, where both of its edges are', () => {
  const band = {low: [0, 0.1, null, 0.2], high: [0.5, 0.6, 0.7, 0.3]};
  const plot = plotOf(chart({lines: [{...LINE, x: [0, 0.3, 0.6, 1], y: [0, 0, 0, 0], band}]}));
  assert.equal(plot.match(/fill-opacity="0.2"/g)?.length, 1);
  assert.equal(plot.match(/stroke-opacity="0.2"/g)?.length, 1);
  assert.ok(plot.indexOf('fill-opacity') < plot.indexOf('stroke-width="1.5"'));
});

test('the key names each line once, with its dash', () => {
  const lines = [LINE, LINE, {...LINE, label: ''}, {...LINE, label: 'b', dash: '4 3'}];
  const svg = chart({lines});
  assert.equal(svg.match(/>a<\/text>/g)?.length, 1);
  assert.equal(svg.match(/<path d="M0 6H20"/g)?.length, 2);
  assert.equal(svg.match(/stroke-dasharray="4 3"/g)?.length, 2);
});

test('names cannot put anything into the picture', () => {
  const evil = `</text><script>alert("1")</script>&\0`;
  const line = {...LINE, label: evil};
  const mark = {kind: 'finding', at: 0.5, color: '#f00', words: evil} as const;
  const strip = {from: 0, to: 1, color: '#f00', edge: 'top', nth: 0, words: evil} as const;
  const range = {from: 0, to: 1, words: evil};
  const words = {title: evil, unit: evil, description: evil, notes: [evil], footer: evil};
  const ticks = {xTicks: [{at: 0, label: evil}], labels: [{at: 0, label: evil}]};
  for (const svg of [
    chart({...words, ...ticks, lines: [line], marks: [mark], strips: [strip], range}),
    map({...words, ...ticks, marks: [mark]}),
  ])
    assert.ok(!svg.includes('<script') && svg.includes('&lt;script'));
});

test('strips lie at their edge and never are too thin to see', () => {
  const strip = {from: 0.5, to: 0.5, color: '#f00', edge: 'top', nth: 1, words: 'NaN'} as const;
  const plot = plotOf(chart({strips: [strip, {...strip, edge: 'bottom', nth: 0}]}));
  const rects = [...plot.matchAll(/<rect x="[\d.]+" y="(\d+)" width="(\d+)"/g)];
  assert.deepEqual(
    rects.map(([, y, width]) => [y, width]),
    [
      ['5', '3'],
      ['96', '3'],
    ],
  );
});

test('a finding has a triangle, its words beside it, and on another line where those of two meet', () => {
  const mark = {kind: 'finding', at: 0.5, color: '#f00', words: 'spike'} as const;
  const plot = plotOf(chart({marks: [mark, {...mark, at: 0.52, words: 'other'}]}));
  assert.equal(plot.match(/fill="#f00"\/>/g)?.length, 2);
  const lines = [...plot.matchAll(/<text x="[\d.]+" y="(\d+)"[^>]*fill="#f00">/g)];
  assert.deepEqual(
    lines.map(([, y]) => y),
    ['10', '23'],
  );
});

test('words of a mark at the right edge stand left of it, and without room there are none', () => {
  const mark = {kind: 'step', at: 0.99, color: '#f00', words: 'step 3'} as const;
  assert.match(plotOf(chart({marks: [mark]})), /text-anchor="end"/);
  const crowd = Array.from({length: 20}, (_, nth) => ({...mark, at: 0.5 + nth / 1000}));
  assert.equal(plotOf(chart({marks: crowd})).match(/fill="#f00">step 3/g)?.length, 3);
});

test('the usual range is shaded within the plot, and not at all where it is beyond', () => {
  const shaded = (from: number, to: number): string | undefined =>
    /<rect y="([\d.]+)" width="[\d.]+" height="([\d.]+)"[^>]*fill-opacity="0.12"/
      .exec(plotOf(chart({range: {from, to, words: 'usual'}})))
      ?.slice(1)
      .join();
  assert.equal(shaded(0.25, 0.5), '50,25');
  assert.equal(shaded(-3, 7), '0,100');
  const beyond = chart({range: {from: 2, to: 3, words: 'usual'}});
  assert.ok(!beyond.includes('fill-opacity') && !beyond.includes('>usual<'));
});

test('breaks of the axis are filled as far as they are in view', () => {
  const svg = chart({breaks: [{from: 0.9, to: 1.5}]});
  const [, x, width] =
    /<rect x="([\d.]+)" width="([\d.]+)" height="100" fill="#eee"/.exec(svg) ?? [];
  const plot = Number(/<svg width="(\d+)" height="100"/.exec(svg)?.[1]);
  assert.ok(Math.abs(Number(x) + Number(width) - plot) < 0.02);
});

test('long words make the picture higher, not wider', () => {
  const sizeOf = (svg: string): number[] =>
    [...(/width="(\d+)" height="(\d+)"/.exec(svg) ?? [])].slice(1).map(Number);
  const [width, height] = sizeOf(chart({}));
  const long = 'encoder/block_11/attention/query/kernel '.repeat(4).trim();
  for (const words of [{title: long}, {unit: long}, {notes: [long]}, {footer: long}]) {
    const [same, higher] = sizeOf(chart(words));
    assert.equal(same, width);
    assert.ok(higher > height + 20, JSON.stringify(words));
  }
});

test('a chart without lines is a frame, and has no key', () => {
  const svg = chart({lines: [], xTicks: [], yTicks: [], footer: ''});
  assert.equal(plotOf(svg), '');
  assert.ok(!svg.includes('M0 6H20'));
});

test('a map holds its raster, a name per label and what the colours mean', () => {
  const svg = map({});
  assert.match(svg, /<image width="100" height="40" [^>]*xlink:href="data:image\/png;base64,AAAA"/);
  for (const words of ['dense/kernel', 'dense/bias', '0', 'NaN', '+∞', '−∞', 'not recorded'])
    assert.ok(svg.includes(`>${words}</text>`), words);
  assert.equal(svg.match(/<stop /g)?.length, VIRIDIS.length);
});

test('marks of a map are in its key once, and only those in view are drawn', () => {
  const mark = {kind: 'finding', at: 0.5, color: '#f00', words: 'critical'} as const;
  const svg = map({marks: [mark, {...mark, at: 0.6}, {...mark, at: 1.4}]});
  assert.equal(svg.match(/>critical<\/text>/g)?.length, 1);
  assert.equal(svg.match(/>critical<\/title>/g)?.length, 2);
});

test('a map without a finite number says so', () => {
  assert.match(map({ramp: null}), />No finite value<\/text>/);
});

test('the footer says which runs and steps, and counts what it does not name', () => {
  const steps = {firstStep: 1, lastStep: 1234};
  assert.equal(footerWords(['a', 'b'], steps), 'a, b · steps 1–1,234 · adamax-tb');
  const many = Array.from({length: 8}, (_, nth) => `r${nth}`);
  assert.equal(
    footerWords(many, {firstStep: 7, lastStep: 7}),
    'r0, r1, r2, r3, r4, r5 and 2 more · step 7 · adamax-tb',
  );
  assert.equal(footerWords([], steps), 'steps 1–1,234 · adamax-tb');
});
