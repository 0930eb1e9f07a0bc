/** How Vitest runs the unit tests: once, in Node, without a page. It writes its caches to node_modules only. */

import {defineConfig} from 'vitest/config';

export default defineConfig({
  root: import.meta.dirname,
  test: {
    include: ['*.test.ts'],
    environment: 'node',
    pool: 'threads',
    watch: false,
  },
});
