"""`epsilon-dominated`: epsilon, not the gradient's size, decides how large the steps are."""

import warnings
from collections.abc import Iterator

import numpy as np

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding
from adamax_tb.rules.gradients import kernels_of
from adamax_tb.rules.rate import rate_at, rate_evidence
from adamax_tb.rules.wording import rounded, sentence, spelled
from adamax_tb.schema import Run

#: Where the denominator is this many times its second moment, it is epsilon's.
DOMINATED = 3.0
#: What updates must promise of the loss together, else they are too small.
PROMISED = 1.0
#: Fewer updates say nothing yet.
UPDATES = 50

#: The mean second moment in units of the gradient, whichever the optimizer has.
SECOND_MOMENTS = ("u_mean", "v_mean", "accumulator_mean")


def epsilon_dominated(run: Run, course: Course) -> Iterator[Finding]:
    """Epsilon is larger than the second moment of most layers, and the steps are too small for it."""
    epsilon = run.hyperparameters.get("epsilon", 0.0)
    name = next((name for name in SECOND_MOMENTS if name in run.statistics), None)
    kernels = kernels_of(run)
    slow = course.loss.poor and course.expected < PROMISED
    if name is None or not kernels or not slow or course.updates < UPDATES:
        return
    values = run.stat(name)[len(run.steps) // 2 :, kernels].astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a layer without any there is no median
        moments = np.nanmedian(np.where(values > 0, values, np.nan), axis=0)
    usual = moments[np.isfinite(moments)]
    dominated = usual * DOMINATED < epsilon
    if not usual.size or dominated.mean() < 0.5:
        return
    layer = kernels[int(np.nanargmin(moments))]
    typical = float(np.median(usual))
    rate = rate_at(run, int(run.steps[-1]))
    says, needed = (
        "the learning rate",
        f"a learning rate {spelled(epsilon / typical)} times as large",
    )
    if np.isfinite(rate):
        says = f"learning_rate={rate:.2g}"
        needed = f"learning_rate={rounded(rate * epsilon / typical)}"
    symbol = name.split("_")[0]
    root = "u" if symbol == "u" else f"the root of {symbol}"
    yield Finding(
        rule="epsilon-dominated",
        severity="warning" if course.loss.learned else "critical",
        layer=run.layers[layer],
        first_step=int(run.steps[0]),
        last_step=int(run.steps[-1]),
        message=(
            f"epsilon={epsilon:g} is {spelled(epsilon / typical)} times {root}, so steps are that many times smaller "
            f"than {says} says, in {int(dominated.sum())} of {len(kernels)} kernels. "
            f"{sentence(course.loss.described())}."
        ),
        evidence={
            "epsilon": epsilon,
            "second_moment": typical,
            "layers": float(dominated.sum()),
            "promised": course.promised,
            **rate_evidence(rate),
            **course.loss.ends(),
        },
        suggestion=(
            f"Take an epsilon far below the gradient's size: {run.optimizer}(..., epsilon=1e-07), the default. With "
            f"this epsilon the optimizer is plain momentum, and would need {needed}."
        ),
        reference=references.ADAM,
    )
