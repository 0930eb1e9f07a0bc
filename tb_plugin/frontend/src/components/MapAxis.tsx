/** The steps below the heat map. */

import type {JSX} from 'preact';

import {formatStep} from '../format.ts';
import {axisSteps, stepMiddle, TICK_WIDTH, type Layout} from '../layout.ts';

export function MapAxis({layout, named}: {layout: Layout; named: boolean}): JSX.Element {
  return (
    <div class="axis" aria-hidden="true">
      {named && <span class="axis-name">step</span>}
      <div style={{width: `${layout.width}px`}}>
        {axisSteps(layout, TICK_WIDTH).map(step => (
          <span key={step} style={{left: `${stepMiddle(layout, step)}px`}}>
            {formatStep(step)}
          </span>
        ))}
      </div>
    </div>
  );
}
