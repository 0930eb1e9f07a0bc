"""The story of a run: which findings are first causes, and what follows from them."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from adamax_tb.rules.finding import SEVERITIES, Finding

#: Findings by their numbers, as `numbered` gives them.
Numbered = Sequence[tuple[str, Finding]]

#: Rule → what brings it about, where that came before. Of one rule, the first layer brings about the others.
CAUSES: Mapping[str, Sequence[str]] = {
    "replicas-disagree": (),
    "wrong-loss": (),
    "bad-initialization": (),
    "unscaled-inputs": (),
    "skipped-steps": (),
    "frozen-layer": (),
    "untouched-rows": (),
    "spike-stall": ("exploding-gradient", "learning-rate-too-high"),
    "exploding-gradient": ("replicas-disagree", "spike-stall"),
    "learning-rate-too-high": ("replicas-disagree",),
    "nonfinite": ("exploding-gradient", "learning-rate-too-high"),
    "dead-units": (
        "skipped-steps",
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
    "learning-rate-too-low": (),
    "not-learning": (),
}
#: Rule → what explains it, whenever that began: it is judged by the whole run, and says no more than these do.
EXPLAINED: Mapping[str, Sequence[str]] = {
    "learning-rate-too-high": ("exploding-gradient",),
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
}

#: What a model was built with, and the symptoms that it shows itself by: a symptom tells of it, and how to repair it.
ORIGINS = ("wrong-loss", "bad-initialization", "unscaled-inputs")
SYMPTOMS = (
    "nonfinite",
    "exploding-gradient",
    "vanishing-gradient",
    "dead-units",
    "learning-rate-too-high",
    "learning-rate-too-low",
    "spike-stall",
)


def told(findings: Iterable[Finding]) -> list[Finding]:
    """Returns the first causes among `findings`, each with its consequences, the most severe first.

    A cause is as severe as the worst that follows from it. What others explain is left out. What a model was built with
    is told within its first symptom.
    """
    order = list(CAUSES)
    found = sorted(_unexplained(list(findings)), key=lambda f: (f.first_step, order.index(f.rule)))
    found = _with_origin(found)
    followers: list[list[Finding]] = [[] for _ in found]
    roots: list[int] = []
    for i, finding in enumerate(found):
        cause = _cause(i, found)
        roots.append(i if cause is None else roots[cause])
        if cause is not None:
            followers[roots[i]].append(finding)
    first = [_with(found[i], followers[i]) for i in dict.fromkeys(roots)]
    return sorted(first, key=lambda f: (SEVERITIES.index(f.severity), f.first_step))


def _unexplained(findings: Sequence[Finding]) -> list[Finding]:
    alarming = {f.rule for f in findings if f.severity != "info"}
    return [f for f in findings if not alarming & set(EXPLAINED.get(f.rule, ()))]


def _with_origin(found: list[Finding]) -> list[Finding]:
    """Returns `found`, the first of what the model was built with told by the first symptom, if there is one."""
    origins = [f for f in found if f.rule in ORIGINS]
    first = next((f for f in found if f.rule in SYMPTOMS and f.severity != "info"), None)
    if not origins:
        return found
    origin = min(origins, key=lambda f: SEVERITIES.index(f.severity))
    if first is None:
        return [f for f in found if f is origin or f not in origins]
    symptom = dataclasses.replace(
        first,
        message=f"{first.message} Why: {origin.message}",
        evidence={**origin.evidence, **first.evidence},
        suggestion=origin.suggestion,
        reference=origin.reference,
    )
    return [symptom if f is first else f for f in found if f not in origins]


def _cause(index: int, found: Sequence[Finding]) -> int | None:
    """Returns which of `found`, earliest first, brought about the one at `index`; None if nothing did."""
    finding = found[index]
    for i, other in enumerate(found[:index]):
        if other.rule == "nonfinite" and other.layer is None:
            continue  # a loss that is NaN while the gradients are finite trains on
        if other.rule == finding.rule or other.rule in CAUSES[finding.rule]:
            return i
    return None


def _with(cause: Finding, consequences: Sequence[Finding]) -> Finding:
    worst = min([cause, *consequences], key=lambda f: SEVERITIES.index(f.severity)).severity
    return dataclasses.replace(cause, severity=worst, consequences=tuple(consequences))


def numbered(found: Sequence[Finding], prefix: str = "") -> Iterator[tuple[str, Finding]]:
    """Yields findings with their numbers: 1, what followed from it 1.1, 1.2, then 2."""
    for i, finding in enumerate(found, start=1):
        yield f"{prefix}{i}", finding
        yield from numbered(finding.consequences, f"{prefix}{i}.")
