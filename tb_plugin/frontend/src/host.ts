/**
 * TensorBoard's page around our iframe: the only file that talks to it. It keeps what is shown in the page's address,
 * under keys of our own, and asks for nothing but its runs. Where no TensorBoard is around us, our own address is used,
 * and the rest does nothing.
 */

function parentBody(): HTMLElement | null {
  try {
    return window.parent.document.body;
  } catch {
    return null; // another origin: a page of someone else's embeds us
  }
}

export function isDark(): boolean {
  return parentBody()?.classList.contains('dark-mode') ?? false;
}

/** Calls `changed` whenever TensorBoard switches between light and dark; returns what ends it. */
export function watchDark(changed: (dark: boolean) => void): () => void {
  const body = parentBody();
  if (body === null) return () => undefined;
  const observer = new MutationObserver(() => changed(isDark()));
  observer.observe(body, {attributes: true, attributeFilter: ['class']});
  return () => observer.disconnect();
}

/**
 * Whether somebody can see our tab: TensorBoard hides one by `display: none`, which the page inside does not notice,
 * and the browser has tabs of its own.
 */
export function isVisible(): boolean {
  const frame = window.frameElement;
  return document.visibilityState === 'visible' && (frame === null || frame.clientHeight > 0);
}

/** Calls `changed` whenever `isVisible` may say something else than before; returns what ends it. */
export function watchVisible(changed: () => void): () => void {
  document.addEventListener('visibilitychange', changed);
  const unwatch = watchFrame(changed);
  return () => {
    document.removeEventListener('visibilitychange', changed);
    unwatch();
  };
}

/** Calls `resized` whenever the size of our frame changes, also from and to nothing; returns what ends it. */
function watchFrame(resized: () => void): () => void {
  const frame = window.frameElement;
  // The observer of TensorBoard's own page: one of ours sleeps while our frame is hidden.
  const Observer = frame?.ownerDocument.defaultView?.ResizeObserver;
  if (frame === null || Observer === undefined) return () => undefined;
  const observer = new Observer(resized);
  observer.observe(frame);
  return () => observer.disconnect();
}

/** TensorBoard's prefix of what a plugin keeps in the address: `#<tab>&p.<plugin>.<key>=<value>&...` */
const PREFIX = 'p.optimizer_health.';
const TAB = 'optimizer_health';

/** What of an address's hash is ours, by key without prefix; what cannot be decoded is left out. */
export function valuesOf(hash: string): Record<string, string> {
  return Object.fromEntries(partsOf(hash).filter(isOurs).flatMap(part => {
    const [key = '', value = ''] = part.slice(PREFIX.length).split('=');
    try {
      return [[decoded(key), decoded(value)]];
    } catch {
      return []; // a link that was cut off within a character
    }
  }));
}

/** The hash with these values in the place of what was ours in it; all else stays as it is. */
export function hashWith(hash: string, values: Readonly<Record<string, string>>): string {
  const others = partsOf(hash).filter(part => !isOurs(part));
  const ours = Object.entries(values).map(
    ([key, value]) => `${PREFIX}${encoded(key)}=${encoded(value)}`,
  );
  const parts = [...others, ...ours];
  return parts.length > 0 ? `#${parts.join('&')}` : '';
}

/** The hash as it opens our tab, whichever is open. */
export function hashOfTab(hash: string): string {
  return `#${[TAB, ...partsOf(hash).filter(part => part.includes('='))].join('&')}`;
}

function partsOf(hash: string): string[] {
  return hash.replace(/^#/, '').split('&').filter(part => part !== '');
}

function isOurs(part: string): boolean {
  return part.startsWith(PREFIX);
}

/**
 * In letters, digits and `-._~` only: `a/b` is `a~2Fb`. With TensorBoard's own `%2F`, a link that was cut off within a
 * sign opens an empty page, for TensorBoard fails at it; and one that was decoded on the way, as chats do, loses its
 * end. Halves of characters, which the name of a file may hold, become U+FFFD.
 */
function encoded(text: string): string {
  const all = encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'));
  return all.replace(/[!'()*~]/g, sign => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%', '~');
}

/** The text of what `encoded` made, or of what somebody wrote by hand with `%2F` or plainly. */
function decoded(text: string): string {
  const escaped = decodeURIComponent(text).replaceAll('%', '%25');
  return decodeURIComponent(escaped.replace(/~(?=[0-9A-F]{2})/g, '%'));
}

/** The window in whose address we keep things: TensorBoard's, or ours where that is not around us. */
function addressed(): Window {
  try {
    const host: Window & {tensorboard?: {tf_storage?: unknown}} = window.parent;
    if (host.tensorboard?.tf_storage !== undefined) return host;
  } catch {
    // another origin
  }
  return window;
}

/** Our values as they were read or written last: TensorBoard's own changes of the address are not news. */
let known = '';

/** What the address holds of ours. */
export function readUrl(): Record<string, string> {
  const values = valuesOf(addressed().location.hash);
  known = canonical(values);
  return values;
}

/**
 * Keeps `values`, and nothing else of ours, in the address. Replaces the entry of the history, adds none. All at once,
 * not key by key through TensorBoard's `tf_storage`: browsers ignore a page that does this too often (Chromium after
 * 200 times in ten seconds). Call it when a gesture ends, not while it goes on.
 *
 * An address that somebody has just opened here stays: `watchUrl` is about to tell of it.
 */
export function writeUrl(values: Readonly<Record<string, string>>): void {
  const {location, history} = addressed();
  const held = (): string => canonical(valuesOf(location.hash));
  if (held() !== known || canonical(values) === known) return;
  const hash = hashWith(location.hash, values);
  try {
    history.replaceState(history.state, '', `${location.pathname}${location.search}${hash}`);
  } catch {
    // too often, or too long: the address keeps what it had
  }
  known = held();
}

/** Calls `changed` when somebody went back, or opened another link here, and `readUrl` has other values than before. */
export function watchUrl(changed: () => void): () => void {
  const host = addressed();
  const look = (): void => {
    if (canonical(valuesOf(host.location.hash)) !== known) changed();
  };
  host.addEventListener('hashchange', look);
  return () => host.removeEventListener('hashchange', look);
}

function canonical(values: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The address that shows a view of these values: TensorBoard's, with our tab open. */
export function linkToView(values: Readonly<Record<string, string>>): string {
  const host = addressed();
  const link = new URL(host.location.href);
  link.hash = hashWith(host === window ? link.hash : hashOfTab(link.hash), values);
  return link.href;
}

/** Calls `reload` when TensorBoard has read new data; returns what ends it. */
export function watchReload(reload: () => void): () => void {
  return connection().listen('experimental.DataReloaded', reload);
}

/** How long TensorBoard may take to say which runs it has; where nobody answers, there are none. */
const ANSWER_MS = 300;

/** TensorBoard's runs as they were seen, in that order. */
let seen: readonly string[] = [];

/**
 * The names of TensorBoard's runs in the order in which its Time Series dashboard gives them the colours of its palette
 * in turn: as they were seen first. Runs that are gone keep their place. Empty if TensorBoard does not answer in time.
 */
export async function tensorboardRuns(): Promise<readonly string[]> {
  const late = new Promise<null>(resolve => setTimeout(() => resolve(null), ANSWER_MS));
  return see(await Promise.race([connection().ask('experimental.GetRuns'), late]));
}

function see(payload: unknown): readonly string[] {
  seen = firstSeen(seen, payload);
  return seen;
}

/** What was seen, and after it those of the names that are new. Anything but an array of names holds none. */
export function firstSeen(seen: readonly string[], names: unknown): readonly string[] {
  const given: unknown[] = Array.isArray(names) ? names : [];
  return [...new Set([...seen, ...given.filter(name => typeof name === 'string')])];
}

interface Message {
  type: string;
  id: number;
  payload: unknown;
  error: unknown;
  isReply: boolean;
}

type Listener = (payload: unknown) => void;

/** Messages to and from TensorBoard's page, in the protocol of its `experimental` plugin library. */
interface Connection {
  listen: (type: string, listener: Listener) => () => void;
  ask: (type: string) => Promise<unknown>;
}

/** One for all: TensorBoard keeps each until our frame is gone, and waits for its answers. */
let shared: Connection | null = null;

function connection(): Connection {
  shared ??= connect();
  return shared;
}

function connect(): Connection {
  const {port1: port, port2} = new MessageChannel();
  const listeners = new Map<Listener, string>();
  const waiting = new Map<number, Listener>();
  let asked = 0;
  const send = (message: Message): void => port.postMessage(JSON.stringify(message));
  port.onmessage = (event: MessageEvent<string>): void => {
    const {type, id, payload, isReply}: Message = JSON.parse(event.data);
    if (isReply) {
      waiting.get(id)?.(payload);
      waiting.delete(id);
      return;
    }
    for (const [listener, heard] of listeners) if (heard === type) listener(payload);
    send({type, id, payload: null, error: null, isReply: true});
  };
  window.parent.postMessage('experimental.bootstrap', '*', [port2]);
  return {
    listen: (type, listener) => {
      const own: Listener = payload => listener(payload); // the same function may listen twice
      listeners.set(own, type);
      return () => listeners.delete(own);
    },
    ask: type => new Promise(resolve => {
      waiting.set(asked, resolve);
      send({type, id: asked++, payload: null, error: null, isReply: false});
    }),
  };
}
