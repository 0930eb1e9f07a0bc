"""Findings while a training goes on: which of them are new and sure, how they are said, and when it is time to judge.

Knows findings and times: no run, no file, no framework.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from adamax_tb.names import printable
from adamax_tb.rules import Finding

#: Rules that are sure as soon as they hold.
AT_ONCE = frozenset({"nonfinite", "replicas-disagree"})
#: Any other must have held in every judgement over this part of the records so far, and over this many of them.
STRETCH = 10  # a tenth
STRETCH_RECORDS = 2

#: What part of the training's time judging may take: usually, and when something seems to happen.
USUAL_PART = 0.005
URGENT_PART = 0.01

_Key = tuple[str, str | None, str]  # rule, layer, severity


class Watch:
    """Says which findings of the judgements of one training are new and sure; each once.

    Early in a training much looks bad that passes. A finding is sure when every judgement over a stretch made it, for
    the same layer and at least as severely: over the last tenth of the records so far, and two records. One of
    `AT_ONCE` is sure at once, with what it follows from; when the training has ended, all are.

    Told are critical findings and warnings, once for a rule and layer, and once more when a warning became critical.
    What was told as a consequence of another is not told again; what follows from a finding that was told before is
    told by itself. The order is that of the findings.

    Attributes:
        sure: of the last judgement all that was sure, told before or not, with what follows from it as far as that is.
        standing: of the last judgement all that was sure or had been told by then, causes with what follows from them.
        sure_from: the count of records at which the first of those that were not may be; infinity without any.
    """

    def __init__(self) -> None:
        self.sure: list[Finding] = []
        self.standing: list[Finding] = []
        self.sure_from = math.inf
        # records at the first of the judgements in a row that made it
        self._since: dict[_Key, int] = {}
        self._told: set[_Key] = set()

    def pause(self) -> None:
        """Begins every stretch anew: the training may not go on as it was."""
        self._since.clear()

    def told(self, findings: Sequence[Finding], records: int, ended: bool = False) -> list[Finding]:
        """Takes the next judgement of the training and returns what is to be told of it.

        Args:
            findings: all that were made, as `rules.diagnose` returns them.
            records: how many records the training has made by then: more than at the judgement before.
            ended: whether the training has ended.
        """
        parts = [f for finding in findings for f in _with_consequences(finding) if _keys(f)]
        held = {key for part in parts for key in _keys(part)}
        self._since = {key: self._since.get(key, records) for key in held}
        self.sure = [part for part in parts if self._is_sure(part, records)]
        told = []
        for part in parts:
            if self._is_new(part) and (ended or part in self.sure or self._led_to_news(part)):
                told.append(part)
                self._told |= {key for each in _with_consequences(part) for key in _keys(each)}
        self.standing = _causes(p for p in parts if p in self.sure or not self._is_new(p))
        waiting = [_sure_from(self._since[_keys(part)[0]]) for part in parts if self._is_new(part)]
        self.sure_from = min(waiting, default=math.inf)
        return told

    def _is_new(self, finding: Finding) -> bool:
        keys = _keys(finding)
        return bool(keys) and keys[0] not in self._told

    def _led_to_news(self, finding: Finding) -> bool:
        return any(f.rule in AT_ONCE and self._is_new(f) for f in _with_consequences(finding))

    def _is_sure(self, finding: Finding, records: int) -> bool:
        since = self._since[_keys(finding)[0]]
        return finding.rule in AT_ONCE or records >= _sure_from(since)


def _causes(parts: Iterable[Finding]) -> list[Finding]:
    """Returns those of `parts`, causes before consequences, that none of the others holds as a consequence."""
    causes: list[Finding] = []
    for part in parts:
        if not any(part is held for cause in causes for held in _with_consequences(cause)):
            causes.append(part)
    return causes


def _with_consequences(finding: Finding) -> Iterator[Finding]:
    yield finding
    for consequence in finding.consequences:
        yield from _with_consequences(consequence)


def _keys(finding: Finding) -> list[_Key]:
    """Returns what `finding` is known by, its own severity first; nothing if it is not to be told."""
    held = {"critical": ("critical", "warning"), "warning": ("warning",)}
    return [(finding.rule, finding.layer, s) for s in held.get(finding.severity, ())]


def _sure_from(since: int) -> int:
    """Returns the count of records at which a finding that has held since the record `since` is sure."""
    return max(since + STRETCH_RECORDS, math.ceil(since * STRETCH / (STRETCH - 1)))


def rules_in(finding: Finding) -> set[str]:
    """Returns the rules of `finding` and of all that follows from it."""
    return {part.rule for part in _with_consequences(finding)}


def said(finding: Finding, step: int) -> str:
    """Returns what is said of `finding` when it is told at update `step`: one paragraph, and no more than one."""
    followed = ", ".join(f"{f.rule} at step {f.first_step}" for f in finding.consequences)
    words = [
        f"OptimizerHealth, step {step}: {finding.rule} ({finding.severity}).",
        finding.message,
        f"What followed from it: {followed}." if followed else "",
        f"What to do: {finding.suggestion}" if finding.suggestion else "",
    ]
    return printable(" ".join(filter(None, words)))


class Budget:
    """Keeps judging within a part of a training's time.

    What is spent beyond it all the same, for what cannot wait, is saved afterwards.

    Args:
        clock: seconds.

    Attributes:
        judgements: how many were made.
        spent_s: what they took together.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.judgements = 0
        self.spent_s = self._last_s = 0.0
        self._before_s, self._began = 0.0, math.nan

    @property
    def elapsed_s(self) -> float:
        """How long the training has gone on, pauses between two `begin`s and `end`s left out."""
        now = self._clock() - self._began if self.is_running else 0.0
        return self._before_s + now

    @property
    def is_running(self) -> bool:
        """Whether the training is going on."""
        return not math.isnan(self._began)

    def begin(self) -> None:
        """The training begins or goes on."""
        self._before_s, self._began = self.elapsed_s, self._clock()

    def end(self) -> None:
        """The training pauses."""
        self._before_s, self._began = self.elapsed_s, math.nan

    def affords(self, urgent: bool) -> bool:
        """Tells whether a judgement that takes as long as the last one is within the budget."""
        part = URGENT_PART if urgent else USUAL_PART
        return self.spent_s + self._last_s <= part * self.elapsed_s

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Counts the time spent inside as that of one judgement."""
        start = self._clock()
        try:
            yield
        finally:
            self._last_s = self._clock() - start
            self.spent_s += self._last_s
            self.judgements += 1
