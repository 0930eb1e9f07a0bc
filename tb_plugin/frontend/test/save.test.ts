import assert from 'node:assert/strict';
import {test} from 'vitest';

import {copied, fileName, savePng, saveText, scaleOf} from '../src/save.ts';

test('a file name has no letter that a file system refuses', () => {
  assert.equal(fileName('Gradient norm · run/a: dense', 'png'), 'Gradient_norm_run_a_dense.png');
  assert.equal(fileName('../../etc/passwd', 'csv'), 'etc_passwd.csv');
  assert.equal(fileName('損失 übung', 'svg'), '損失_übung.svg');
  assert.equal(fileName('lr=0.1,b', 'csv'), 'lr=0.1_b.csv');
  assert.equal(fileName('///', 'svg'), 'adamax-tb.svg');
  assert.equal(fileName('x'.repeat(300), 'svg').length, 104);
});

test('a picture is twice as large, as long as a canvas can be that large', () => {
  assert.equal(scaleOf(800, 400), 2);
  const long = scaleOf(1000, 12000);
  assert.ok(long < 2 && 12000 * long <= 16384);
  const large = scaleOf(8000, 8000);
  assert.ok(8000 * large * 8000 * large <= 64e6 * 1.0001);
});

test('without a browser nothing is saved or copied, and nothing throws', async () => {
  assert.match(saveText('a.csv', 'a', 'text/csv') ?? '', /^The browser saved no file: /);
  assert.match((await savePng('a.png', '<svg/>')) ?? '', /^The browser made no PNG: /);
  assert.equal(await copied('a'), false);
});
