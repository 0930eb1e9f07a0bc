"""`bad-initialization`: weights begin far too large or too small, or all units of a layer begin the same.

A layer multiplies the size of what goes in by about its gain, the norm of its kernel over the root of its outputs: 1 to
1.4 with Keras's initializers.
"""

from collections.abc import Iterator

import numpy as np

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding, Severity
from adamax_tb.rules.gradients import groups_of, kernels_of
from adamax_tb.rules.wording import spelled
from adamax_tb.schema import Run

#: A gain above or below these is none that any initializer means.
TOO_LARGE = 8.0
TOO_SMALL = 0.1
#: Fewer updates say nothing of the loss yet.
UPDATES = 50
#: Of so many first records most must show units that are all the same, in a layer of at least so many.
RECORDS = 10
MOST = 0.8
UNITS = 4
#: A first update this large, as a part of the weights, hides what they were before.
HIDDEN = 0.3


def bad_initialization(run: Run, course: Course) -> Iterator[Finding]:
    """An untrained network that does not learn began with weights far too large, far too small, or all the same."""
    if not course.fresh or course.updates < UPDATES:
        return
    if course.failing and {"weight_norm", "update_ratio"} <= set(run.statistics):
        yield from _gain(run, course)
    if course.loss.poor and {"gradient_max", "clipped_gradient_norm"} <= set(run.statistics):
        yield from _alike(run, course)


def _gain(run: Run, course: Course) -> Iterator[Finding]:
    weights, moved = run.stat("weight_norm")[0], run.stat("update_ratio")[0]
    gains = {
        i: float(weights[i]) / float(np.sqrt(run.shapes[i][-1]))
        for i in kernels_of(run)
        if weights[i] > 0
        and moved[i] < HIDDEN
        and not any(word in run.layers[i].lower() for word in ("embedding", "depthwise"))
    }
    if not gains:
        return
    worst = max(gains, key=lambda i: abs(np.log(gains[i])))
    gain = gains[worst]
    large = gain > TOO_LARGE
    if not large and not gain < TOO_SMALL:
        return
    size = "large" if large else "small"
    yield _finding(
        run,
        course,
        worst,
        f"The weights of {run.layers[worst]} begin {spelled(gain if large else 1 / gain)} times too {size}: what goes "
        f"through becomes that many times {size}r",
        {"gain": gain, "weight_norm": float(weights[worst])},
        "Take kernel_initializer='he_normal' with relu and 'glorot_uniform', the default, else: they keep the size of "
        "what goes through a layer.",
    )


def _alike(run: Run, course: Course) -> Iterator[Finding]:
    """Judges hidden biases: units that are all the same get the same gradient, whose norm is the root of n times it."""
    norms, largest = (
        run.stat(name)[:RECORDS] for name in ("clipped_gradient_norm", "gradient_max")
    )
    hidden = list(groups_of(run).values())[:-1]
    for members in hidden:
        biases = [i for i in members if len(run.shapes[i]) == 1 and run.layers[i].endswith("/bias")]
        kernels = [i for i in members if len(run.shapes[i]) >= 2]
        if len(biases) != 1 or len(kernels) != 1 or run.shapes[biases[0]][0] < UNITS:
            continue
        units = run.shapes[biases[0]][0]
        norm, entry = norms[:, biases[0]].astype(np.float64), largest[:, biases[0]]
        known = norm > 0
        same = known & (norm >= 0.9999 * np.sqrt(units) * entry)
        if known.sum() < 2 or same.sum() < MOST * known.sum():
            continue
        yield _finding(
            run,
            course,
            kernels[0],
            f"All {units} units of {run.layers[kernels[0]].rsplit('/', 1)[0]} begin the same, and get the same "
            "gradient: they stay copies of a single one",
            {"units": float(units)},
            "Let the units differ from the beginning: kernel_initializer='glorot_uniform', the default, in place of a "
            "constant.",
        )
        return


def _finding(
    run: Run, course: Course, layer: int, what: str, evidence: dict[str, float], remedy: str
) -> Finding:
    severity: Severity = "warning" if course.loss.learned else "critical"
    return Finding(
        rule="bad-initialization",
        severity=severity,
        layer=run.layers[layer],
        first_step=int(run.steps[0]),
        last_step=int(run.steps[-1]),
        message=f"{what}, and {course.loss.described()}.",
        evidence={**evidence, "loss_first": course.loss.first, "loss_last": course.loss.last},
        suggestion=remedy,
        reference=references.FORWARD,
    )
