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

/** Whether TensorBoard shows our tab: it hides one by `display: none`, which the page inside does not notice. */
function isVisible(): boolean {
  const frame = window.frameElement;
  return frame === null || frame.clientHeight > 0;
}

/** Calls `shown` whenever the size of our frame changes, also from and to nothing; returns what ends it. */
function watchFrame(shown: () => void): () => void {
  const frame = window.frameElement;
  // The observer of TensorBoard's own page: one of ours sleeps while our frame is hidden.
  const Observer = frame?.ownerDocument.defaultView?.ResizeObserver;
  if (frame === null || Observer === undefined) return () => undefined;
  const observer = new Observer(shown);
  observer.observe(frame);
  return () => observer.disconnect();
}

/**
 * Calls `reload` when TensorBoard has read new data, at once if the panel can be seen, else when it is next shown.
 * Returns what ends it.
 */
export function watchReload(reload: () => void): () => void {
  let missed = false;
  const shown = (): void => {
    if (missed && isVisible()) {
      missed = false;
      reload();
    }
  };
  const channel = new MessageChannel();
  const port = channel.port1;
  port.onmessage = (event: MessageEvent<string>): void => {
    const message: Message = JSON.parse(event.data);
    if (message.isReply) return;
    if (message.type === 'experimental.DataReloaded') {
      missed = true;
      shown();
    }
    const reply = {type: message.type, id: message.id, payload: null, error: null, isReply: true};
    port.postMessage(JSON.stringify(reply));
  };
  window.parent.postMessage('experimental.bootstrap', '*', [channel.port2]);
  const unwatch = watchFrame(shown);
  return () => {
    unwatch();
    port.close();
  };
}
