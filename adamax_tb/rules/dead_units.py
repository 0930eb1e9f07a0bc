"""`dead-units`: units that no input gives a gradient any more."""

from collections.abc import Iterator

import numpy as np

from adamax_tb.rules.course import LossCourse
from adamax_tb.rules.finding import Finding, Severity
from adamax_tb.rules.gradients import dead_fractions
from adamax_tb.schema import Run, layer_group

#: A layer with this part of its units dead is worth a word.
DEAD_UNITS = 0.5


def dead_units(run: Run, course: LossCourse) -> Iterator[Finding]:
    """Units of a layer have stopped getting any gradient: they give the same output whatever goes in."""
    if "dead_units" not in run.statistics:
        return
    fractions = dead_fractions(run)
    groups: dict[str, list[int]] = {}
    for i, layer in enumerate(run.layers):
        groups.setdefault(layer_group(layer), []).append(i)
    # a layer without input has a dead kernel but a live bias: all of a layer's variables must agree
    found = []
    for members in groups.values():
        kernel = next((i for i in members if len(run.shapes[i]) >= 2), None)
        if kernel is None:
            continue
        dead = fractions[:, members].min(axis=1) >= DEAD_UNITS
        since = len(dead) - (int(np.argmin(dead[::-1])) if not dead.all() else len(dead))
        if since < len(dead) - 1 and run.steps[-1] - run.steps[since] >= 20:
            found.append((kernel, since))
    whole = [kernel for kernel, _ in found if fractions[-1, kernel] >= 0.99]
    for kernel, since in found:
        fraction = float(fractions[-1, kernel])
        if kernel in whole[:-1]:
            continue  # what lies before a layer that is dead as a whole gets no gradient either
        if course.learned:
            severity: Severity = "info"
        else:
            severity = "critical" if fraction >= 0.9 and course.known else "warning"
        units = run.shapes[kernel][-1]
        yield Finding(
            rule="dead-units",
            severity=severity,
            layer=run.layers[kernel],
            first_step=int(run.steps[since]),
            last_step=int(run.steps[-1]),
            message=(
                f"{round(fraction * units)} of {units} units of {layer_group(run.layers[kernel])} are dead: no input "
                f"gives them a gradient since step {run.steps[since]}, and {course.described()}."
            ),
            evidence={
                "dead_units": fraction,
                "units": float(units),
                "gradient_norm": float(run.stat("gradient_norm")[-1, kernel]),
                "loss_first": course.first,
                "loss_last": course.last,
            },
            suggestion=(
                "Use leaky_relu or gelu, whose gradient is nowhere 0, or keep units from dying: biases that start "
                "at 0, inputs scaled to zero mean and unit variance, and a lower learning rate."
            ),
        )
