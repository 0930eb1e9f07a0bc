// The search runs in a worker, which browsers refuse to pages that were opened as files: there a frame takes its place.
// (A name that the offline plugin looks for: else it would load such a script from elsewhere.)
(() => {
  class IFrameWorker extends EventTarget {
    onmessage = null;

    constructor(url) {
      super();
      this.frame = document.createElement('iframe');
      this.frame.hidden = true;
      this.frame.srcdoc = '<!DOCTYPE html><title>search</title>';
      this.ready = new Promise((resolve, reject) => {
        this.frame.addEventListener('load', () => {
          const inner = this.frame.contentWindow;
          inner.postMessage = (data) => this.answer(data);
          const script = inner.document.createElement('script');
          script.addEventListener('load', () => resolve(inner));
          script.addEventListener('error', () => reject(new Error(`${url} cannot be loaded`)));
          script.src = new URL(url, document.baseURI).href;
          inner.document.body.append(script);
        });
      });
      document.body.append(this.frame);
    }

    async postMessage(data) {
      const inner = await this.ready;
      inner.dispatchEvent(new MessageEvent('message', {data}));
    }

    answer(data) {
      const event = new MessageEvent('message', {data});
      this.dispatchEvent(event);
      this.onmessage?.(event);
    }

    terminate() {
      this.frame.remove();
    }
  }

  if (location.protocol === 'file:') {
    window.IFrameWorker = IFrameWorker;
    window.Worker = IFrameWorker;
  }
})();
