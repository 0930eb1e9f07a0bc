/** One colour scale for all tables that a heat map shows: the spikes with the records, one run beside another. Pure. */

import type {Scale, Table} from './api.ts';
import {domainOf, type Domain} from './scale.ts';

/** The span of all finite values of the tables; null when there is none. */
export function sharedDomain(tables: readonly Table[], scale: Scale): Domain | null {
  const domains = tables.map(table => domainOf(table, scale)).filter(domain => domain !== null);
  if (domains.length === 0) return null;
  const low = Math.min(...domains.map(domain => domain.low));
  const high = Math.max(...domains.map(domain => domain.high));
  return {scale, low, high};
}
