"""`untouched-rows`: most rows of an embedding never get a gradient, and the network does not learn."""

from collections.abc import Iterator

import numpy as np

from adamax_tb.rules import references
from adamax_tb.rules.course import Course
from adamax_tb.rules.finding import Finding
from adamax_tb.schema import Run, layer_group

#: An embedding this part of whose entries never had a gradient is looked up in few of its rows.
UNTOUCHED = 0.8
#: While something is learned, only so few rows are worth a word: a vocabulary may be larger than the data.
FEW = 50
#: Rows that are looked up for the first time late make the touched ones so many times more in the second half.
STILL_TOUCHED = 1.05
#: Fewer updates say nothing yet.
UPDATES = 80


def untouched_rows(run: Run, course: Course) -> Iterator[Finding]:
    """Hardly any row of an embedding is ever looked up, so the inputs are not what they should be."""
    if not course.loss.poor or course.updates < UPDATES:
        return
    for layer, (name, shape) in enumerate(zip(run.layers, run.shapes, strict=True)):
        if len(shape) != 2 or "embedding" not in name.lower():
            continue
        untouched = _untouched(run, layer)
        touched = round((1 - untouched) * shape[0])
        if untouched < UNTOUCHED or touched < 1 or (course.loss.learned and touched > FEW):
            continue
        yield Finding(
            rule="untouched-rows",
            severity="warning" if course.loss.learned else "critical",
            layer=name,
            first_step=int(run.steps[0]),
            last_step=int(run.steps[-1]),
            message=(
                f"{shape[0] - touched} of {shape[0]} rows of {layer_group(name)} never got a gradient in "
                f"{course.updates} updates: only {touched} are ever looked up, and {course.loss.described()}."
            ),
            evidence={
                "rows": float(shape[0]),
                "touched_rows": float(touched),
                "updates": float(course.updates),
                **course.loss.ends(),
            },
            suggestion=(
                f"Look at the integers that go into {layer_group(name)}: np.unique(x).size should be near "
                f"{shape[0]}, and is about {touched}. A cast, a clip, a modulo or a vocabulary that was never adapted "
                "(every word is out of it) makes them all the same."
            ),
            reference=references.EMBEDDING,
        )


def _untouched(run: Run, layer: int) -> float:
    """Returns the part of the entries that had no gradient until the end; 0 if it is still becoming less."""
    for name in ("u_zeros", "v_zeros"):
        if name in run.statistics:
            zeros = np.nan_to_num(run.stat(name)[:, layer])
            early, end = 1 - zeros[len(zeros) // 2], 1 - zeros[-1]
            return float(zeros[-1]) if end <= STILL_TOUCHED * early else 0.0
    if "gradient_zeros" not in run.statistics:
        return 0.0
    # of one update only: rows that another one looks up show in how the part changes
    seen = run.stat("gradient_zeros")[:, layer]
    seen = seen[np.isfinite(seen)]
    if not seen.size or np.ptp(seen) > 0.25 * (1 - seen.min()):
        return 0.0
    return float(seen.min())
