"""`unscaled-inputs`: what goes into the network is far larger or smaller than its weights are made for.

The gradient of a kernel is that of its bias times what goes in: how large the inputs are shows in the first layer.
"""

from collections.abc import Iterator

import numpy as np

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding
from adamax_tb.rules.gradients import bias_of, kernels_of, per_entry
from adamax_tb.rules.wording import spelled
from adamax_tb.schema import Run

#: Inputs whose typical size lies beyond these are not scaled.
TOO_LARGE = 10.0
TOO_SMALL = 0.03
#: A bias that a normalization takes out again gets no gradient, and inputs seem to be this large.
UNBELIEVABLE = 1e5
#: Of inputs that are mostly 0, a batch's mean is small and says nothing.
SPARSE = 0.5
#: Fewer updates say nothing of the loss yet.
UPDATES = 50
#: So many first records show how large the inputs are, before the units of the first layer specialise or die.
RECORDS = 10


def unscaled_inputs(run: Run, course: Course) -> Iterator[Finding]:
    """An untrained network that does not learn gets inputs of another size than 1."""
    kernels = kernels_of(run)
    if not course.fresh or course.updates < UPDATES or not kernels or run.head is None:
        return  # of a network that another one works against, the bias's gradients cancel
    if not course.loss.poor and not course.failing:
        return
    first = kernels[0]
    bias = bias_of(run, first)
    if bias is None or "embedding" in run.layers[first].lower():
        return
    entries = per_entry(run, [first, bias])[:RECORDS]
    entries = entries[(entries > 0).all(axis=1) & np.isfinite(entries).all(axis=1)]
    if not len(entries):
        return
    zeros = run.stat("gradient_zeros")[:RECORDS, first] if "gradient_zeros" in run.statistics else 0
    sparse = bool(np.mean(zeros) > SPARSE)
    size = float(np.median(entries[:, 0] / entries[:, 1]))
    if not TOO_LARGE < size < UNBELIEVABLE and not (
        size < TOO_SMALL and course.failing and not sparse
    ):
        return
    yield Finding(
        rule="unscaled-inputs",
        severity="warning" if course.loss.learned else "critical",
        layer=run.layers[first],
        first_step=int(run.steps[0]),
        last_step=int(run.steps[-1]),
        message=(
            f"The inputs of {run.layers[first]} are of size {spelled(size)}, and weights and rates are made for 1."
        ),
        evidence={
            "input_size": size,
            **course.loss.ends(),
        },
        suggestion=(
            "Scale each input to mean 0 and variance 1: a keras.layers.Normalization as the first layer, adapted to "
            "the training data; for pixels keras.layers.Rescaling(1 / 255)."
        ),
        reference=references.SCALING,
    )
