"""Findings while training, without a training: what is new and sure, what is judged, and when."""

import dataclasses
import logging
import math

import numpy as np
import pytest
from synthetic import LAYERS, healthy_stats, table

from adamax_tb import rules, schema
from adamax_tb.alerts import Alerts
from adamax_tb.history import JUDGED_RECORDS, History
from adamax_tb.rules import Finding
from adamax_tb.settings import Settings
from adamax_tb.watch import Budget, Watch, said


def finding(rule="dead-units", severity="critical", layer="a/kernel", consequences=(), **others):
    fields = {"first_step": 1, "last_step": 10**6, "message": f"{rule} of {layer}."}
    return Finding(
        rule, severity, layer, evidence={}, suggestion="Do this.", consequences=consequences,
        **{**fields, **others},
    )  # fmt: skip


def told(watch, findings, records, **arguments):
    return [(f.rule, f.severity) for f in watch.told(findings, records, **arguments)]


# What is new and sure


def test_a_finding_is_told_when_it_has_held_over_a_tenth_of_the_records():
    watch = Watch()
    for records in range(90, 100):
        assert told(watch, [finding()], records) == []
    assert watch.sure_from == 100
    assert told(watch, [finding()], 100) == [("dead-units", "critical")]
    assert watch.sure_from == math.inf


def test_it_must_hold_for_two_records_at_least():
    watch = Watch()
    assert told(watch, [finding()], 5) == []
    assert told(watch, [finding()], 6) == []
    assert told(watch, [finding()], 7) == [("dead-units", "critical")]


def test_one_judgement_without_it_begins_the_stretch_anew():
    watch = Watch()
    told(watch, [finding()], 90)
    told(watch, [], 95)
    assert told(watch, [finding()], 100) == []
    assert told(watch, [finding()], 111) == []
    assert told(watch, [finding()], 112) == [("dead-units", "critical")]


def test_the_same_rule_elsewhere_is_another_finding():
    watch = Watch()
    told(watch, [finding(layer="a/kernel")], 90)
    assert told(watch, [finding(layer="b/kernel")], 100) == []


def test_what_is_not_finite_is_told_at_once():
    assert told(Watch(), [finding("nonfinite")], 1) == [("nonfinite", "critical")]


def test_what_led_to_something_that_is_not_finite_is_told_at_once_and_once():
    watch = Watch()
    cause = finding("exploding-gradient", consequences=(finding("nonfinite"),))
    assert told(watch, [cause], 7) == [("exploding-gradient", "critical")]
    assert told(watch, [cause, finding("nonfinite")], 8) == []
    other = finding("learning-rate-too-high", consequences=(finding("nonfinite"),))
    assert told(watch, [other], 9) == []  # the NaN is no news: this must last


def test_what_follows_from_a_finding_that_was_told_before_is_told_by_itself():
    watch = Watch()
    told(watch, [finding("exploding-gradient")], 90)
    assert told(watch, [finding("exploding-gradient")], 100) == [("exploding-gradient", "critical")]
    led_on = finding("exploding-gradient", consequences=(finding("nonfinite", layer="b"),))
    assert told(watch, [led_on], 101) == [("nonfinite", "critical")]


def test_what_is_sure_is_known_whether_it_was_told_or_not():
    watch = Watch()
    led_on = finding("exploding-gradient", consequences=(finding("nonfinite"),))
    for records in range(90, 105):
        told(watch, [led_on, finding(severity="info")], records)
        sure = ["exploding-gradient", "nonfinite"] if records >= 100 else ["nonfinite"]
        assert [f.rule for f in watch.sure] == sure
    watch.pause()
    told(watch, [led_on], 105)
    assert [f.rule for f in watch.sure] == ["nonfinite"]


def test_at_the_end_all_that_holds_is_told_and_nothing_again():
    watch = Watch()
    findings = [
        finding("nonfinite"),
        finding("dead-units", "warning"),
        finding("spike-stall", "info"),
    ]
    told(watch, findings[:1], 50)
    assert told(watch, findings, 51, ended=True) == [("dead-units", "warning")]
    assert told(watch, findings, 51, ended=True) == []


def test_a_warning_that_becomes_critical_is_told_once_more():
    watch = Watch()
    warning, critical = finding(severity="warning"), finding(severity="critical")
    told(watch, [warning], 10)
    assert told(watch, [warning], 20) == [("dead-units", "warning")]
    assert told(watch, [critical], 21) == []  # that must be sure, too
    assert told(watch, [critical], 24) == [("dead-units", "critical")]
    assert told(watch, [warning], 100) == []
    assert told(watch, [critical], 200) == []


def test_a_finding_that_changes_its_severity_all_the_time_is_told_as_a_warning():
    watch = Watch()
    both = [finding(severity="warning"), finding(severity="critical")]
    seen = [told(watch, [both[records % 2]], records) for records in range(50, 80)]
    assert [x for x in seen if x] == [[("dead-units", "warning")]]


def test_what_is_good_to_know_is_not_told():
    assert told(Watch(), [finding(severity="info")], 10, ended=True) == []


def test_it_is_said_in_one_paragraph():
    cause = finding(
        "exploding-gradient", message="It explodes.",
        consequences=(finding("nonfinite", first_step=160),),
    )  # fmt: skip
    assert said(cause, 140) == (
        "OptimizerHealth, step 140: exploding-gradient (critical). It explodes. "
        "What followed from it: nonfinite at step 160. What to do: Do this."
    )
    assert said(dataclasses.replace(finding(), suggestion=""), 1).endswith("of a/kernel.")


# When


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def judged(budget, clock, seconds):
    with budget.judging():
        clock.now += seconds


def test_judging_stays_within_its_part_of_the_time():
    clock = Clock()
    budget = Budget(clock)
    budget.begin()
    for _ in range(10_000):
        clock.now += 0.01
        if budget.affords(urgent=False):
            judged(budget, clock, 0.02)
    assert 0.0045 < budget.spent_s / budget.elapsed_s <= 0.005
    for _ in range(10_000):
        clock.now += 0.01
        if budget.affords(urgent=True):
            judged(budget, clock, 0.02)
    assert 0.009 < budget.spent_s / budget.elapsed_s <= 0.01


def test_a_pause_between_two_trainings_affords_nothing():
    clock = Clock()
    budget = Budget(clock)
    budget.begin()
    clock.now += 1.0
    judged(budget, clock, 0.1)
    budget.end()
    clock.now += 1000.0
    budget.begin()
    clock.now += 1.0
    assert budget.elapsed_s == pytest.approx(2.1)
    assert not budget.affords(urgent=True)


# What is judged


def records(steps, norm=1.0, layers=LAYERS):
    """What `History.add` takes; `norm` is of each record's gradient."""
    stats = healthy_stats(steps, layers)
    for name in ("gradient_norm", "gradient_norm_peak"):
        stats[name][:] = np.reshape(norm, (-1, 1))
    numbers = {name: np.zeros(len(steps)) for name in schema.STEP_STATS}
    loss = np.linspace(2.0, 1.0, len(steps))
    return np.asarray(steps, np.int64), stats, {**numbers, "loss": loss, "loss_peak": loss}


def run_of(history):
    return history.run(table(), None)


def test_the_records_are_judged_as_they_came():
    history = History()
    steps, stats, numbers = records(range(1, 41), norm=np.arange(1, 41))
    for part in (slice(0, 1), slice(1, 17), slice(17, 40)):
        history.add(
            steps[part],
            {name: x[part] for name, x in stats.items()},
            {name: x[part] for name, x in numbers.items()},
        )
    run = run_of(history)
    assert run.steps.tolist() == [*range(1, 41)]
    np.testing.assert_array_equal(run.stat("gradient_norm"), stats["gradient_norm"])
    np.testing.assert_array_equal(run.loss, numbers["loss"].astype(np.float32))


def test_an_earlier_step_replaces_what_followed_it():
    history = History()
    history.add(*records(range(10, 110, 10)))
    history.add(*records([50, 60], norm=7.0))
    run = run_of(history)
    assert run.steps.tolist() == [10, 20, 30, 40, 50, 60]
    assert run.stat("gradient_norm")[:, 0].tolist() == [1, 1, 1, 1, 7, 7]
    assert history.count == 12


@pytest.mark.parametrize("at_once", [1, 16, 700])
def test_of_a_long_training_few_records_are_kept_and_no_peak_or_count_is_lost(at_once):
    history = History()
    count = 3 * JUDGED_RECORDS
    norm = np.ones(count)
    norm[[3, 500]] = 50.0, np.nan
    steps, stats, numbers = records(range(1, count + 1), norm)
    numbers["skipped_steps"][:] = 1
    for start in range(0, count, at_once):
        part = slice(start, start + at_once)
        history.add(
            steps[part],
            {name: x[part] for name, x in stats.items()},
            {name: x[part] for name, x in numbers.items()},
        )
    run = run_of(history)
    assert len(run.steps) <= JUDGED_RECORDS
    assert (run.steps[0], run.steps[-1]) == (1, count)
    peaks = run.stat("gradient_norm_peak")[:, 0]
    assert np.nanmax(peaks) == 50.0
    assert np.isnan(peaks).sum() == 1
    assert run.step_stat("skipped_steps").sum() == count


@pytest.mark.parametrize(
    ("norm", "leapt"),
    [([5.0, 9.0, 20.0], False), ([5.0, 51.0], True), ([5.0, np.inf], True), ([5.0, np.nan], False)],
)
def test_a_leap_is_a_norm_far_above_all_before(norm, leapt):
    history = History()
    history.add(*records(range(1, 4), norm=[0.0, 4.0, 5.0]))
    assert not history.leapt
    history.add(*records(range(4, 4 + len(norm)), norm=norm))
    assert history.leapt == leapt


# Alerts


def alerts(tmp_path, monkeypatch, findings, clock=None, **arguments):
    """Returns what judges a training in which the rules find `findings`, and adds a record at each call of `judge`."""
    monkeypatch.setattr(rules, "judged", lambda run: (list(findings), {}))
    made = Alerts(Settings(str(tmp_path), 10, 0.02, None, **arguments))
    made.budget = Budget(clock or Clock())
    made.begin(0)
    return made


def judge(made, steps, ended=False):
    """Adds records and judges; returns whether something deserves a flight record."""
    made.history.add(*records(steps))
    flight = made.judge(table(), None, ended)
    made.tell(int(steps[-1]), flush=lambda: None)
    return flight


def test_findings_are_handed_over_in_order_after_they_are_said(tmp_path, monkeypatch, caplog):
    handed = []
    findings = [finding("nonfinite"), finding("nonfinite", layer="b")]
    made = alerts(tmp_path, monkeypatch, findings, on_finding=handed.append)
    assert not judge(made, [10])  # of that the recording writes a flight record anyway
    assert handed == findings
    assert [r.message for r in caplog.records] == [said(f, 10) for f in findings]
    judge(made, [20])
    assert handed == findings


@pytest.mark.parametrize("stop_on", ["nonfinite", "dead-units"])
def test_a_finding_of_stop_on_or_what_led_to_one_stops(tmp_path, monkeypatch, caplog, stop_on):
    cause = finding("dead-units", "warning", consequences=(finding("nonfinite"),))
    made = alerts(tmp_path, monkeypatch, [cause], stop_on=(stop_on,))
    flushed = []
    made.history.add(*records([10]))
    made.judge(table(), None, ended=False)
    assert made.stopped_by is None
    made.tell(10, flush=lambda: flushed.append(made.stopped_by))
    assert made.stopped_by == cause
    assert flushed == [None]  # before that
    assert "step 10: training ends here" in caplog.records[-1].message
    assert stop_on in caplog.records[-1].message
    said_before = len(caplog.records)
    made.tell(19, flush=lambda: None)
    assert not judge(made, [20])  # a loop may go on: that is no other stop, with a flight record
    assert len(caplog.records) == said_before


@pytest.mark.parametrize(
    ("finding", "deserves"),
    [
        (finding(), True),
        (finding(severity="warning"), False),
        (finding("spike-stall", "warning"), True),  # it stops the training
        (finding("nonfinite"), False),  # the recording has written one
        (finding(consequences=(finding("nonfinite"),)), False),
        (finding(severity="info"), False),
    ],
)
def test_what_is_critical_or_stops_deserves_a_flight_record(
    tmp_path, monkeypatch, finding, deserves
):
    made = alerts(tmp_path, monkeypatch, [finding], stop_on=("spike-stall",))
    assert (judge(made, range(1, 21)) or judge(made, range(21, 31))) == deserves


def test_another_finding_does_not_stop(tmp_path, monkeypatch):
    made = alerts(tmp_path, monkeypatch, [finding("nonfinite")], stop_on=("dead-units",))
    judge(made, [10])
    assert made.stopped_by is None


def test_a_finding_that_is_told_when_training_has_ended_stops_nothing(
    tmp_path, monkeypatch, caplog
):
    made = alerts(tmp_path, monkeypatch, [finding()], stop_on=("dead-units",))
    made.history.add(*records([10]))
    made.judge(table(), None, ended=True)
    made.end()
    made.tell(10, flush=lambda: None)
    assert made.stopped_by is None
    assert len(caplog.records) == 1


def test_a_finding_that_could_not_be_told_before_the_training_ended_stops_nothing(
    tmp_path, monkeypatch
):
    made = alerts(tmp_path, monkeypatch, [finding("nonfinite")], stop_on=("nonfinite",))
    made.history.add(*records([10]))
    made.judge(table(), None, ended=False)  # in a signal's handler
    made.end()
    made.tell(10, flush=lambda: None)
    assert made.stopped_by is None


def test_who_goes_on_after_a_stop_is_stopped_again_if_it_still_holds(tmp_path, monkeypatch):
    findings = [finding("nonfinite", last_step=10)]
    made = alerts(tmp_path, monkeypatch, findings, stop_on=("nonfinite",))
    judge(made, [10])
    assert made.stopped_by is not None
    made.end()
    made.begin(10)
    judge(made, [20])
    assert made.stopped_by is None  # it was before
    findings[:] = [finding("nonfinite", last_step=30)]
    judge(made, [30])
    assert made.stopped_by is not None


def test_what_was_told_at_the_end_of_a_fit_stops_the_next_one_when_it_lasts(tmp_path, monkeypatch):
    handed = []
    made = alerts(
        tmp_path, monkeypatch, [finding()], stop_on=("dead-units",), on_finding=handed.append
    )
    judge(made, range(1, 21), ended=True)
    made.end()
    assert made.stopped_by is None
    made.begin(20)
    judge(made, [21])
    assert made.stopped_by is None
    assert judge(made, [22, 23])
    assert made.stopped_by is not None
    assert len(handed) == 1


def test_after_a_stop_a_finding_must_last_again(tmp_path, monkeypatch):
    made = alerts(tmp_path, monkeypatch, [finding()], stop_on=("dead-units",))
    judge(made, range(1, 91))
    judge(made, range(91, 101))
    assert made.stopped_by is not None
    made.end()
    made.begin(100)
    judge(made, [101])
    assert made.stopped_by is None
    judge(made, range(102, 114))
    assert made.stopped_by is not None


def test_a_function_that_raises_is_reported_once_and_still_called(tmp_path, monkeypatch):
    handed = []

    def raising(found):
        handed.append(found)
        raise RuntimeError("no network")

    findings = [finding("nonfinite", layer=name) for name in "ab"]
    made = alerts(tmp_path, monkeypatch, findings, on_finding=raising)
    with pytest.warns(UserWarning, match="`on_finding`.*no network.*Training goes on") as warned:
        judge(made, [10])
    assert len(warned) == 1
    assert handed == findings


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_function_may_end_the_training_as_anything_may(tmp_path, monkeypatch, error):
    def raising(found):
        raise error

    made = alerts(tmp_path, monkeypatch, [finding("nonfinite")], on_finding=raising)
    with pytest.raises(error):
        judge(made, [10])


def test_a_rule_that_raises_is_reported_once(tmp_path, monkeypatch):
    made = alerts(tmp_path, monkeypatch, [])

    def raising(run):
        raise ZeroDivisionError("mine")

    monkeypatch.setattr(rules, "judged", raising)
    with pytest.warns(UserWarning, match="could not judge.*mine.*Training goes on") as warned:
        for step in range(10, 60, 10):
            judge(made, [step])
    assert len(warned) == 1


def test_a_level_of_the_logger_silences_and_leaves_the_line_alone(tmp_path, monkeypatch):
    ended = []
    made = alerts(tmp_path, monkeypatch, [finding("nonfinite")])
    made._end_line = lambda: ended.append(True)
    logger = logging.getLogger("adamax_tb")
    before = logger.level
    logger.setLevel("ERROR")
    try:
        judge(made, [10])
    finally:
        logger.setLevel(before)
    assert not ended


def test_it_is_judged_at_once_when_something_is_not_finite_and_at_the_end(tmp_path, monkeypatch):
    made = alerts(tmp_path, monkeypatch, [])
    assert not made.is_due(bad=True, ended=False)  # nothing to judge
    assert not made.is_due(bad=False, ended=True)
    judge(made, [1])
    made.budget.spent_s = 1e6
    assert made.is_due(bad=True, ended=False)
    assert made.is_due(bad=False, ended=True)
    assert not made.is_due(bad=False, ended=False)


def test_it_is_judged_when_there_are_new_records_and_the_budget_affords_it(tmp_path, monkeypatch):
    clock = Clock()
    made = alerts(tmp_path, monkeypatch, [], clock)
    due = lambda: made.is_due(bad=False, ended=False)  # noqa: E731
    clock.now += 1000.0
    made.history.add(*records(range(1, rules.HISTORY)))
    assert not due()  # too few
    made.history.add(*records([rules.HISTORY]))
    assert due()
    judge(made, [rules.HISTORY + 1])
    assert not due()  # nothing new
    made.history.add(*records([rules.HISTORY + 2]))
    assert due()
    made.budget.spent_s = 7.0  # of 1000 s
    assert not due()
    made.history.add(*records([rules.HISTORY + 3], norm=100.0))
    assert due()  # the gradient leaps: that may take up to 10 s
    made.budget.spent_s = 11.0
    assert not due()


def test_it_is_judged_sooner_when_a_finding_may_have_become_sure(tmp_path, monkeypatch):
    clock = Clock()
    made = alerts(tmp_path, monkeypatch, [finding()], clock)
    clock.now += 1000.0
    judge(made, range(1, 19))
    made.budget.spent_s = 7.0  # of 1000 s: only for what is urgent
    made.history.add(*records([19]))
    assert not made.is_due(bad=False, ended=False)
    made.history.add(*records([20]))
    assert made.is_due(bad=False, ended=False)
