"""The story of a run: which findings are first causes, and what follows from them."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from adamax_tb.rules.finding import SEVERITIES, Finding

#: Rule → what brings it about, where that came before. Of one rule, the first layer brings about the others.
CAUSES: Mapping[str, Sequence[str]] = {
    "skipped-steps": (),
    "frozen-layer": (),
    "untouched-rows": (),
    "spike-stall": ("exploding-gradient",),
    "exploding-gradient": ("spike-stall",),
    "learning-rate-too-high": ("exploding-gradient",),
    "nonfinite": ("exploding-gradient", "learning-rate-too-high"),
    "dead-units": (
        "exploding-gradient",
        "learning-rate-too-high",
        "untouched-rows",
        "frozen-layer",
        "nonfinite",
    ),
    "vanishing-gradient": (
        "dead-units",
        "exploding-gradient",
        "learning-rate-too-high",
        "untouched-rows",
        "frozen-layer",
        "skipped-steps",
        "nonfinite",
    ),
    "epsilon-dominated": ("vanishing-gradient", "dead-units"),
    "learning-rate-too-low": (
        "skipped-steps",
        "epsilon-dominated",
        "spike-stall",
        "dead-units",
        "vanishing-gradient",
        "untouched-rows",
        "frozen-layer",
        "nonfinite",
    ),
    "not-learning": (),
}
#: These are judged by the whole run: when they began says nothing of what came first.
OF_THE_WHOLE_RUN = ("learning-rate-too-high", "learning-rate-too-low")


def told(findings: Iterable[Finding]) -> list[Finding]:
    """Returns the first causes among `findings`, each with its consequences, the most severe first.

    A cause is as severe as the worst that follows from it.
    """
    order = list(CAUSES)
    found = sorted(findings, key=lambda f: (f.first_step, order.index(f.rule)))
    followers: list[list[Finding]] = [[] for _ in found]
    roots: list[int] = []
    causes = [_cause(i, found) for i in range(len(found))]
    for i, finding in enumerate(found):
        root = i
        while (cause := causes[root]) is not None:
            root = cause
        if root == i or not _may_follow(finding, i, root):
            roots.append(i)
        else:
            followers[root].append(finding)
    first = [_with(found[i], followers[i]) for i in roots]
    return sorted(first, key=lambda f: (SEVERITIES.index(f.severity), f.first_step))


def _cause(index: int, found: Sequence[Finding]) -> int | None:
    """Returns which of `found`, earliest first, brought about the one at `index`; None if nothing did."""
    finding = found[index]
    for i, other in enumerate(found):
        if other.rule == "nonfinite" and other.layer is None:
            continue  # a loss that is NaN while the gradients are finite trains on
        if other.rule == finding.rule and i < index:
            return i
        if other.rule in CAUSES[finding.rule] and _may_follow(finding, index, i):
            return i
    return None


def _may_follow(finding: Finding, index: int, cause: int) -> bool:
    """Tells whether `finding`, at `index`, may come of what stands at `cause`, in the order of their first steps."""
    return cause < index or finding.rule in OF_THE_WHOLE_RUN


def _with(cause: Finding, consequences: Sequence[Finding]) -> Finding:
    worst = min([cause, *consequences], key=lambda f: SEVERITIES.index(f.severity)).severity
    return dataclasses.replace(cause, severity=worst, consequences=tuple(consequences))
