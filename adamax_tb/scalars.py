"""What TensorBoard's own tabs are told of a run: a few numbers per record, and the findings as text.

Computes them from what was recorded and found. Knows no framework; writes no file.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamax_tb import schema
from adamax_tb.names import printable
from adamax_tb.rules import Finding, verdict

#: The verdict as a number; "info" is no complaint.
LEVELS: dict[str, float] = {"healthy": 0.0, "info": 0.0, "warning": 1.0, "critical": 2.0}
#: What Markdown or HTML would take for its own within a line; an underscore within a word they would not.
_SPECIAL = re.compile(r"[\\`*\[\]<>&]|(?<![^\W_])_|_(?![^\W_])")


def record_scalars(
    stats: Mapping[str, NDArray[np.float32]],
    step_stats: Mapping[str, NDArray[Any]],
    sizes: Sequence[int],
) -> dict[str, NDArray[np.float32]]:
    """Returns tag → (R,), those of `schema.SCALARS` that records have, but for the verdict.

    With g, d and w the gradient, update and weights of a variable: the gradient norm is the root of sum |g|^2 over all
    variables that have a gradient, before clipping; the update ratio is the root of sum |d|^2 over that of sum |w|^2,
    over those whose update is known, and 0 where they did not move. NaN and infinity stay what they are. A number that
    no record has is left out; one that only some have is NaN in the others.

    Args:
        stats: statistic → (R, L), of `schema.STATS`; an entry may be `NOT_RECORDED`.
        step_stats: step statistic → (R,), of `schema.STEP_STATS`; an entry may be `NOT_RECORDED`.
        sizes: L numbers of entries of each variable.
    """
    gradient = stats["gradient_norm"]
    there = schema.recorded(gradient)
    values = {"gradient_norm": _float32(_whole(gradient, there), there)}
    if "update_rms" in stats:
        rms = stats["update_rms"]
        there = schema.recorded(rms)
        update = _whole(rms * np.sqrt(np.asarray(sizes, np.float64)), there)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = update / _whole(stats["weight_norm"], there)
        ratio[update == 0] = 0.0  # also of weights that are all 0
        values["update_ratio"] = _float32(ratio, there)
    for name in ("learning_rate", "loss"):
        values[name] = _float32(step_stats[name])
    return {
        schema.scalar_tag(name): numbers
        for name, numbers in values.items()
        if schema.recorded(numbers).any()
    }


def level(findings: Sequence[Finding]) -> float:
    """Returns the worst severity of `findings` and all that followed: 0 healthy, 1 warning, 2 critical."""
    return LEVELS[verdict([finding for finding, _ in _flat(findings)])]


def record_levels(
    steps: NDArray[np.int64], before: float, findings: Sequence[Finding]
) -> NDArray[np.float64]:
    """Returns (R,), the level at each of the records since the last judgement.

    A worse one holds from the record where the first finding of that severity begins, a better one at the last record.

    Args:
        steps: (R,), of the records, at least one.
        before: the level as it was judged last.
        findings: as they are judged now.
    """
    now, since = level(findings), steps[-1]
    if now > before:
        found = (f.first_step for f, _ in _flat(findings) if LEVELS[f.severity] == now)
        since = min(since, min(found))
    return np.where(steps >= since, now, before)


def findings_text(findings: Sequence[Finding], step: int, ended: bool) -> str:
    """Returns the verdict and the findings in TensorBoard's Markdown; no name or sentence can format anything in it.

    Args:
        findings: causes, with what followed from them.
        step: the last update that was looked at.
        ended: whether the training has ended.
    """
    worst = verdict([finding for finding, _ in _flat(findings)])
    when = "training ended" if ended else "in training"
    # Python-Markdown begins a list only after an empty line
    paragraphs = [f"**{worst}** at step {step:,}, {when}."]
    for finding in findings:
        paragraphs.append(_words(finding))
        consequences = [*_flat(finding.consequences)]
        if consequences:
            paragraphs.append("What followed from it:")
            paragraphs.append(
                "\n".join(f"{'    ' * depth}- {_words(f)}" for f, depth in consequences)
            )
        if finding.suggestion:
            paragraphs.append(f"What to do: {_escaped(finding.suggestion)}")
    if not findings:
        paragraphs[0] += " Nothing was found."
    return "\n\n".join(paragraphs)


def _whole(norms: NDArray[Any], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns (R,), the norm of the layers that are `there` together, of the (R, L) norms of each."""
    squares = np.square(np.where(there, norms, 0).astype(np.float64))
    return np.asarray(np.sqrt(squares.sum(axis=1)), np.float64)


def _float32(values: NDArray[Any], there: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Returns (R,) values in float32, `NOT_RECORDED` where none of the (R, L) entries of a record is `there`."""
    with np.errstate(over="ignore"):  # beyond float32 is infinity
        numbers = np.array(values, np.float32)
    if there is not None:
        numbers[~np.any(there, axis=1)] = schema.NOT_RECORDED
    return numbers


def _flat(findings: Sequence[Finding], depth: int = 0) -> Iterator[tuple[Finding, int]]:
    """Yields each finding, followed by what followed from it, with how many causes it has."""
    for finding in findings:
        yield finding, depth
        yield from _flat(finding.consequences, depth + 1)


def _words(finding: Finding) -> str:
    steps = f"step {finding.first_step:,}"
    if finding.last_step > finding.first_step:
        steps = f"steps {finding.first_step:,} to {finding.last_step:,}"
    where = _escaped(finding.layer or "the whole run")
    return (
        f"**{finding.rule}** ({finding.severity}) in {where}, {steps}. {_escaped(finding.message)}"
    )


def _escaped(text: str) -> str:
    """Returns `text` so that it is shown as it is: special characters as numbers, which Markdown hands on to HTML."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", printable(text))
