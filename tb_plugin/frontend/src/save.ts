/**
 * Pictures and tables as files, links on the clipboard: what of it only the browser can do. Nothing here throws: what
 * fails says why, in words to show.
 *
 * TensorBoard's Content-Security-Policy allows images from `blob:` and `data:`, and no connection to either: pictures
 * are loaded by an image, never fetched.
 */

import {reason} from './format.ts';

/** The words of what went wrong; null when nothing did. */
export type Problem = string | null;

export const TYPES = {
  svg: 'image/svg+xml;charset=utf-8',
  csv: 'text/csv;charset=utf-8',
} as const;

/** Device pixels for each of the picture's. */
const SCALE = 2;
/** What every browser of today can draw: pixels of a canvas, and along a side of it. */
const MOST_PIXELS = 64e6;
const LONGEST_SIDE = 16384;

/** A name that every file system takes: `Gradient norm · run/a` → `Gradient_norm_run_a.png`. */
export function fileName(stem: string, extension: string): string {
  const plain = stem.normalize('NFC').replace(/[^\p{L}\p{N}.=+-]+/gu, '_');
  const trimmed = plain.replace(/^[._-]+|[._]+$/g, '').slice(0, 100);
  return `${trimmed === '' ? 'adamax-tb' : trimmed}.${extension}`;
}

/** Hands the browser a file to keep. */
export function saveText(name: string, text: string, type: string): Problem {
  return saveBlob(name, new Blob([text], {type}));
}

function saveBlob(name: string, blob: Blob): Problem {
  try {
    const url = URL.createObjectURL(blob);
    const link = document.createElement('a');
    link.href = url;
    link.download = name;
    // Firefox saves from a link in the page only.
    document.body.append(link);
    link.click();
    link.remove();
    // The download reads the address when it begins, which may be after this.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    return null;
  } catch (error) {
    return `The browser saved no file: ${reason(error)}`;
  }
}

/** Draws an SVG at twice its size and hands the browser the PNG. */
export async function savePng(name: string, svg: string): Promise<Problem> {
  try {
    return saveBlob(name, await pngOf(svg));
  } catch (error) {
    return `The browser made no PNG: ${reason(error)} An SVG may do.`;
  }
}

/** The picture as a PNG; rejects with an Error that says what is amiss. */
async function pngOf(svg: string): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([svg], {type: TYPES.svg}));
  try {
    const image = await loaded(url);
    const {naturalWidth: width, naturalHeight: height} = image;
    const scale = scaleOf(width, height);
    const [canvas, context] = canvasOf(Math.round(width * scale), Math.round(height * scale));
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await blobOf(canvas);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** How much larger a picture can be drawn. */
export function scaleOf(width: number, height: number): number {
  const side = LONGEST_SIDE / Math.max(1, width, height);
  return Math.min(SCALE, side, Math.sqrt(MOST_PIXELS / Math.max(1, width * height)));
}

/** Pixels as a PNG in a data URI, for a picture to hold; null when the browser makes none. */
export function rasterUrl(pixels: ImageData): string | null {
  try {
    const [canvas, context] = canvasOf(pixels.width, pixels.height);
    context.putImageData(pixels, 0, 0);
    const url = canvas.toDataURL('image/png');
    // Too large a canvas gives `data:,`.
    return url.startsWith('data:image/png') ? url : null;
  } catch {
    return null;
  }
}

/** Whether the words are on the clipboard: it takes none from a page without HTTPS, nor from one that may not. */
export async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function loaded(url: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error('it does not load the picture.'));
    image.src = url;
  });
}

function canvasOf(width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D] {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('it has no canvas.');
  return [canvas, context];
}

function blobOf(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob(blob => {
      if (blob === null) reject(new Error('the picture is too large.'));
      else resolve(blob);
    }, 'image/png');
  });
}
