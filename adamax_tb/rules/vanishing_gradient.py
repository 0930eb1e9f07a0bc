"""`vanishing-gradient`: the gradient gets lost on its way back through the layers, on the way forward, or over time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding, Severity
from adamax_tb.rules.gradients import bias_of, kernels_of, mostly_dead, per_entry, whole_norm
from adamax_tb.schema import Run

#: A layer whose gradient is below this part of the strongest layer's has a vanished gradient; the larger part holds
#: where the loss does not fall.
VANISHED = 1e-3
VANISHED_AND_FAILING = 3e-3
#: An output kernel whose gradient is below this part of its bias's gets inputs that are as good as 0.
SILENT = 0.04
#: A gradient that fell below this part of its first, while the loss did not fall, has vanished over time.
COLLAPSED = 0.02
#: A loss of which this part is left did not fall to speak of.
HIGH = 0.7
#: A layer with this part of its units dead gets no gradient for that reason.
DEAD = 0.5
#: Fewer updates say nothing yet, and of the loss so many.
UPDATES = 20
UPDATES_OF_LOSS = 50


def vanishing_gradient(run: Run, course: Course) -> Iterator[Finding]:
    """The gradient of early layers is a tiny part of the later layers', or of what it was, and the loss stands.

    AdaMax and Adam hide this: their update stays near the learning rate however small the gradient is.
    """
    kernels = kernels_of(run)
    if not kernels or course.updates < UPDATES:
        return
    if not (course.loss.failing or course.loss.flat or not course.loss.known):
        return
    entries = per_entry(run, kernels)
    for way in (_back, _forward, _over_time):
        finding = way(run, course, kernels, entries)
        if finding is not None:
            yield finding
            return


def _back(
    run: Run, course: Course, kernels: list[int], entries: NDArray[np.float64]
) -> Finding | None:
    """Judges how the gradient changes from the strongest layer back to the first."""
    if len(kernels) < 2:
        return None
    deepest = np.argmax(np.where(np.isfinite(entries), entries, 0), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = entries / np.take_along_axis(entries, deepest[:, None], axis=1)
    # a whole layer at exactly 0 beside dead units is their doing
    dead = mostly_dead(run, DEAD)[:, kernels] | (entries == 0)
    earlier = np.arange(len(kernels))[None, :] < deepest[:, None]
    limit = (
        VANISHED_AND_FAILING
        if course.loss.failing and course.updates >= UPDATES_OF_LOSS
        else VANISHED
    )
    vanished = earlier & (part < limit) & ~dead
    held = vanished.mean(axis=0) >= (0.5 if course.loss.failing else 0.9)
    if not held.any():
        return None
    layer = int(np.argmax(held))
    (at,) = np.nonzero(vanished[:, layer])
    usual = float(np.median(part[at, layer]))
    strong = kernels[int(np.median(deepest[at]))]
    name = run.layers[kernels[layer]]
    got = "gets" if held.sum() == 1 else "get"
    stands = "" if course.loss.failing or not course.loss.known else ", where it stands still"
    return Finding(
        rule="vanishing-gradient",
        severity=_severity(course),
        layer=name,
        first_step=int(run.steps[at[0]]),
        last_step=int(run.steps[at[-1]]),
        message=(
            f"The gradient vanishes on its way back to {name}: there it is {usual:.2g} of what it is in "
            f"{run.layers[strong]}. {int(held.sum())} of {len(kernels)} kernels {got} less than {limit:g} of it, and "
            f"{course.loss.described()}{stands}."
        ),
        evidence={
            "gradient_norm": float(np.median(run.stat("gradient_norm")[at, kernels[layer]])),
            "gradient_norm_of_strongest": float(np.median(run.stat("gradient_norm")[at, strong])),
            "part_of_strongest": usual,
            "layers": float(held.sum()),
            **course.loss.ends(),
        },
        suggestion=(
            "Let the gradient through: relu or gelu with kernel_initializer='he_normal' in place of sigmoid or tanh, "
            "and a residual connection or LayerNormalization every few layers. A higher learning rate does not help."
        ),
        reference=references.VANISHING,
    )


def _forward(
    run: Run, course: Course, kernels: list[int], entries: NDArray[np.float64]
) -> Finding | None:
    """Judges the inputs of the last layer: its kernel's gradient is its bias's times them."""
    last = kernels[-1]
    bias = bias_of(run, last)
    if course.loss.learned or course.updates < UPDATES_OF_LOSS or bias is None or len(kernels) < 2:
        return None
    biases = run.stat("gradient_norm")[:, bias] / np.sqrt(float(np.prod(run.shapes[bias])))
    with np.errstate(divide="ignore", invalid="ignore"):
        inputs = entries[:, -1] / biases
    silent = (inputs < SILENT) & (inputs > 0)
    if silent.mean() < 0.8:
        return None
    usual = float(np.median(inputs[silent]))
    loud = np.nonzero(~silent)[0]
    since = min(int(loud[-1]) + 1, len(silent) - 1) if loud.size and not silent[0] else 0
    weights = (
        run.stat("weight_norm")[-1, kernels]
        if "weight_norm" in run.statistics
        else np.ones(len(kernels))
    )
    spread = weights / np.sqrt([float(np.prod(run.shapes[i][:-1])) for i in kernels])
    first = run.layers[
        kernels[int(np.nanargmin(spread))] if np.isfinite(spread).any() else kernels[0]
    ]
    return Finding(
        rule="vanishing-gradient",
        severity="critical" if course.loss.known else "warning",
        layer=first,
        first_step=int(run.steps[since]),
        last_step=int(run.steps[-1]),
        message=(
            f"The signal vanishes on its way forward: what reaches {run.layers[last]} is about {usual:.2g}, so only "
            f"its bias gets a gradient to speak of, and {course.loss.described()}."
        ),
        evidence={
            "input_of_last_layer": usual,
            "gradient_norm": float(np.median(run.stat("gradient_norm")[:, last])),
            "gradient_norm_of_bias": float(np.median(run.stat("gradient_norm")[:, bias])),
            **course.loss.ends(),
        },
        suggestion=(
            "Keep the signal's size: kernel_initializer='he_normal' with relu, 'glorot_uniform' with tanh, and inputs "
            "with unit variance (keras.layers.Normalization). A higher learning rate does not help."
        ),
        reference=references.FORWARD,
    )


def _over_time(
    run: Run, course: Course, kernels: list[int], entries: NDArray[np.float64]
) -> Finding | None:
    """Judges how the gradient of all kernels went while the loss did not fall: outputs or units are saturated.

    The last bias gets a gradient as long as the loss has one.
    """
    if not course.loss.remaining > HIGH or course.updates < UPDATES_OF_LOSS:
        return None
    whole = whole_norm(run, kernels)
    gone = (whole < COLLAPSED * whole[0]) & (whole > 0)
    few = max(1, min(5, len(whole) // 4))
    if not gone[-few:].all():
        return None
    since = len(gone) - (int(np.argmin(gone[::-1])) if not gone.all() else len(gone))
    part = float(np.median(whole[-few:]) / whole[0])
    name = run.layers[kernels[-1]]
    return Finding(
        rule="vanishing-gradient",
        severity="critical",
        layer=name,
        first_step=int(run.steps[since]),
        last_step=int(run.steps[-1]),
        message=(
            f"The gradient of all layers vanishes over time: since step {run.steps[since]} it is below {COLLAPSED:g} "
            f"of the first, now {part:.2g}, and {course.loss.described()}."
        ),
        evidence={
            "gradient_norm_first": float(whole[0]),
            "gradient_norm_last": float(np.median(whole[-few:])),
            "part_of_first": part,
            **course.loss.ends(),
        },
        suggestion=(
            f"Look at the activation after {name}: a sigmoid, tanh or softmax whose targets lie outside what it can "
            "give, or whose inputs have become large, has no gradient there. For a regression take "
            f"activation=None and scaled targets."
        ),
        reference=references.VANISHING,
    )


def _severity(course: Course) -> Severity:
    return "critical" if course.loss.known and not course.loss.learned else "warning"
