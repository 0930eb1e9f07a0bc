"""`dead-units`: units that no input gives a gradient any more."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding, Severity
from adamax_tb.rules.gradients import groups_of, kernels_of, mostly_dead
from adamax_tb.rules.rate import lower_rate
from adamax_tb.schema import Run, layer_group, recorded

#: A layer with this part of its units dead is worth a word, and with this one it is dead as a whole.
DEAD_UNITS = 0.5
WHOLE = 0.99
#: Fewer updates without a gradient say nothing; units that are dead in part are judged after so many in all.
UPDATES = 40
UPDATES_IN_PART = 100


@dataclass(frozen=True, slots=True)
class DeadLayer:
    """A layer, by its `kernel`, with a `fraction` of its units dead since record `since`."""

    kernel: int
    since: int
    fraction: float

    @property
    def whole(self) -> bool:
        """Whether no unit is alive."""
        return self.fraction >= WHOLE


def dead_units(run: Run, course: Course) -> Iterator[Finding]:
    """Units of a layer have stopped getting any gradient: they give the same output whatever goes in."""
    norms, kernels = run.stat("gradient_norm"), kernels_of(run)
    watched = [i for i in kernels if recorded(norms[:, i]).any()]
    zero = norms == 0
    # all kernels at exactly 0, batch after batch: the outputs are the same for every input
    lasting = _last(zero[:, watched].all(axis=1)) >= max(1, len(run.steps) // 3)
    constant = bool(watched) and lasting and course.updates >= UPDATES
    if constant and zero[-1].all() and not course.loss.failing:
        return  # nothing is left to be learned
    if not constant:
        zero &= ~(run.stat("gradient_norm_peak") > 0)  # nor between the records
    layers = _dead_layers(run, zero, constant)
    whole = [layer for layer in layers if layer.whole]
    for layer in layers:
        if layer in whole[:-1]:
            continue  # what lies before a layer that is dead as a whole gets no gradient either
        yield _finding(run, course, layer, constant and layer.whole)


def _dead_layers(run: Run, zero: NDArray[np.bool_], constant: bool) -> list[DeadLayer]:
    """Returns the layers with dead units, in model order.

    A layer without input has a dead kernel but a live bias, so all of its variables must agree. One whose gradient was
    0 from the beginning while the next layer has some is not dead, but cut off.
    """
    mostly, kernels = mostly_dead(run, DEAD_UNITS), kernels_of(run)
    following = dict(itertools.pairwise(kernels))
    found = []
    for members in groups_of(run).values():
        own = [i for i in members if i in following or i in kernels[-1:]]
        if not own:
            continue
        kernel, after = own[0], following.get(own[-1])
        whole: NDArray[np.bool_] = np.logical_and.reduce(zero[:, members], axis=1)
        dead = whole | np.logical_and.reduce(mostly[:, members], axis=1)
        since = len(dead) - _last(dead)
        if whole.all() and after is not None and not zero[:, after].all():
            continue
        lasting = since < len(dead) - 1 and run.steps[-1] - run.steps[since] >= UPDATES
        if lasting or (constant and whole[-1]):
            fraction = 1.0 if whole[-1] else _fraction(run, kernel)
            found.append(DeadLayer(kernel, since, fraction))
    return found


def _fraction(run: Run, kernel: int) -> float:
    """Returns the part of the units that are dead at the last record."""
    return float(run.stat("dead_units")[-1, kernel])


def _last(held: NDArray[np.bool_]) -> int:
    """Returns over how many of the last records it held without a break."""
    return len(held) if held.all() else int(np.argmin(held[::-1]))


def _severity(course: Course, layer: DeadLayer, constant: bool) -> Severity:
    """Returns how bad that is: a layer that is dead in part is none while the loss falls."""
    loss = course.loss
    if constant:
        return "critical" if loss.known else "warning"
    if not loss.known:
        return "warning"
    if layer.whole and loss.failing:
        return "warning" if loss.learned else "critical"
    stuck = not loss.learned and loss.flat and course.updates >= UPDATES_IN_PART
    if stuck:
        return "critical" if layer.fraction >= 0.9 else "warning"
    return "info"


def _finding(run: Run, course: Course, layer: DeadLayer, constant: bool) -> Finding:
    name, units = layer_group(run.layers[layer.kernel]), run.shapes[layer.kernel][-1]
    since = int(run.steps[layer.since])
    dead = (
        f"{round(layer.fraction * units)} of {units} units of {name} are dead: no input gives them"
    )
    if layer.whole:
        dead = f"All {units} units of {name} are dead: no input gives them"
    if units == 1:
        dead = f"The only unit of {name} is dead: no input gives it"
    those = "it" if units == 1 else "them"
    what = (
        f", and with {those} the network's output is the same for every input" if constant else ""
    )
    unweighted = "weight_norm" in run.statistics and run.stat("weight_norm")[-1, layer.kernel] == 0
    return Finding(
        rule="dead-units",
        severity=_severity(course, layer, constant),
        layer=run.layers[layer.kernel],
        first_step=since,
        last_step=int(run.steps[-1]),
        message=(f"{dead} a gradient since step {since}{what}, and {course.loss.described()}."),
        evidence={
            "dead_units": layer.fraction,
            "units": float(units),
            "gradient_norm": float(run.stat("gradient_norm")[-1, layer.kernel]),
            **course.loss.ends(),
        },
        suggestion=_remedy(run, name, since, bool(unweighted)),
        reference=references.DYING_RELU,
    )


def _remedy(run: Run, name: str, since: int, unweighted: bool) -> str:
    if unweighted:
        return (
            f"The weights of {name} are all 0, so every unit is the same and gives nothing: leave "
            "kernel_initializer at its default, 'glorot_uniform', or take 'he_normal' with relu."
        )
    if since == run.steps[0]:
        return (
            f"It was so from the beginning: let the biases of {name} start at 0, and scale the inputs to zero "
            "mean and unit variance. leaky_relu, whose gradient is nowhere 0, cannot die."
        )
    return (
        f"Large steps do that. Lower the learning rate: {lower_rate(run, since, 10)}. leaky_relu, whose gradient "
        "is nowhere 0, can come back."
    )
