/** The entry point that TensorBoard's plugin page imports. */

import {render as mount} from 'preact';

import {App} from './components/App.tsx';
import {showPlainly} from './plain.ts';

/** Draws the panel into the page; TensorBoard calls it once. */
export function render(): void {
  const style = document.createElement('link');
  style.rel = 'stylesheet';
  style.href = new URL('./index.css', import.meta.url).href;
  document.head.append(style);
  const root = document.createElement('div');
  document.body.append(root);
  document.documentElement.lang = 'en';
  document.title = 'Optimizer health';
  showPlainly();
  mount(<App />, root);
}
