"""`frozen-layer`: a trainable layer gets no gradient at all, though the layers after it do."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding, Severity
from adamax_tb.rules.gradients import RECORDS_AT_ONCE, groups_of, kernels_of
from adamax_tb.schema import Run, recorded

#: Fewer updates say nothing yet.
UPDATES = 20


def frozen_layer(run: Run, course: Course) -> Iterator[Finding]:
    """No gradient has ever reached a layer that is to be trained, because the way back to it is cut."""
    if course.updates < UPDATES:
        return
    never, idle = _without_gradient(run)
    kernels = kernels_of(run)
    following = dict(itertools.pairwise(kernels))
    frozen = []
    for group, members in groups_of(run).items():
        own = [i for i in members if i in following or i in kernels[-1:]]
        if not own or not idle[members].all():
            continue
        after = following.get(own[-1])
        # a layer whose outputs are 0 gives the next one no gradient either: that is dead, not frozen
        if never[members].any() or (after is not None and not idle[after]):
            frozen.append((group, own[0]))
    if idle.all():
        return
    if not frozen:
        return
    group, kernel = frozen[-1]
    severity: Severity = "info"
    if (course.loss.poor and not course.early) or not course.loss.known:
        severity = "warning" if course.loss.learned or not course.loss.known else "critical"
    others = f" and {len(frozen) - 1} more before it" if len(frozen) > 1 else ""
    is_none = bool(never[kernel])
    yield Finding(
        rule="frozen-layer",
        severity=severity,
        layer=run.layers[kernel],
        first_step=int(run.steps[0]),
        last_step=int(run.steps[-1]),
        message=(
            f"{group}{others} is trainable, but no gradient {'exists for' if is_none else 'has ever reached'} it in "
            f"{course.updates} updates: it stays as it was initialized, and {course.loss.described()}."
        ),
        evidence={
            "layers": float(len(frozen)),
            "updates": float(course.updates),
            **course.loss.ends(),
        },
        suggestion=(
            f"Find what cuts the way back between the loss and {group}: stop_gradient, a cast to integers, argmax, "
            "round or sign, a branch that is multiplied by 0, or outputs that the loss does not use. If the layer is "
            "to stay as it is, say so: layer.trainable = False."
        ),
        reference=references.AUTODIFF,
    )


def _without_gradient(run: Run) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns (L,) twice: which variables have no gradient in any record, and which have none or one that is 0."""
    never, idle = np.ones((2, len(run.layers)), np.bool_)
    for part in run.parts(RECORDS_AT_ONCE):
        for name in ("gradient_norm", "gradient_norm_peak"):
            values = part.stat(name)
            known = recorded(values)
            never &= ~known.any(axis=0)
            idle &= ~(known & (values != 0)).any(axis=0)
    return never, idle
