/** TensorBoard's page around our iframe: the only file that talks to it. It asks for nothing and changes nothing there. */

interface Message {
  type: string;
  id: number;
  isReply: boolean;
}

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

/** Calls `reload` when TensorBoard has read new data; returns what ends it. */
export function watchReload(reload: () => void): () => void {
  const channel = new MessageChannel();
  const port = channel.port1;
  port.onmessage = (event: MessageEvent<string>): void => {
    const message: Message = JSON.parse(event.data);
    if (message.isReply) return;
    if (message.type === 'experimental.DataReloaded') reload();
    const reply = {type: message.type, id: message.id, payload: null, error: null, isReply: true};
    port.postMessage(JSON.stringify(reply));
  };
  window.parent.postMessage('experimental.bootstrap', '*', [channel.port2]);
  return () => port.close();
}
