/** What the numbers are called that a finding rests on, where their names say too little. Pure. */

import WORDS from '../../../adamax_tb/rules/evidence.json';
import {words} from './format.ts';

const OWN: Readonly<Record<string, string>> = WORDS;

export function evidenceWords(name: string): string {
  return OWN[name] ?? words(name);
}
