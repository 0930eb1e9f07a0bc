/**
 * How names, and sentences that quote them, are shown: nothing in them acts on a page or turns the words beside it.
 *
 * Runs, layers and optimizers are called whatever the author of a log directory likes. The page goes by the names as
 * they are; what it shows of them comes through here, from whichever component: see `showPlainly`. So do the words of
 * pictures.
 */

import {options} from 'preact';

import {elide} from './format.ts';

/** Control and format characters, halves of pairs, private and unassigned ones, and line ends, as the terminal has it. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** Letters that are written from the right. */
const FROM_RIGHT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/** Around words whose direction is their own affair. */
const [ISOLATE, END] = ['\u2068', '\u2069'];

/** A word of more letters is shortened, or it would take the whole page: there are names of a megabyte. */
const LONGEST = 200;

/** Spaces, and characters without a picture that are no control or format characters: plain words have them as they are. */
const BLANK = /^[\p{Z}\p{Default_Ignorable_Code_Point}\u2800]+$/u;
const BLANK_WORD = '(blank)';

/** A name within a sentence: itself, or what says that there is nothing to be seen of it. */
export function named(name: string): string {
  return isBlank(name) ? BLANK_WORD : name;
}

function isBlank(words: string): boolean {
  return BLANK.test(words) && BLANK.test(plain(words));
}

/** `(blank): \x20\u3164` */
function blankTitle(name: string): string {
  return `${BLANK_WORD}: ${[...name].map(writtenOut).join('')}`;
}

/** The words with what is not to be seen written out, as `\x1b`, and what is written from the right kept together. */
export function plain(words: string): string {
  const short = words.length > LONGEST ? words.replace(LONG_WORD, word => elide(word, LONGEST)) : words;
  if (/^[ -~]*$/.test(short)) return short;
  return isolated(short.replace(UNSEEN, writtenOut));
}

const LONG_WORD = new RegExp(`\\S{${LONGEST + 1},}`, 'g');

const SHORT: Readonly<Record<string, string>> = {'\n': '\\n', '\r': '\\r', '\t': '\\t'};

function writtenOut(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = (digits: number): string => code.toString(16).padStart(digits, '0');
  if (code < 0x100) return SHORT[character] ?? `\\x${hex(2)}`;
  return code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
}

function isolated(words: string): string {
  if (!FROM_RIGHT.test(words)) return words;
  const each = words
    .split(/( )/)
    .map(word => (FROM_RIGHT.test(word) ? ISOLATE + word + END : word))
    .join('');
  // Neighbours are one text: their order is theirs, too.
  return each.replace(/\u2069 \u2068/g, ' ');
}

/** The attributes that are shown, or said; a title may have lines. */
const SHOWN = ['title', 'aria-label', 'aria-valuetext', 'label'];

/**
 * From now on all words of the page are plain, and an element with a blank name in it, and nothing else, says so. Call it
 * once, before anything is drawn.
 */
export function showPlainly(): void {
  const before = options.vnode;
  options.vnode = vnode => {
    before?.(vnode);
    const node: {type: unknown; props: unknown} = vnode;
    if (typeof node.props === 'string') node.props = plain(node.props);
    else if (typeof node.type === 'string') {
      blankNamed(vnode.props);
      attributesPlain(vnode.props);
    }
  };
}

function blankNamed(properties: Record<string, unknown>): void {
  const {children, title} = properties;
  if (typeof children === 'string' && isBlank(children)) {
    properties.children = BLANK_WORD;
    properties.title ??= blankTitle(children);
  }
  if (typeof title === 'string' && isBlank(title)) properties.title = blankTitle(title);
  if (typeof properties['aria-label'] === 'string')
    properties['aria-label'] = named(properties['aria-label']);
}

function attributesPlain(attributes: Record<string, unknown>): void {
  for (const name of SHOWN) {
    const words = attributes[name];
    if (typeof words !== 'string') continue;
    const lines = name === 'title' ? words.split('\n') : [words];
    attributes[name] = lines.map(plain).join('\n');
  }
}
