/** A check that a text is well-formed XML, as far as the pictures use it: elements, attributes, entities. */

const TAG = /^<(\/?)([a-zA-Z][\w:.-]*)((?:\s+[\w:.-]+="[^"<]*")*)\s*(\/?)>/;

/** What is wrong with it; null when nothing is. */
export function xmlProblem(xml: string): string | null {
  const open: string[] = [];
  let rest = xml;
  while (rest !== '') {
    const words = rest.slice(0, rest.indexOf('<') < 0 ? rest.length : rest.indexOf('<'));
    const around = textProblem(words);
    if (around !== null) return around;
    if (words !== '' && open.length === 0) return `words outside of the root: ${words}`;
    rest = rest.slice(words.length);
    if (rest === '') break;
    const tag = TAG.exec(rest);
    if (tag === null) return `no tag: ${rest.slice(0, 60)}`;
    const [all, closes, name, attributes, alone] = tag;
    const names = [...attributes.matchAll(/([\w:.-]+)="([^"]*)"/g)];
    if (new Set(names.map(([, key]) => key)).size < names.length) return `twice in ${all}`;
    const inside = textProblem(attributes);
    if (inside !== null) return inside;
    if (closes === '/' && open.pop() !== name) return `closed, but not open: ${name}`;
    if (closes === '' && alone === '') open.push(name);
    rest = rest.slice(all.length);
  }
  return open.length === 0 ? null : `never closed: ${open.join()}`;
}

function textProblem(text: string): string | null {
  if (/&(?!(amp|lt|gt|quot|apos|#\d+);)/.test(text)) return `a bare & in ${text}`;
  if (/[\0-\x08\v\f\x0e-\x1f\ud800-\udfff\ufffe\uffff]/u.test(text)) return `forbidden in ${text}`;
  return null;
}
