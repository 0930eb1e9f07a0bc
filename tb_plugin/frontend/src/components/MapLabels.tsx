/** The names beside the heat map's rows: a tree of blocks and layers, of which only what is in view is on the page. */

import type {JSX, RefObject} from 'preact';
import {useLayoutEffect, useMemo, useRef, useState} from 'preact/hooks';

import {counted, elide} from '../format.ts';
import {
  LABEL_LENGTH,
  labelRows,
  labelTop,
  LINE_HEIGHT,
  scrolledTo,
  type Layout,
} from '../layout.ts';
import {textWidth} from '../svg.ts';
import {labelsWithin, siblingsOf, type Row} from '../tree.ts';
import {rowTyped, treeMove} from '../treeKeys.ts';

const FONT_SIZE = 11;
const INDENT = 12;
const CHEVRON = 16;
const PADDING = 8;
/** Letters that come faster than this are one name. */
const TYPING_MS = 600;

/** Room for the longest label as it is elided. */
export function labelsWidth(rows: readonly Row[]): number {
  const start = startOf(rows);
  const widths = rows.map(
    ({label, depth}) => depth * INDENT + textWidth(elide(label, LABEL_LENGTH), FONT_SIZE),
  );
  return Math.ceil(Math.max(40, ...widths) + start + PADDING + 6);
}

/** Where the outermost names begin: beside the chevrons, where there are any. */
function startOf(rows: readonly Row[]): number {
  return rows.some(({kind}) => kind === 'block') ? CHEVRON : PADDING;
}

/** What the tree lets one do. */
export interface TreeActions {
  onSelect: (row: Row) => void;
  onToggle: (row: Row) => void;
  onFold: (row: Row, open: boolean) => void;
  /** Leaves the zoom, else clears what is selected. */
  onEscape: () => void;
}

interface Props extends TreeActions {
  rows: readonly Row[];
  layout: Layout;
  /** The rows in view, `first` to `last` (exclusive). */
  first: number;
  last: number;
  labelsWidth: number;
  /** The row of the selected layer; -1 for none. */
  main: number;
  /** The keys of all rows that are selected whole. */
  chosen: ReadonlySet<string>;
  /** The keys of other rows in which some are selected. */
  partly: ReadonlySet<string>;
  scroller: RefObject<HTMLElement | null>;
  /** What the rows in view take on the page. */
  height: number;
  /** Names for eyes only, beside a map whose tree is elsewhere. */
  mute: boolean;
}

export function MapLabels(props: Props): JSX.Element {
  const {rows, layout, first, last, main, mute} = props;
  const labelled = useMemo(
    () => labelRows(rows, layout.rowHeight, LINE_HEIGHT),
    [rows, layout.rowHeight],
  );
  const siblings = useMemo(() => siblingsOf(rows), [rows]);
  const {active, to, item} = useActive(props);
  const typed = useRef({letters: '', at: 0});
  const height = Math.max(LINE_HEIGHT, layout.rowHeight);
  const top = (row: number): number => labelTop(row, layout.rows, layout.rowHeight, height);
  const apart = (row: number, other: number): boolean =>
    Math.abs(top(row) - top(other)) >= LINE_HEIGHT;
  // The row of the keyboard, which is the tab stop, and the selected one always have their labels: others make room.
  const fixed = [...new Set(mute ? [main] : [active, main])]
    .filter(row => row >= 0)
    .filter((row, nth, all) => nth === 0 || apart(row, all[0]));
  const others = labelled.filter(
    row => row >= first && row < last && fixed.every(other => apart(row, other)),
  );
  const shown = [...others, ...fixed].sort((one, other) => one - other);
  const start = startOf(rows);
  const called = labelsWithin(rows, shownAnywhere(labelled, fixed, apart));

  const keyed = (event: KeyboardEvent): void => {
    if (event.altKey || event.metaKey) return;
    if (event.key === 'Escape') {
      event.preventDefault();
      props.onEscape();
      return;
    }
    const move = treeMove(event.key, event.ctrlKey || event.shiftKey, rows, active);
    if (move === undefined) {
      const row = event.ctrlKey ? -1 : search(event);
      if (row >= 0) to(row);
      return;
    }
    event.preventDefault();
    if (move.type === 'to') to(move.row);
    else if (move.type === 'fold') props.onFold(rows[move.row], move.open);
    else if (move.type === 'select') props.onSelect(rows[move.row]);
    else props.onToggle(rows[move.row]);
  };
  const search = ({key, timeStamp}: KeyboardEvent): number => {
    if (key.length !== 1) return -1;
    const {letters, at} = typed.current;
    const all = timeStamp - at < TYPING_MS ? letters + key : key;
    typed.current = {letters: all, at: timeStamp};
    return rowTyped(rows, active, all);
  };

  return (
    <div
      class="labels"
      {...(mute
        ? {'aria-hidden': true}
        : {role: 'tree', 'aria-label': 'Layers', 'aria-multiselectable': true})}
      onKeyDown={mute ? undefined : keyed}
    >
      {shown.map(row => {
        const {label, depth} = called(row);
        const left = start + depth * INDENT;
        return (
          <Label
            key={rows[row].key}
            {...props}
            row={rows[row]}
            words={elidedTo(label, props.labelsWidth - left - PADDING)}
            item={row === active ? item : undefined}
            style={{top: `${top(row)}px`, height: `${height}px`, paddingLeft: `${left}px`}}
            stop={row === active}
            isMain={row === main}
            sibling={siblings[row]}
            to={() => to(row)}
          />
        );
      })}
    </div>
  );
}

/** The rows that have a label, in view or not: those that make room for others have none. */
function shownAnywhere(
  labelled: readonly number[],
  fixed: readonly number[],
  apart: (row: number, other: number) => boolean,
): Set<number> {
  const others = labelled.filter(row => fixed.every(other => apart(row, other)));
  return new Set([...others, ...fixed]);
}

/** No longer than the room is wide. */
function elidedTo(name: string, width: number): string {
  let length = Math.min(name.length, LABEL_LENGTH);
  const words = (): string => elide(name, length);
  while (length > 8 && textWidth(words(), FONT_SIZE) > width) length--;
  return words();
}

interface LabelProps extends Pick<Props, 'chosen' | 'partly' | 'mute' | keyof TreeActions> {
  row: Row;
  words: string;
  item: RefObject<HTMLDivElement | null> | undefined;
  style: Record<string, string>;
  stop: boolean;
  isMain: boolean;
  sibling: {place: number; count: number};
  to: () => void;
}

function Label(props: LabelProps): JSX.Element {
  const {row, style, mute, chosen, sibling} = props;
  const {title, depth, open, columns} = row;
  const isChosen = chosen.has(row.key);
  const several = columns.length > 1 ? `, ${counted(columns.length, 'variable')}` : '';
  const states = [
    'label',
    row.kind,
    isChosen ? 'chosen' : '',
    props.partly.has(row.key) ? 'partly' : '',
    props.isMain ? 'selected' : '',
  ];
  const clicked = (event: MouseEvent): void => {
    if (!mute) props.to();
    if (event.ctrlKey || event.metaKey || event.shiftKey) props.onToggle(row);
    else props.onSelect(row);
  };
  const roles = {
    role: 'treeitem',
    tabIndex: props.stop ? 0 : -1,
    'aria-level': depth + 1,
    'aria-posinset': sibling.place,
    'aria-setsize': sibling.count,
    ...(open === null ? {} : {'aria-expanded': open}),
    'aria-selected': isChosen,
    'aria-label': title + several,
  } as const;
  return (
    <div
      ref={props.item ?? null}
      class={states.filter(Boolean).join(' ')}
      title={title + several}
      style={style}
      onClick={clicked}
      {...(mute ? {} : roles)}
    >
      {open !== null && (
        // For the mouse: the keyboard has the arrow keys.
        <span
          class={open ? 'chevron open' : 'chevron'}
          aria-hidden="true"
          title={open ? 'Close this block' : 'Open this block'}
          onClick={event => {
            event.stopPropagation();
            props.onFold(row, !open);
          }}
        />
      )}
      <span class="name">{props.words}</span>
    </div>
  );
}

interface Active {
  /** The row that the keyboard is at. */
  active: number;
  to: (row: number) => void;
  item: RefObject<HTMLDivElement | null>;
}

/** The one tab stop of the tree: where the keyboard was last, else the selected row, else the first. */
function useActive({rows, layout, main, scroller, height}: Props): Active {
  const [key, setKey] = useState<string | null>(null);
  const item = useRef<HTMLDivElement>(null);
  const moved = useRef(false);
  const known = key === null ? -1 : rows.findIndex(row => row.key === key);
  const active = known >= 0 ? known : main >= 0 ? main : rows.length > 0 ? 0 : -1;
  useLayoutEffect(() => {
    if (!moved.current) return;
    moved.current = false;
    item.current?.focus({preventScroll: true});
  });
  useLayoutEffect(() => {
    // Selected elsewhere: that is where to go on from.
    if (item.current?.contains(document.activeElement) !== true) setKey(null);
  }, [main]);
  const to = (row: number): void => {
    // Nothing is drawn anew for a row that it is at already.
    if (rows[row].key === key) item.current?.focus({preventScroll: true});
    else moved.current = true;
    setKey(rows[row].key);
    const node = scroller.current;
    if (node !== null) node.scrollTop = scrolledTo(layout, row, node.scrollTop, height);
  };
  return {active, to, item};
}
