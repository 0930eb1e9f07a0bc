"""`bad-initialization`: weights begin far too large or too small, or all units of a layer begin the same.

What is usual are Keras's initializers, Glorot's and He's: a standard deviation of sqrt(2 / (fan_in + fan_out)) and of
sqrt(2 / fan_in).
"""

from collections.abc import Iterator

import numpy as np

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding, Severity
from adamax_tb.rules.gradients import groups_of, kernels_of
from adamax_tb.rules.wording import spelled
from adamax_tb.schema import Run

#: Weights this many times the larger of the two, or this part of the smaller, are what no initializer means.
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
        yield from _size(run, course)
    if course.loss.poor and {"gradient_max", "clipped_gradient_norm"} <= set(run.statistics):
        yield from _alike(run, course)


def _size(run: Run, course: Course) -> Iterator[Finding]:
    weights, moved = run.stat("weight_norm")[0], run.stat("update_ratio")[0]
    sizes = {
        i: times_usual(run.layers[i], run.shapes[i], float(weights[i]))
        for i in kernels_of(run)
        if run.layers[i].endswith(("/kernel", "/recurrent_kernel"))
        and np.isfinite(weights[i])
        and weights[i] > 0
        and moved[i] < HIDDEN
    }
    if not sizes:
        return
    worst = max(sizes, key=lambda i: abs(np.log(sizes[i])))
    times = sizes[worst]
    if TOO_SMALL <= times <= TOO_LARGE:
        return
    size, larger = ("large", "larger") if times > 1 else ("small", "smaller")
    yield _finding(
        run,
        course,
        worst,
        f"The weights of {run.layers[worst]} begin {spelled(max(times, 1 / times))} times too {size}: what goes "
        f"through becomes that many times {larger}",
        {"times_usual": times, "weight_norm": float(weights[worst])},
        "Take kernel_initializer='he_normal' with relu, else 'glorot_uniform', the default: they keep the size of what "
        "goes through a layer.",
    )


def times_usual(name: str, shape: tuple[int, ...], norm: float) -> float:
    """Returns how many times the usual size a kernel of this norm has: 1 from Glorot's to He's."""
    field = float(np.prod(shape[:-2]))
    fan_in, fan_out = field * shape[-2], field * shape[-1]
    if "transpose" in name:
        fan_in, fan_out = fan_out, fan_in
    usual = sorted([np.sqrt(2 / (fan_in + fan_out)), np.sqrt(2 / fan_in)])
    deviation = norm / np.sqrt(np.prod(shape))
    return float(deviation / np.clip(deviation, *usual))


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
        message=f"{what}.",
        evidence={**evidence, **course.loss.ends()},
        suggestion=remedy,
        reference=references.FORWARD,
    )
