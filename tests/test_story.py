"""Which findings are first causes, and what follows from them."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adamax_tb.rules import RULE_NAMES, RULES, Finding
from adamax_tb.rules.story import CAUSES, EXPLAINED, ORIGINS, told


def finding(rule, step=1, layer="dense/kernel", severity="critical"):
    return Finding(rule, severity, layer, step, 100, "", {}, "")


def shape(findings):
    return [
        (f.rule, f.first_step, [(c.rule, c.first_step) for c in f.consequences]) for f in findings
    ]


def test_what_came_later_and_can_follow_is_a_consequence():
    found = told(
        [finding("nonfinite", 90), finding("dead-units", 60), finding("exploding-gradient", 40)]
    )
    assert shape(found) == [("exploding-gradient", 40, [("dead-units", 60), ("nonfinite", 90)])]


def test_what_came_earlier_is_no_consequence():
    found = told([finding("dead-units", 20), finding("exploding-gradient", 40)])
    assert shape(found) == [("dead-units", 20, []), ("exploding-gradient", 40, [])]


@pytest.mark.parametrize(
    ("rule", "by"),
    [
        ("learning-rate-too-low", "spike-stall"),
        ("learning-rate-too-low", "dead-units"),
        ("learning-rate-too-high", "exploding-gradient"),
    ],
)
def test_what_another_rule_explains_is_left_out_whenever_it_began(rule, by):
    assert shape(told([finding(rule, 1, None), finding(by, 30)])) == [(by, 30, [])]


def test_what_is_only_good_to_know_explains_nothing():
    found = told(
        [finding("learning-rate-too-low", 1, None), finding("dead-units", 30, severity="info")]
    )
    assert [f.rule for f in found] == ["learning-rate-too-low", "dead-units"]


def test_a_consequence_of_a_consequence_belongs_to_the_first_cause():
    found = told(
        [
            finding("vanishing-gradient", 50),
            finding("dead-units", 30),
            finding("learning-rate-too-high", 1, None),
        ]
    )
    assert shape(found) == [
        ("learning-rate-too-high", 1, [("dead-units", 30), ("vanishing-gradient", 50)])
    ]


def test_of_one_rule_the_first_layer_brings_about_the_others():
    found = told([finding("dead-units", 30, "b/kernel"), finding("dead-units", 10, "a/kernel")])
    assert [(f.layer, [c.layer for c in f.consequences]) for f in found] == [
        ("a/kernel", ["b/kernel"])
    ]


def test_a_cause_is_as_severe_as_its_worst_consequence():
    (found,) = told([finding("dead-units", 30), finding("untouched-rows", 1, severity="warning")])
    assert (found.rule, found.severity) == ("untouched-rows", "critical")


def test_a_loss_that_was_nan_once_brings_about_nothing():
    found = told([finding("nonfinite", 5, None, "warning"), finding("dead-units", 30)])
    assert shape(found) == [("dead-units", 30, []), ("nonfinite", 5, [])]


def test_what_a_model_was_built_with_is_told_by_its_first_symptom():
    origin = dataclasses.replace(
        finding("bad-initialization"),
        message="The weights are odd.",
        suggestion="Draw others.",
        evidence={"gain": 9.0},
    )
    symptom = dataclasses.replace(
        finding("dead-units", 30), message="They are dead.", evidence={"dead_units": 1.0}
    )
    (found,) = told([origin, symptom, finding("wrong-loss", 1, None, "info")])
    assert (found.rule, found.first_step) == ("dead-units", 30)
    assert found.message == "They are dead. Why: The weights are odd."
    assert found.suggestion == "Draw others."
    assert found.evidence == {"gain": 9.0, "dead_units": 1.0}
    assert [f.rule for f in told([origin])] == ["bad-initialization"]


@given(
    st.lists(
        st.builds(
            finding,
            st.sampled_from([rule for rule in RULE_NAMES if rule not in ORIGINS]),
            st.integers(1, 5),
            st.sampled_from([None, "a/kernel", "b/kernel"]),
            st.sampled_from(["critical", "warning", "info"]),
        ),
        max_size=12,
    )
)
def test_every_finding_is_told_once_and_every_cause_came_first(findings):
    found = told(findings)
    every = [f for cause in found for f in (cause, *cause.consequences)]
    alarming = {f.rule for f in findings if f.severity != "info"}
    assert sorted((f.rule, f.first_step) for f in every) == sorted(
        (f.rule, f.first_step) for f in findings if not alarming & set(EXPLAINED.get(f.rule, ()))
    )
    for cause in found:
        for follower in cause.consequences:
            assert not follower.consequences
            assert cause.first_step <= follower.first_step


def test_every_rule_has_its_place_in_the_story():
    assert set(CAUSES) == set(RULE_NAMES) == {*RULES, "not-learning"}
