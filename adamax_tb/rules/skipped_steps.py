"""`skipped-steps`: loss scaling goes on throwing batches away."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding
from adamax_tb.schema import Run

#: Loss scaling that throws away more than this part of the batches, over twice `SCALED` of them, does not settle.
SKIPPED = 0.1
SCALED = 100
#: What settling may take: one batch each time the scale is halved, from 2**15 to 2**-15 at most.
SETTLING = 30


def skipped_steps(run: Run, course: Course) -> Iterator[Finding]:
    """Loss scaling goes on throwing batches away.

    A few at the beginning are how it finds its scale, and one at a time how it tries a larger one.
    """
    thrown, batches = _thrown_batches(run)
    scale = run.step_stat("loss_scale").astype(np.float64)
    stretches = [
        _lasting_skips(thrown, batches),
        _falling_scale(thrown, scale),
        _long_search(thrown, batches),
    ]
    found = [stretch for stretch in stretches if stretch is not None]
    if not found:
        return
    first, last = min(start for start, _ in found), max(end for _, end in found)
    count, of = float(thrown[first : last + 1].sum()), float(batches[first : last + 1].sum())
    from_scale, to_scale = float(scale[max(first - 1, 0)]), float(scale[last])
    overflows = to_scale < 1
    scales = ""
    if not np.isnan(from_scale + to_scale):
        scales = f", with a scale that went from {_power(from_scale)} to {_power(to_scale)}"
    when = (
        f"from step {run.steps[first]} to {run.steps[last]}" if last else "before the first update"
    )
    failed = course.loss.known and not course.loss.learned
    yield Finding(
        rule="skipped-steps",
        severity="critical" if overflows or failed else "warning",
        layer=None,
        first_step=int(run.steps[first]),
        last_step=int(run.steps[last]),
        message=(
            f"Loss scaling throws away {count:.0f} of {of:.0f} batches ({_percent(count / of)} %) {when}"
            f"{scales}, and {course.loss.described()}."
        ),
        evidence={
            "skipped_steps": count,
            "batches": of,
            "part": count / of,
            "loss_scale_first": from_scale,
            "loss_scale_last": to_scale,
            **course.loss.ends(),
        },
        suggestion=_remedy(overflows, searched=last == 0),
        reference=references.LOSS_SCALING,
    )


def _remedy(overflows: bool, searched: bool) -> str:
    if overflows:
        return (
            "Find the operation that overflows and give its layer dtype='float32': even with a scale below 1 these "
            "batches hold NaN or numbers beyond 65504, float16's largest. An exp, a norm, a sum over many entries and "
            "a log of 0 are the usual ones."
        )
    if searched:
        return (
            "Begin with a smaller scale, every batch halves it once: "
            "keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**15), the default."
        )
    return (
        "Train in bfloat16: keras.config.set_dtype_policy('mixed_bfloat16'). It has the range of float32, so gradients "
        "do not overflow and need no loss scaling."
    )


def _percent(part: float) -> str:
    return f"{100 * part:.0f}" if part >= 0.1 else f"{100 * part:.2g}"


def _power(scale: float) -> str:
    return f"{scale:.6g}" if scale >= 1 else f"{scale:.2g}"


def _thrown_batches(run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns (T,) twice, the batches thrown away and all batches since the previous record; 0 where not known."""
    skipped = run.step_stat("skipped_steps").astype(np.float64)
    known = np.isfinite(skipped)
    # the scale finds its size, and where the training began is not known
    known[0] = bool(run.steps[0] == 1 and skipped[0] > 2 * SETTLING)
    thrown = np.where(known, skipped, 0.0)
    per_update = max(1.0, run.hyperparameters.get("gradient_accumulation_steps", 1.0))
    updates = np.append(1, np.diff(run.steps))
    return thrown, np.where(known, per_update * updates + thrown, 0.0)


def _lasting_skips(
    thrown: NDArray[np.float64], batches: NDArray[np.float64]
) -> tuple[int, int] | None:
    """Returns the first and last record of the stretch with most batches thrown away, of more than `SKIPPED` of all."""
    began = np.cumsum(batches) - batches
    _, bins = np.unique(began // SCALED, return_inverse=True)
    sick = np.bincount(bins, thrown) > SKIPPED * np.bincount(bins, batches)
    stretches = []
    edges = np.nonzero(np.diff(sick, prepend=False, append=False))[0].reshape(-1, 2)
    for start, stop in edges.tolist():
        (at,) = np.nonzero((bins >= start) & (bins < stop) & (thrown > 0))
        if stop - start >= 2 and thrown[at].sum() > SETTLING:
            stretches.append((float(thrown[at].sum()), (int(at[0]), int(at[-1]))))
    return max(stretches)[1] if stretches else None


def _falling_scale(
    thrown: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[int, int] | None:
    """Returns the records from the first scale below 1 on, if it is halved half of `SETTLING` times more from there.

    However rare they are, batches that overflow at any scale bring it down until gradients are 0.
    """
    (low,) = np.nonzero(scale < 1)
    falls = low[thrown[low] > 0]
    if not falls.size or scale[falls[-1]] > scale[low[0]] * 0.5 ** (SETTLING / 2):
        return None
    return int(low[0]), int(falls[-1])


def _long_search(
    thrown: NDArray[np.float64], batches: NDArray[np.float64]
) -> tuple[int, int] | None:
    """Returns the first record, if the scale began so large that finding its size took more than `SKIPPED` of all."""
    return (0, 0) if thrown[0] > SKIPPED * batches.sum() else None
