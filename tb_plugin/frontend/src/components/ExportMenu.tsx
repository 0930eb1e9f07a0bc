/** What is shown as a file: a button, and the menu that it opens. */

import type {JSX} from 'preact';
import {useLayoutEffect, useRef, useState} from 'preact/hooks';

import {reason} from '../format.ts';
import {fileName, savePng, saveText, TYPES, type Problem} from '../save.ts';

interface Props {
  /** What is exported, as the button's name has it: `Export Loss`. */
  label: string;
  /** What the file is called, without its extension. */
  name: string;
  svg?: (() => string) | undefined;
  csv?: (() => string) | undefined;
}

interface Item {
  format: string;
  save: () => Problem | Promise<Problem>;
}

function itemsOf({name, svg, csv}: Props): Item[] {
  const items: Item[] = [];
  if (svg !== undefined) {
    items.push(
      {format: 'PNG', save: () => savePng(fileName(name, 'png'), svg())},
      {format: 'SVG', save: () => saveText(fileName(name, 'svg'), svg(), TYPES.svg)},
    );
  }
  if (csv !== undefined)
    items.push({format: 'CSV', save: () => saveText(fileName(name, 'csv'), csv(), TYPES.csv)});
  return items;
}

export function ExportMenu(props: Props): JSX.Element {
  const {label} = props;
  const items = itemsOf(props);
  const root = useRef<HTMLSpanElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  // The item with the focus; null while the menu is closed.
  const [at, setAt] = useState<number | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>(null);
  const open = at !== null;
  useClickOutside(root, open, () => setAt(null));

  const close = (): void => {
    setAt(null);
    button.current?.focus();
  };
  const choose = async ({format, save}: Item): Promise<void> => {
    close();
    setProblem(null);
    setBusy(true);
    // Making the words may fail, too, and is not of this file.
    const found = await seen()
      .then(save)
      .catch((error: unknown) => `There is no ${format}: ${reason(error)}`);
    setBusy(false);
    setProblem(found);
  };
  const keyed = (event: KeyboardEvent): void => {
    // From the button, as if there were no menu: its items have no place in the tab order.
    if (event.key === 'Tab' && open) close();
    const next = event.key === 'Escape' ? null : focusedNext(event.key, at, items.length);
    if (next === undefined || (next === null && !open)) return;
    event.preventDefault();
    event.stopPropagation();
    if (next === null) close();
    else setAt(next);
  };

  return (
    <span class="export" ref={root} onKeyDown={keyed}>
      <button
        type="button"
        ref={button}
        class="export-button"
        aria-label={`Export ${label}`}
        title={`Export ${label}`}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-busy={busy}
        onClick={() => setAt(open ? null : 0)}
      >
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <circle cx="8" cy="3" r="1.5" />
          <circle cx="8" cy="8" r="1.5" />
          <circle cx="8" cy="13" r="1.5" />
        </svg>
      </button>
      {open && <Menu label={label} items={items} at={at} onChoose={choose} onPoint={setAt} />}
      {busy && (
        <span class="hint" role="status">
          preparing…
        </span>
      )}
      {problem !== null && (
        <span class="note" role="alert">
          {problem}
        </span>
      )}
    </span>
  );
}

/** Long enough for the page to show that something is made: a large table takes a second or more. */
function seen(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 20));
}

/** The item that a key goes to; undefined when the key is none of a menu's. */
function focusedNext(key: string, at: number | null, count: number): number | undefined {
  switch (key) {
    case 'ArrowDown':
      return at === null ? 0 : (at + 1) % count;
    case 'ArrowUp':
      return ((at ?? 0) + count - 1) % count;
    case 'Home':
      return at === null ? undefined : 0;
    case 'End':
      return at === null ? undefined : count - 1;
    default:
      return undefined;
  }
}

function Menu({
  label,
  items,
  at,
  onChoose,
  onPoint,
}: {
  label: string;
  items: readonly Item[];
  at: number;
  onChoose: (item: Item) => Promise<void>;
  onPoint: (at: number) => void;
}): JSX.Element {
  const menu = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    menu.current?.querySelectorAll('button')[at]?.focus();
  }, [at]);
  return (
    <span class="export-menu" role="menu" aria-label={`Export ${label}`} ref={menu}>
      {items.map((item, nth) => (
        <button
          type="button"
          key={item.format}
          role="menuitem"
          tabIndex={-1}
          onPointerEnter={() => onPoint(nth)}
          onClick={() => void onChoose(item)}
        >
          {item.format}
        </button>
      ))}
    </span>
  );
}

/** Calls `left` when something else is pressed or gets the focus, in this page or the one around it. */
function useClickOutside(
  root: {current: HTMLElement | null},
  open: boolean,
  left: () => void,
): void {
  useLayoutEffect(() => {
    if (!open) return;
    const outside = (event: Event): void => {
      const {target} = event;
      if (!(target instanceof Node && root.current?.contains(target))) left();
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('focusin', outside);
    window.addEventListener('blur', left);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('focusin', outside);
      window.removeEventListener('blur', left);
    };
  }, [open]);
}
