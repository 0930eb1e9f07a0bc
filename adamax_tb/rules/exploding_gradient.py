"""`exploding-gradient`: the gradient grew to many times its own earlier size."""

from collections.abc import Iterator

import numpy as np

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding, Severity
from adamax_tb.rules.gradients import EXPLODED, growth_of, kernels_of, usual_norm, usual_so_far
from adamax_tb.rules.rate import lower_rate, rate_at, rate_evidence
from adamax_tb.rules.wording import spelled
from adamax_tb.schema import Run


def exploding_gradient(run: Run, course: Course) -> Iterator[Finding]:
    """The gradient grew to many times its own earlier size, and the loss suffered."""
    if course.loss.known and not course.loss.suffered:
        return  # gradients may grow while learning goes on
    peaks, norms = run.stat("gradient_norm_peak"), run.stat("gradient_norm")
    growth, exploded = growth_of(norms, peaks)
    (at,) = np.nonzero(exploded.any(axis=1))
    if not at.size:
        return
    first = int(at[0])
    usual = usual_so_far(norms[: first + 1].astype(np.float64))[0][-1]
    tail = peaks[-min(5, len(peaks) - first) :]
    with np.errstate(invalid="ignore"):
        # an explosion stays, or it ends in units that are dead; a spike passes
        ended = (tail >= EXPLODED * usual) | (tail == 0) | ~np.isfinite(tail)
    if np.mean(ended.any(axis=1)) < 0.5:
        return
    candidates = [i for i in kernels_of(run) if exploded[first, i]] or list(range(len(run.layers)))
    layer = max(candidates, key=lambda i: growth[first, i])
    course_of_layer = growth[:, layer]
    largest = float(course_of_layer.max())
    later = f", later up to {spelled(largest)} times"
    if not np.isfinite(growth[first, layer]):
        later = ""
    elif not np.isfinite(largest):
        later = ", later beyond the range of float32"
    elif spelled(largest) == spelled(growth[first, layer]):
        later = ""
    severity: Severity = "critical" if course.loss.known else "warning"
    clip = usual_norm(run, first)
    step = int(run.steps[first])
    yield Finding(
        rule="exploding-gradient",
        severity=severity,
        layer=run.layers[layer],
        first_step=step,
        last_step=int(run.steps[-1]),
        message=(
            f"The gradient of {run.layers[layer]} explodes: at step {step} it is "
            f"{spelled(growth[first, layer])} times its usual size{later}, and {course.loss.described()}."
        ),
        evidence={
            "gradient_norm_peak": float(peaks[first, layer]),
            "usual_gradient_norm": float(usual[layer]),
            "growth": float(growth[first, layer]),
            "largest_growth": largest,
            **rate_evidence(rate_at(run, step)),
            **course.loss.ends(),
        },
        suggestion=(
            f"Lower the learning rate: {lower_rate(run, step, 10)}. If single batches cause it, clip at the usual "
            f"size as well: {run.optimizer}(..., global_clipnorm={clip:.2g})."
        ),
        reference=references.EXPLODING,
    )
