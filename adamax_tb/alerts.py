"""`Alerts`: what the rules say of a training while it goes on, and to whom.

Says it by the logger "adamax_tb" and to the user's `on_finding`. Knows no framework; writes no file.
"""

import logging
from collections.abc import Callable
from itertools import chain

from adamax_tb import faults, rules, schema
from adamax_tb.history import History
from adamax_tb.rules import Finding
from adamax_tb.settings import Settings
from adamax_tb.watch import Budget, Watch, rules_in, said

_log = logging.getLogger("adamax_tb")


class Alerts:
    """Judges one training's records as they come and tells what is new.

    What does not work here, a rule or the user's function, is reported once and leaves recording and training going.

    Args:
        settings: what the user chose.
        end_line: called before something is said: ends a line of the terminal that is not at its end.
        together: whether several processes train, which end at the same update: soon.

    Attributes:
        history: takes the records.
        budget: of the time that judging may take.
        standing: what the last judgement found, as far as it is sure; at the end of a training, all of it.
        stopped_by: the finding because of which the training is to end, None if it may go on.
    """

    def __init__(
        self,
        settings: Settings,
        end_line: Callable[[], None] = lambda: None,
        together: bool = False,
    ) -> None:
        self._settings = settings
        self._where = "soon, in all processes" if together else "here"
        self._end_line = end_line
        self.history = History()
        self.budget = Budget()
        self.standing: list[Finding] = []
        self.stopped_by: Finding | None = None
        self._watch = Watch()
        self._start = self._judged = 0  # update, and count of records
        self._news: list[Finding] = []
        self._stopping: Finding | None = None  # as the last judgement has it
        self._faults: dict[str, Exception] = {}  # of rules, by name; "": of what comes before
        self._blamed: set[str] = set()

    def begin(self, start: int) -> None:
        """Judges from now on what comes after update `start`."""
        self._start = start
        self._stopping = None
        if self.stopped_by is not None:  # whoever goes on may have changed something
            self._watch.pause()
            self.stopped_by = None
        self.budget.begin()

    @property
    def has_news(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._news)

    def is_due(self, bad: bool, ended: bool) -> bool:
        """Tells whether to judge now.

        Args:
            bad: something has just turned out not to be finite.
            ended: the training has ended.
        """
        count = self.history.count
        if bad or ended:
            return count > 0
        if count < max(rules.HISTORY, self._judged + 1):
            return False
        return self.budget.affords(urgent=self.history.leapt or count >= self._watch.sure_from)

    def judge(self, table: schema.LayerTable, flight: schema.Flight | None, ended: bool) -> bool:
        """Judges what there is; tells whether something was found that deserves a flight record.

        Args:
            table: of the records.
            flight: what is known of the updates around something that was not finite.
            ended: the training has ended: what holds is sure.
        """
        history = self.history
        self._judged, history.leapt = history.count, False
        with self.budget.judging():
            try:
                findings, failed = rules.judged(history.run(table, flight))
            except Exception as error:
                self._faults.setdefault("", error)
                return False
        for rule, fault in failed.items():
            self._faults.setdefault(rule, fault)
        told = self._watch.told(findings, history.count, ended)
        self._news += told
        self.standing = findings if ended else self._watch.standing
        if not ended and self.stopped_by is None:
            self._stopping = self._to_stop(told)
        notable = [f for f in told if f.severity == "critical"]
        notable += [] if self._stopping is None else [self._stopping]
        return any("nonfinite" not in rules_in(f) for f in notable)  # that has one

    def tell(self, step: int, flush: Callable[[], None]) -> None:
        """Says what was found, has the training end if it is to, and hands the findings to the user.

        Args:
            step: the last update looked at.
            flush: has what was written on the disk before the training ends.
        """
        for rule, fault in self._faults.items():
            by = f" by rule {rule!r}, which is left out" if rule else ""
            self._blame(f"rule {rule}", f"could not judge {self._settings.log_dir}{by}: {fault!r}")
        news, self._news = self._news, []
        for finding in news:
            self._say(said(finding, step))
        stopping, self._stopping = self._stopping, None
        if stopping is not None and self.budget.is_running:
            flush()  # first: another thread may be waiting for the next line
            self.stopped_by = stopping
            (rule, *_) = sorted(rules_in(stopping) & {*self._settings.stop_on})
            self._say(
                f"OptimizerHealth, step {step}: training ends {self._where}: {rule} is in `stop_on`."
            )
        for finding in news:
            self._hand_over(finding)

    def end(self) -> None:
        """The training has ended; nothing stops it any more."""
        self.budget.end()

    def warn(self, what: str) -> None:
        """Warns of what went wrong, in the rest of a sentence about OptimizerHealth."""
        self._end_line()
        faults.told(f"OptimizerHealth {what}. Training goes on.", stacklevel=4)

    def _to_stop(self, told: list[Finding]) -> Finding | None:
        """Returns the first of those `told` that is of `stop_on` or led to it, or of those that are sure and are."""
        stop_on = self._settings.stop_on
        led = (f for f in told if not rules_in(f).isdisjoint(stop_on))
        lasting = (f for f in self._watch.sure if f.rule in stop_on and f.last_step > self._start)
        return next(chain(led, lasting), None)

    def _hand_over(self, finding: Finding) -> None:
        if self._settings.on_finding is None:
            return
        try:
            self._settings.on_finding(finding)
        except Exception as error:  # KeyboardInterrupt and SystemExit are meant to end the training
            self._blame("on_finding", f"called `on_finding`, which raised {error!r}")

    def _say(self, text: str) -> None:
        if _log.isEnabledFor(logging.WARNING):
            self._end_line()
            _log.warning("%s", text)

    def _blame(self, whose: str, what: str) -> None:
        """Reports the first fault of somebody's."""
        if whose not in self._blamed:
            self._blamed.add(whose)
            self.warn(what)
