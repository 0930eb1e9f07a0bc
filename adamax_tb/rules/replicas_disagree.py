"""`replicas-disagree`: copies of the weights that should be equal are not."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding
from adamax_tb.rules.wording import spelled
from adamax_tb.schema import Run, recorded

#: Norms that differ by a smaller part differ by rounding, as between devices of different kinds: float32 has seven
#: digits. Replicas on the same devices agree in all of them.
APART = 1e-5


@dataclass(frozen=True, slots=True)
class _Course:
    """How the replicas went apart.

    Attributes:
        equal_until: the last step at which they were equal, None if they never were.
        told_late: whether a comparison may be of a step before the record that it stands in: between processes.
        first: the index of the record at which they were not.
        last: of the last such record.
        equal_again: the first step at which they were, None if they still are not.
        layer: the one whose copies were farthest apart at first.
        layers: how many ever were.
        spread: of that layer at first.
        largest: of any layer.
        gradient: the largest of the gradients applied meanwhile; NaN where these are not compared.
    """

    equal_until: int | None
    told_late: bool
    first: int
    last: int
    equal_again: int | None
    layer: int
    layers: int
    spread: float
    largest: float
    gradient: float

    @property
    def unreduced(self) -> bool:
        """Whether each replica applied a gradient of its own."""
        return self.gradient > APART


def replicas_disagree(run: Run, course: Course) -> Iterator[Finding]:
    """The replicas' weights differ, so that they are no longer one model."""
    apart = _course(run)
    if apart is None:
        return
    layer, step = run.layers[apart.layer], int(run.steps[apart.first])
    if apart.equal_until is None:
        begun = f"differ since step {step}, when they were compared for the first time"
    elif apart.told_late:
        begun = f"were equal at first and differ since step {step} or shortly before"
    else:
        begun = f"were equal at step {apart.equal_until} and differ since step {step}"
    more = apart.layers - 1
    others = f", and so are those of {more} other layer{'s' if more > 1 else ''}" if more else ""
    again = (
        "" if apart.equal_again is None else f" At step {apart.equal_again} they are equal again."
    )
    evidence = {"spread": apart.spread, "largest_spread": apart.largest}
    if not np.isnan(apart.gradient):
        evidence["gradient_spread"] = apart.gradient
    yield Finding(
        rule="replicas-disagree",
        severity="critical" if apart.equal_again is None else "warning",
        layer=layer,
        first_step=step,
        last_step=int(run.steps[apart.last]),
        message=(
            f"The replicas' copies of {layer} {begun}: {_distance(apart.spread)}{others}.{_cause(apart)}{again}"
        ),
        evidence={**evidence, "layers": float(apart.layers)},
        suggestion=_remedy(apart, layer, step),
        reference=references.REPLICAS,
    )


def _course(run: Run) -> _Course | None:
    """Returns how the replicas went apart, None if they did not."""
    weights = _compared(run, "replica_spread")
    is_apart = weights > APART  # NaN is not
    (at,) = np.nonzero(is_apart.any(axis=1))
    if not at.size:
        return None
    first, last = int(at[0]), int(at[-1])
    (compared,) = np.nonzero(~np.isnan(weights).all(axis=1))
    before, after = run.steps[compared[compared < first]], run.steps[compared[compared > last]]
    begun = np.where(is_apart[first], weights[first], -1.0)
    gradients = _compared(run, "replica_gradient_spread")[first : last + 1]
    known = gradients[~np.isnan(gradients)]
    return _Course(
        equal_until=int(before[-1]) if before.size else None,
        told_late="replica_gradient_spread" in run.statistics,
        first=first,
        last=last,
        equal_again=int(after[0]) if after.size else None,
        layer=int(np.argmax(begun)),
        layers=int(is_apart.any(axis=0).sum()),
        spread=float(begun.max()),
        largest=float(weights[is_apart].max()),
        gradient=float(known.max()) if known.size else np.nan,
    )


def _compared(run: Run, name: str) -> NDArray[np.float32]:
    """Returns (T, L), NaN where nothing was compared; (0, L) of a run that compares nothing."""
    if name not in run.statistics:
        return np.empty((0, len(run.layers)), np.float32)
    values = run.stat(name)
    return np.where(recorded(values), values, np.float32(np.nan))


def _distance(spread: float) -> str:
    if np.isinf(spread):
        return "some are not finite and others are"
    return f"their norms are {spelled(100 * spread)} % apart"


def _cause(apart: _Course) -> str:
    if apart.unreduced:
        return (
            f" So do the gradients that they apply, by {_part(apart.gradient)}: these are not reduced over the "
            "processes, and each trains a model of its own."
        )
    same = " The gradients that they apply are the same:" if apart.gradient <= APART else ""
    if apart.equal_until is None:
        return f"{same} they began with different weights." if same else ""
    return f"{same} something else changed a copy." if same else ""


def _part(spread: float) -> str:
    return "infinitely much" if np.isinf(spread) else f"up to {spelled(100 * spread)} %"


def _remedy(apart: _Course, layer: str, step: int) -> str:
    if apart.unreduced:
        return (
            "Make the processes one training before the model is built. TensorFlow: build model and optimizer within "
            "strategy.scope(), and call apply_gradients inside strategy.run. JAX: call "
            "keras.distribution.set_distribution(keras.distribution.DataParallel())."
        )
    if apart.equal_until is None:
        return (
            "Start all replicas with the same weights: call keras.utils.set_random_seed with the same seed in each "
            "process before the model is built, load the same checkpoint in all of them or in none, and assign no "
            "variable on one alone."
        )
    when = (
        f"some records before step {step}"
        if apart.told_late
        else f"between steps {apart.equal_until} and {step}"
    )
    return (
        f"Look for what changes {layer} on one replica only, {when}: a callback or a checkpoint that one process alone "
        "has, noise drawn with a seed of each process's own, assign on a replica's copy. Let all replicas do it, with "
        "the same numbers."
    )
