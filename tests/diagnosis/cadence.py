"""A run recorded at every update, as it would have been at another cadence.

Pure: from a `Run` to a `Run`. Two things differ from a real recording: what recording cost, and which one is kept of
peaks that are equal, or infinite and NaN.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from adamax_tb.schema import STEP_STATS, Arrays, Run, recorded
from adamax_tb.thinning import hand_on


def thinned(run: Run, every: int) -> Run:
    """Returns `run`, recorded at every update, as `OptimizerHealth(every=every)` would have recorded it.

    Records are taken at update 1, at multiples of `every`, and between any two of these at the first update whose
    gradient or loss is not finite after one where both are (`recorder.Recorder`).
    """
    steps, bad = run.steps, _bad(run)
    kept = (steps == 1) | (steps % every == 0)
    turned_bad = bad & ~np.concatenate([[False], bad[:-1]]) & ~kept
    _, first = np.unique(np.where(turned_bad, steps // every, -1), return_index=True)
    kept[first[turned_bad[first]]] = True
    layers = {name: run.stat(name).copy() for name in run.statistics}
    whole = {name: run.step_stat(name).copy() for name in STEP_STATS}
    for i in np.nonzero(~kept[:-1])[0].tolist():
        earlier, later = (
            {name: x[j] for name, x in layers.items()}
            | {name: x[j : j + 1] for name, x in whole.items()}
            for j in (i, i + 1)
        )
        hand_on(earlier, later, int(steps[i + 1] - steps[i]))
    return _of(run, kept, layers, whole)


def unjudged(run: Run) -> Run:
    """Returns `run` without a flight record that a finding led to: that depends on the rules of the day."""
    if run.flight is None or all(r.startswith("nonfinite") for r in run.flight.reasons):
        return run
    kept = np.array([reason.startswith("nonfinite") for reason in run.flight.reasons])
    if not kept.any():
        return dataclasses.replace(run, flight=None)
    arrays = ("steps", "gradient_norm", "loss", "learning_rate", "loss_scale")
    flight = dataclasses.replace(
        run.flight,
        reasons=tuple(np.array(run.flight.reasons)[kept].tolist()),
        **{name: getattr(run.flight, name)[kept] for name in arrays},
    )
    return dataclasses.replace(run, flight=flight)


def first_updates(run: Run, count: int) -> Run:
    """Returns `run` as if no more than `count` updates had been planned."""
    cut = first_records(run, int(np.searchsorted(run.steps, count, side="right")))
    return dataclasses.replace(cut, planned_step=count)


def first_records(run: Run, count: int) -> Run:
    """Returns `run` as it was after `count` records: a flight record that came later was not there yet."""
    begun = run.until(count)
    flight = begun.flight
    if (
        flight is not None
        and np.isfinite(flight.loss).all()
        and np.isfinite(flight.gradient_norm).all()
    ):
        return dataclasses.replace(begun, flight=None)
    return begun


def _bad(run: Run) -> NDArray[np.bool_]:
    """Returns (T,), whether a gradient, or the loss where it is known, is not finite."""
    norms, loss = run.stat("gradient_norm"), run.loss
    gradients = (~np.isfinite(norms) & recorded(norms)).any(axis=1)
    return (
        gradients | (run.stat("nonfinite") > 0).any(axis=1) | (~np.isfinite(loss) & recorded(loss))
    )


def _of(
    run: Run,
    kept: NDArray[np.bool_],
    layers: dict[str, NDArray[np.float32]],
    whole: dict[str, NDArray[np.float32]],
) -> Run:
    return dataclasses.replace(
        run,
        steps=run.steps[kept],
        wall_times=run.wall_times[kept],
        _stats=Arrays({name: x[kept] for name, x in layers.items()}),
        _step_stats=Arrays({name: x[kept] for name, x in whole.items()}),
    )
