"""The labelled programs are what they say: in the registry, by their outcomes, trained and recorded."""

import dataclasses
from collections import Counter

import numpy as np
import outcomes
import peer_rules
import pytest
import tensorflow as tf
from cadence import thinned
from losses import LOSSES
from networks import STOPS, Network, built
from programs import ACCEPTABLE, CAUSES, HEALTHY, faulty, healthy, programs
from record import recorded
from scores import Case, Share, detection, diagnosis, went_bad
from setups import INPUTS, TARGETS, Setup, adam, prepared

from adamax_tb.schema import STEP_STATS

PROGRAMS = programs()
BY_NAME = {program.name: program for program in PROGRAMS}
OUTCOMES = outcomes.read()


def test_there_are_enough_programs_and_their_names_are_unique():
    assert len(BY_NAME) == len(PROGRAMS) >= 240
    sound = sum(not program.is_faulty for program in PROGRAMS)
    assert 0.4 <= sound / len(PROGRAMS) <= 0.6


def test_no_family_and_no_task_is_in_both_splits():
    for of in ("family", "setup.task"):
        seen = {}
        for program in PROGRAMS:
            key = program.setup.task if of == "setup.task" else program.family
            assert seen.setdefault(key, program.split) == program.split


def test_every_class_optimizer_and_kind_of_network_is_in_both_splits():
    for of in (
        lambda p: p.label,
        lambda p: p.setup.optimizer.name,
        lambda p: p.setup.network.kind if p.setup.network.kind != "bag" else "mlp",
        lambda p: prepared(p.setup).classes > 0,
    ):
        counts = Counter((of(program), program.split) for program in PROGRAMS)
        for kind in {kind for kind, _ in counts}:
            assert counts[kind, "tuning"], kind
            assert counts[kind, "test"], kind
    labels = {program.label for program in PROGRAMS}
    assert labels == {HEALTHY, *ACCEPTABLE, *CAUSES}


def test_every_class_is_large_enough_to_be_measured():
    counts = Counter((program.label, program.split) for program in PROGRAMS)
    for (kind, split), count in counts.items():
        assert count >= (3 if kind == "skipped-steps" else 4), (kind, split)


def test_what_a_program_says_fits_together():
    for program in PROGRAMS:
        assert (program.remedy is None) == (not program.is_faulty) == (not program.acceptable)
        assert set(program.acceptable) <= {*ACCEPTABLE, *CAUSES}, program.name
        assert program.is_faulty != bool(program.frightening)
        assert program.setup != program.remedy
        assert 100 <= program.setup.steps <= 600
        if program.label in ACCEPTABLE:
            assert program.acceptable[0] == program.label


def test_labels_agree_with_outcomes():
    assert OUTCOMES.keys() == BY_NAME.keys()
    for name, program in BY_NAME.items():
        assert OUTCOMES[name].key == outcomes.key(program), f"{name}: run outcomes.py"
        assert outcomes.label(OUTCOMES[name]) == ("faulty" if program.is_faulty else "healthy"), (
            name
        )


def test_units_called_dead_give_0_for_every_example():
    for name, program in BY_NAME.items():
        if program.label == "dead-units":
            assert OUTCOMES[name].inactive > 0.5, name
            assert OUTCOMES[name].runs["1"][1][0] is not None, name  # relu of NaN is 0 as well


def test_a_label_is_the_part_of_what_could_be_learned_that_was_not():
    def ended(own, faster, twin=None):
        runs = {"1": ((own, own),) * 2, "10": ((faster, faster),) * 2}
        if twin is not None:
            runs["remedy"] = ((twin, twin),) * 2
        return outcomes.label(outcomes.Outcome("", (1.0, 1.0), (50.0, 1.0), runs, True))

    assert ended(0.12, 0.1) == "healthy"
    assert ended(0.5, 0.45) == "healthy"  # of noise, nothing more could be learned
    assert ended(0.6, 0.1) == "faulty"
    assert ended(None, 0.1) == "faulty"
    assert ended(0.6, 0.6, twin=0.1) == "faulty"
    assert ended(0.3, 0.1) == "borderline"
    assert ended(0.1, 0.9) == "healthy"
    assert ended(1.0, 0.99) == "borderline"  # nothing learns: no counterfactual


def test_all_inputs_and_targets_are_used_and_the_data_is_finite_but_where_it_is_the_fault():
    setups = [s for p in PROGRAMS for s in (p.setup, p.remedy) if s is not None]
    assert {"tokens", *(s.inputs for s in setups)} == INPUTS.keys()
    assert {s.targets for s in setups} == TARGETS.keys()
    assert {s.loss for s in setups} == LOSSES.keys()
    for setup in {(s.task, s.inputs, s.targets): s for s in setups}.values():
        if setup.inputs != "divided by a spread of 0":
            assert np.isfinite(prepared(setup).x).all()
        assert np.isfinite(prepared(setup).y).all()


def test_classes_as_numbers_are_values_and_far_tokens_have_their_rows():
    setup = Setup("moons", Network(), adam(0.01), "mse", targets="signs")
    task = prepared(setup)
    assert task.classes == 0
    assert task.y.shape == (800, 1)
    assert set(np.unique(task.y)) == {-1, 1}
    assert prepared(dataclasses.replace(setup, targets="scaled")).classes == 2
    far = prepared(Setup("words", Network("bag"), adam(0.01), "logits", inputs="tokens far apart"))
    assert far.tokens == far.x.max() + 1 == 1201


def _gradients(network, task="friedman1"):
    setup = Setup(task, network, adam(0.01), "mse")
    model, x = built(network, prepared(setup)), prepared(setup).x[:32]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(x) ** 2)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    paths = [v.path for v in model.trainable_variables]
    return {p: 0 if g is None else np.abs(g).max() for p, g in zip(paths, gradients, strict=True)}


@pytest.mark.parametrize("by", STOPS)
def test_no_gradient_comes_back_from_behind_a_stop(by):
    assert by in {p.setup.network.stopped_by for p in PROGRAMS if p.setup.network.stopped}
    gradients = _gradients(Network(units=(8, 8), stopped=1, stopped_by=by))
    assert gradients["dense_1/kernel"] == 0
    assert gradients["dense_2/kernel"] > 0
    assert _gradients(Network(units=(8, 8)))["dense_1/kernel"] > 0


def test_a_gate_lets_nothing_through_at_first_and_can_open():
    gradients = _gradients(Network(units=(8, 8), residual=True, gates=True))
    assert gradients["dense_2/kernel"] == 0
    assert gradients["dense_1/kernel"] > 0
    assert gradients["gate_2/gate"] > 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A healthy and a faulty program that are small, recorded in this process."""
    net = Network(units=(12, 12), activation="tanh")
    short = Setup("iris", net, adam(0.02), "logits", steps=100)
    spoiled = dataclasses.replace(short, spoiled=("nan input", 37, 0))
    cases = (
        healthy("sound", "nothing", short),
        faulty("spoiled", "nonfinite", spoiled, {"spoiled": None}),
    )
    root = tmp_path_factory.mktemp("diagnosis")
    return {p.name: (p, recorded(p, root / p.name), root) for p in cases}


def test_a_program_trains_and_records_as_labelled(made):
    for program, run, _ in made.values():
        assert list(run.steps) == list(range(1, 101))
        assert outcomes.label(outcomes.measured(program)) == (
            "faulty" if program.is_faulty else "healthy"
        )
    assert np.isfinite(made["sound"][1].loss).all()
    assert not np.isfinite(made["spoiled"][1].loss).all()


@pytest.mark.parametrize("name", ["sound", "spoiled"])
def test_thinning_gives_what_a_sparser_recording_gives(made, name):
    program, run, root = made[name]
    thin, real = thinned(run, 10), recorded(program, root / f"{name} sparse", every=10)
    np.testing.assert_array_equal(thin.steps, real.steps)
    for stat in real.statistics:
        np.testing.assert_array_equal(thin.stat(stat), real.stat(stat), err_msg=stat)
    for stat in set(STEP_STATS) - {"overhead"}:
        np.testing.assert_array_equal(thin.step_stat(stat), real.step_stat(stat), err_msg=stat)


def test_the_scores_count_what_they_say(made):
    cases = [Case(program, run, 0.9) for program, run, _ in made.values()]
    alarms = [peer_rules.Alarm("nonfinite", "dense_1/kernel", 2)]
    everything = detection(cases, lambda run, accuracy: alarms)
    assert everything.recall == Share(1, 1)
    assert everything.precision == Share(1, 2)
    assert everything.false_alarms == Share(1, 1)
    nothing = detection(cases, lambda run, accuracy: [])
    assert nothing.recall == Share(0, 1)
    named = diagnosis(cases, lambda run, accuracy: alarms)
    assert (named["exact"], named["acceptable"], named["any"]) == (Share(1, 1),) * 3
    second = [peer_rules.Alarm("dead-units", None, 1), *alarms]
    named = diagnosis(cases, lambda run, accuracy: second)
    assert (named["exact"], named["acceptable"], named["any"]) == (
        Share(0, 1),
        Share(0, 1),
        Share(1, 1),
    )
    low, high = Share(9, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.596, 0.982)  # Wilson 1927, by hand


def test_the_loss_goes_bad_where_it_is_lost_and_not_where_it_falls(made):
    assert went_bad(made["sound"][1]) is None
    at = went_bad(made["spoiled"][1])
    assert at == 37
