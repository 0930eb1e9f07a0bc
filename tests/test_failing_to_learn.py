"""Rules of runs whose loss stays high although nothing explodes, vanishes or dies."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import ADAM, ADAMAX, healthy_stats, write_run

from adamax_tb import diagnose, read_runs
from adamax_tb.schema import NOT_RECORDED, Arrays, Head

STEPS = np.arange(1, 301)
COUNT = len(STEPS)
FLAT = np.full(COUNT, 2.3)
FALLING = np.geomspace(2.3, 0.1, COUNT)
EMBEDDING = (
    ("embedding/embeddings", (100, 8)),
    ("dense/kernel", (8, 3)),
    ("dense/bias", (3,)),
)


def untrained(has=ADAMAX, layers=4):
    """Statistics of a network that begins with biases of 0."""
    stats = healthy_stats(STEPS, range(layers), has)
    stats["update_ratio"][0, -1], stats["weight_norm"][0, -1] = 1.0, 0.01
    return stats


def recorded(tmp_path, stats, loss, hyperparameters=None, **kwargs):
    write_run(tmp_path, STEPS, stats, loss, **kwargs)
    run = read_runs(tmp_path)["."]
    return dataclasses.replace(
        run, hyperparameters={**run.hyperparameters, **(hyperparameters or {})}
    )


def paced(promised_per_update, **kwargs):
    """Statistics whose four layers together promise so much per update."""
    stats = untrained(**kwargs)
    stats["update_ratio"][1:] = promised_per_update / stats["gradient_norm"].shape[1]
    return stats


# learning-rate-too-high


def bouncing(seed=0):
    return 2.3 * np.exp(np.random.default_rng(seed).normal(0, 0.3, COUNT))


def test_a_rate_whose_every_step_promises_the_whole_loss_is_too_high(tmp_path):
    (finding,) = diagnose(recorded(tmp_path, paced(3.0), bouncing()))
    assert (finding.rule, finding.severity, finding.layer) == (
        "learning-rate-too-high",
        "critical",
        None,
    )
    assert finding.evidence["promised_per_update"] == pytest.approx(3.0 / bouncing()[0], rel=0.1)
    assert "at step 2 it is 0.001; try 0.0001. " in finding.suggestion


def paced_by(rates):
    """Statistics of updates as large as `rates`; at a rate of 0.3 they promise the whole loss."""
    stats = paced(1.0)
    stats["update_ratio"][1:] *= 2.3 / 0.3 * rates[1:, np.newaxis]
    return stats


@pytest.mark.parametrize(
    ("rates", "remedy"),
    [
        # meant to fall, but doubled: back to what was meant
        (1e-3 * 2.0 ** (STEPS // 15), "at step 105 it is 0.13 (it was 0.001 at step 1); try 0.001"),
        # warmed up: what was meant is the end of it, not the beginning
        (0.3 * STEPS / COUNT, "at step 94 it is 0.094 (it was 0.001 at step 1); try 0.009"),
        # not told: what the optimizer was made with
        (np.full(COUNT, np.nan), "the optimizer was made with 0.001; try 0.0001. "),
    ],
)
def test_the_remedy_is_a_rate_that_was_meant(tmp_path, rates, remedy):
    stats = paced_by(np.where(np.isnan(rates), 0.3, rates))
    run = recorded(tmp_path, stats, bouncing(), step_stats={"learning_rate": rates})
    (finding,) = diagnose(run)
    assert finding.rule == "learning-rate-too-high"
    assert remedy in finding.suggestion


def test_the_same_steps_are_not_too_large_when_the_loss_falls_with_them(tmp_path):
    assert diagnose(recorded(tmp_path, paced(1.5), FALLING)) == []


def test_a_noisy_loss_alone_is_no_rate_that_is_too_high(tmp_path):
    loss = bouncing() * np.linspace(1, 0.3, COUNT)
    assert diagnose(recorded(tmp_path, paced(0.05), loss)) == []


def test_a_trained_network_whose_loss_stays_where_it_was_has_no_rate_too_high(tmp_path):
    stats = paced(3.0)
    stats["update_ratio"][0], stats["weight_norm"][0] = 0.01, 1
    assert diagnose(recorded(tmp_path, stats, bouncing())) == []
    (finding,) = diagnose(recorded(tmp_path, stats, bouncing() * np.linspace(1, 9, COUNT)))
    assert finding.rule == "learning-rate-too-high"


def test_steps_that_run_away_are_told_before_the_loss_suffers(tmp_path):
    stats = paced(0.02)
    stats["update_ratio"][-6:] = 2.0
    (finding,) = diagnose(recorded(tmp_path, stats, np.geomspace(2.3, 0.4, COUNT)))
    assert (finding.rule, finding.severity) == ("learning-rate-too-high", "warning")
    assert 295 <= finding.first_step <= 300
    assert "each update since step" in finding.message


def test_a_network_that_promises_much_and_learns_has_no_rate_too_high(tmp_path):
    assert diagnose(recorded(tmp_path, paced(1.0), np.linspace(2.3, 1.3, COUNT))) == []


def test_a_loss_that_goes_below_0_has_no_size_to_compare_with(tmp_path):
    loss = np.random.default_rng(0).normal(-0.01, 0.02, COUNT)
    loss[0] = 1e-8
    assert diagnose(recorded(tmp_path, paced(0.01), loss)) == []


# learning-rate-too-low


def test_updates_that_promise_a_part_of_the_loss_are_too_small(tmp_path):
    loss = np.linspace(2.3, 2.15, COUNT)
    (finding,) = diagnose(recorded(tmp_path, paced(0.0005), loss))
    assert (finding.rule, finding.severity) == ("learning-rate-too-low", "warning")
    assert finding.evidence["promised"] == pytest.approx((300 * 0.0005 + 0.04) / 2.3, rel=0.05)


def test_too_low_says_by_what_to_raise_the_rate(tmp_path):
    (finding,) = diagnose(recorded(tmp_path, paced(0.0005), np.linspace(2.3, 2.2, COUNT)))
    assert "Raise the learning rate by 10, from 0.001 to 0.01," in finding.suggestion


def test_slow_steps_and_plateaus_are_judged_when_half_of_what_is_planned_is_made(tmp_path):
    for pace, loss in ((0.0005, np.linspace(2.3, 2.2, COUNT)), (0.1, FLAT)):
        run = recorded(tmp_path / str(pace), paced(pace), loss)
        run = dataclasses.replace(run, head=Head())
        assert len(diagnose(run)) == 1
        assert len(diagnose(dataclasses.replace(run, planned_step=599))) == 1
        assert diagnose(dataclasses.replace(run, planned_step=700)) == []


def test_a_gradient_that_was_spent_is_not_followed_too_slowly(tmp_path):
    # the loss stands far above 0 because of a constant in it
    stats = paced(0.0005)
    stats["gradient_norm"][50:] *= 0.1
    assert diagnose(recorded(tmp_path, stats, FLAT)) == []


def test_a_trained_network_that_stays_as_it_is_has_no_rate_too_low(tmp_path):
    stats = paced(0.0005)
    stats["update_ratio"][0], stats["weight_norm"][0] = 0.01, 1
    assert diagnose(recorded(tmp_path, stats, FLAT)) == []


def test_a_rate_that_still_rises_is_not_too_low(tmp_path):
    rates = np.linspace(1e-6, 1e-3, COUNT)
    run = recorded(tmp_path, paced(0.0005), FLAT, step_stats={"learning_rate": rates})
    assert diagnose(run) == []


def test_a_rate_that_falls_too_soon_is_named_as_that(tmp_path):
    rates = np.where(STEPS < 40, 0.1, 1e-5)
    stats = paced(0.05)
    stats["update_ratio"][39:] = 1e-7
    loss = np.concatenate([np.linspace(2.3, 2.0, 39), np.full(COUNT - 39, 2.0)])
    (finding,) = diagnose(recorded(tmp_path, stats, loss, step_stats={"learning_rate": rates}))
    assert (finding.rule, finding.first_step) == ("learning-rate-too-low", 40)
    assert finding.message.startswith("The learning rate falls too soon: at step 40 it is 1e-05")


def test_a_rate_that_falls_when_the_loss_has_is_right(tmp_path):
    rates = np.where(STEPS < 140, 0.1, 1e-5)
    stats = paced(0.05)
    stats["update_ratio"][139:] = 1e-7
    loss = np.concatenate([np.geomspace(2.3, 0.1, 139), np.full(COUNT - 139, 0.1)])
    assert diagnose(recorded(tmp_path, stats, loss, step_stats={"learning_rate": rates})) == []


@settings(max_examples=20)
@given(
    factor=st.sampled_from([1e-12, 1e-3, 7.0, 1e9]),
    pace=st.sampled_from([3.0, 0.0005, 0.05]),
)
def test_a_loss_in_other_units_gets_the_same_diagnosis(tmp_path_factory, factor, pace):
    run = recorded(tmp_path_factory.mktemp("run"), paced(pace), bouncing())
    scaled = {
        "gradient_norm",
        "gradient_norm_peak",
        "clipped_gradient_norm",
        "gradient_max",
        "m_rms",
    }
    scaled |= {"u_min", "u_mean", "u_max"}
    layers = {
        name: run.stat(name) * np.float32(factor if name in scaled else 1)
        for name in run.statistics
    }
    whole = {
        name: run.step_stat(name) * np.float32(factor if name in ("loss", "loss_peak") else 1)
        for name in ("loss", "loss_peak", "learning_rate", "skipped_steps", "loss_scale")
    }
    other = dataclasses.replace(run, _stats=Arrays(layers), _step_stats=Arrays(whole))
    assert [f.rule for f in diagnose(other)] == [f.rule for f in diagnose(run)]


# not-learning


def test_steps_that_promise_the_loss_several_times_and_bring_nothing_are_not_learning(tmp_path):
    run = recorded(tmp_path, paced(0.1), FLAT)
    (finding,) = diagnose(dataclasses.replace(run, head=Head()))
    assert (finding.rule, finding.severity) == ("not-learning", "warning")
    assert "labels" in finding.suggestion
    (finding,) = diagnose(run)  # a loop of one's own: perhaps another network works against it
    assert finding.severity == "info"


def test_a_trained_network_is_not_told_to_learn(tmp_path):
    stats = paced(0.1)
    stats["update_ratio"][0], stats["weight_norm"][0] = 0.01, 1
    assert diagnose(recorded(tmp_path, stats, FLAT)) == []


def test_what_another_rule_explains_is_not_called_not_learning(tmp_path):
    stats = paced(0.1)
    stats["nonfinite"][200:] = 1
    (finding,) = diagnose(recorded(tmp_path, stats, FLAT))
    assert finding.rule == "nonfinite"


# spike-stall


def spiked(at=10, height=1e4, beta_2=0.999, has=ADAMAX):
    """Gradients of entries near 1, but for one spike, and the second moment that follows from them."""
    stats = untrained(has)
    entries = np.ones(COUNT)
    entries[at - 1] = height
    second = np.empty(COUNT)
    u = 0.0
    for t, g in enumerate(entries):
        u = max(beta_2 * u, g) if "u" in has else beta_2 * u + (1 - beta_2) * g * g
        second[t] = u if "u" in has else np.sqrt(u)
    sizes = np.sqrt([32, 4, 12, 3])
    stats["gradient_norm"][:] = entries[:, None] * sizes
    stats["gradient_norm_peak"][:] = stats["gradient_norm"]
    stats["gradient_norm_peak_step"][:] = STEPS[:, None]
    for name in ("u_mean", "v_mean"):
        if name in stats:
            stats[name][:] = second[:, None]
    # the update is the first moment, which fades soon, over the second
    stats["update_ratio"][at - 1 :] = 1e-3 / second[at - 1 :, None]
    return stats


@pytest.mark.parametrize(("height", "beta_2"), [(1e3, 0.999), (1e4, 0.999), (1e4, 0.9995)])
def test_a_spike_stall_says_when_it_will_be_over(tmp_path, height, beta_2):
    """With u: ln(u / usual) / -ln(beta_2) updates after the spike, to one update."""
    run = recorded(tmp_path, spiked(height=height, beta_2=beta_2), FLAT, {"beta_2": beta_2})
    (finding,) = diagnose(run)
    assert (finding.rule, finding.layer, finding.first_step) == (
        "spike-stall",
        "dense_1/kernel",
        10,
    )
    usual = finding.evidence["usual_second_moment_over_gradient"]
    due = 10 + np.log(height / usual) / -np.log(beta_2)
    assert finding.evidence["recovery_step"] == pytest.approx(due, abs=1.5)
    assert f"until about step {finding.evidence['recovery_step']:,.0f}." in finding.message
    assert "global_clipnorm=" in finding.suggestion
    assert "beta_2=0.99 instead of" in finding.suggestion


def test_adams_second_moment_fades_twice_as_slowly(tmp_path):
    run = recorded(tmp_path, spiked(height=1e5, has=ADAM), FLAT, {"beta_2": 0.999}, has=ADAM)
    (finding,) = diagnose(run)
    now, usual = (
        finding.evidence[name]
        for name in ("second_moment_over_gradient", "usual_second_moment_over_gradient")
    )
    due = 300 + np.log(now / usual) / (-np.log(0.999) / 2)
    assert (finding.rule, finding.evidence["recovery_step"]) == (
        "spike-stall",
        pytest.approx(due, abs=1.5),
    )


def test_a_spike_that_the_loss_recovers_from_is_none(tmp_path):
    assert diagnose(recorded(tmp_path, spiked(), FALLING, {"beta_2": 0.999})) == []


def test_a_gradient_that_became_small_is_no_spike_at_the_beginning(tmp_path):
    stats = spiked()
    norms = np.geomspace(1e4, 1, COUNT)[:, None] * np.sqrt([32, 4, 12, 3])
    stats["gradient_norm"][:] = norms
    stats["gradient_norm_peak"][:] = norms
    found = diagnose(recorded(tmp_path, stats, FLAT, {"beta_2": 0.999}))
    assert "spike-stall" not in [f.rule for f in found]


# epsilon-dominated


def test_an_epsilon_above_the_second_moment_dominates(tmp_path):
    stats = paced(0.0005)
    run = recorded(tmp_path, stats, FLAT, {"epsilon": 10.0})
    (finding,) = diagnose(run)
    assert (finding.rule, finding.severity) == ("epsilon-dominated", "critical")
    assert "epsilon=10 is 10 times u" in finding.message
    assert "epsilon=1e-07" in finding.suggestion


def test_a_large_epsilon_with_a_rate_to_match_is_right(tmp_path):
    assert diagnose(recorded(tmp_path, paced(0.05), FALLING, {"epsilon": 10.0})) == []


# frozen-layer


def test_a_trainable_layer_without_any_gradient_is_frozen(tmp_path):
    stats = untrained()
    for values in stats.values():
        values[:, :2] = NOT_RECORDED
    loss = np.linspace(2.3, 1.6, COUNT)
    (finding,) = diagnose(recorded(tmp_path, stats, loss))
    assert (finding.rule, finding.severity, finding.layer) == (
        "frozen-layer",
        "warning",
        "dense_1/kernel",
    )
    assert "layer.trainable = False" in finding.suggestion


def test_a_layer_that_rounding_cuts_off_is_frozen_not_dead(tmp_path):
    stats = untrained()
    for name in ("gradient_norm", "gradient_norm_peak", "update_ratio"):
        stats[name][:, :2] = 0
    (finding,) = diagnose(recorded(tmp_path, stats, np.linspace(2.3, 1.6, COUNT)))
    assert (finding.rule, finding.layer) == ("frozen-layer", "dense_1/kernel")
    assert finding.consequences == ()


def test_a_network_that_learns_without_a_layer_is_told_so_quietly(tmp_path):
    stats = untrained()
    for values in stats.values():
        values[:, :2] = NOT_RECORDED
    (finding,) = diagnose(recorded(tmp_path, stats, FALLING))
    assert (finding.rule, finding.severity) == ("frozen-layer", "info")


# untouched-rows


def embedded(touched, has=ADAMAX):
    stats = untrained(has, layers=3)
    for name in ("u_zeros", "v_zeros", "gradient_zeros"):
        if name in stats:
            stats[name][:, 0] = 1 - touched / 100
    return stats


@pytest.mark.parametrize(
    ("has", "optimizer"), [(ADAMAX, "AdaMax"), (ADAM, "Adam"), ({"update"}, "SGD")]
)
def test_an_embedding_of_which_hardly_a_row_is_looked_up_is_untouched(tmp_path, has, optimizer):
    run = recorded(tmp_path, embedded(2, has), FLAT, layers=EMBEDDING, has=has, optimizer=optimizer)
    (finding,) = diagnose(run)
    assert (finding.rule, finding.severity, finding.layer) == (
        "untouched-rows",
        "critical",
        "embedding/embeddings",
    )
    assert finding.evidence["touched_rows"] == 2
    assert "98 of 100 rows" in finding.message


def test_a_vocabulary_that_is_larger_than_the_data_is_none(tmp_path):
    assert diagnose(recorded(tmp_path, embedded(2), FALLING, layers=EMBEDDING)) == []


def test_rows_that_are_looked_up_for_the_first_time_late_are_touched(tmp_path):
    stats = embedded(2)
    stats["u_zeros"][:, 0] = np.linspace(0.99, 0.9, COUNT)
    run = recorded(tmp_path, stats, FLAT, layers=EMBEDDING)
    assert "untouched-rows" not in [f.rule for f in diagnose(run)]


def test_a_vocabulary_of_which_much_occurs_is_none_while_something_is_learned(tmp_path):
    layers = (("embedding/embeddings", (1000, 8)), *EMBEDDING[1:])
    stats = embedded(15)  # percent: 150 rows
    run = recorded(tmp_path, stats, np.linspace(2.3, 1.3, COUNT), layers=layers)
    assert diagnose(run) == []


def test_rows_that_other_batches_look_up_are_touched(tmp_path):
    stats = embedded(2, {"update"})
    stats["gradient_zeros"][::2, 0] = 0.9
    run = recorded(tmp_path, stats, FLAT, layers=EMBEDDING, has={"update"}, optimizer="SGD")
    assert "untouched-rows" not in [f.rule for f in diagnose(run)]


def test_updates_that_were_never_recorded_promise_nothing_that_is_known(tmp_path):
    stats = untrained()
    stats["update_ratio"][:] = NOT_RECORDED
    run = recorded(tmp_path, stats, FLAT)
    assert not {f.rule for f in diagnose(run)} & {"learning-rate-too-low", "learning-rate-too-high"}


# wrong-loss

HIGH = np.concatenate([np.linspace(2.3, 2.15, 20), np.full(COUNT - 20, 2.15)])


def headed(tmp_path, loss_name, activation, loss, **more):
    run = recorded(tmp_path, paced(0.05), loss)
    head = Head(loss=loss_name, activation=activation, **{"units": 3, **more})
    return diagnose(dataclasses.replace(run, head=head))


@pytest.mark.parametrize(
    ("loss_name", "activation", "arguments", "remedy"),
    [
        ("binary_crossentropy", "softmax", {"units": 1}, "activation='sigmoid'"),
        ("SparseCategoricalCrossentropy", "linear", {}, "from_logits=True"),
        ("CategoricalCrossentropy", "relu", {"from_logits": True}, "activation=None"),
        ("categorical_crossentropy", "sigmoid", {}, "activation='softmax'"),
        ("mean_squared_error", "sigmoid", {"units": 1}, "activation=None"),
        ("MeanAbsoluteError", "relu", {"units": 1}, "activation=None"),
        (
            "SparseCategoricalCrossentropy",
            "softmax",
            {"from_logits": True, "backend": "jax"},
            "leave from_logits=True out",
        ),
        (
            "BinaryCrossentropy",
            "sigmoid",
            {"from_logits": True, "backend": "torch"},
            "activation=None",
        ),
    ],
)
def test_a_last_activation_that_does_not_fit_the_loss_is_named(
    tmp_path, loss_name, activation, arguments, remedy
):
    (finding,) = headed(tmp_path, loss_name, activation, HIGH, **arguments)
    assert (finding.rule, finding.severity, finding.layer) == (
        "wrong-loss",
        "critical",
        "dense_2/kernel",
    )
    assert remedy in finding.suggestion


@pytest.mark.parametrize(
    ("loss_name", "activation", "arguments"),
    [
        ("SparseCategoricalCrossentropy", "softmax", {}),
        ("SparseCategoricalCrossentropy", "linear", {"from_logits": True}),
        ("BinaryCrossentropy", "sigmoid", {}),
        ("SparseCategoricalCrossentropy", "softmax", {"from_logits": True}),
        ("BinaryCrossentropy", "sigmoid", {"from_logits": True, "backend": "tensorflow"}),
        ("mean_squared_error", "linear", {"units": 1}),
        ("by_hand", "sigmoid", {}),
        ("CategoricalCrossentropy", "", {}),
    ],
)
def test_a_last_activation_that_fits_the_loss_is_not(tmp_path, loss_name, activation, arguments):
    assert headed(tmp_path, loss_name, activation, HIGH, **arguments) == []


def test_what_may_fit_is_no_misfit_while_the_loss_falls(tmp_path):
    assert headed(tmp_path, "mean_squared_error", "sigmoid", FALLING) == []
    assert headed(tmp_path, "CategoricalCrossentropy", "sigmoid", FALLING) == []


def test_a_softmax_of_one_unit_is_wrong_however_the_loss_goes(tmp_path):
    (finding,) = headed(tmp_path, "binary_crossentropy", "softmax", FALLING, units=1)
    assert (finding.rule, finding.severity) == ("wrong-loss", "warning")


# bad-initialization


def test_weights_that_begin_far_too_large_are_named_by_their_layer(tmp_path):
    stats = paced(0.05)
    stats["weight_norm"][:, 2] = 30.0
    (finding,) = diagnose(recorded(tmp_path, stats, HIGH))
    assert (finding.rule, finding.severity, finding.layer) == (
        "bad-initialization",
        "critical",
        "dense_2/kernel",
    )
    assert finding.evidence["times_usual"] == pytest.approx(30 / np.sqrt(12) / np.sqrt(2 / 4))
    assert "12.2 times too large" in finding.message


def test_a_symptom_tells_of_what_the_model_was_built_with(tmp_path):
    stats = paced(3.0)
    stats["weight_norm"][:, 2] = 30.0
    stats["update_ratio"][0] = 0.01, 0.01, 0.01, 1.0
    (finding,) = diagnose(recorded(tmp_path, stats, bouncing()))
    assert finding.rule == "learning-rate-too-high"
    assert "Why: The weights of dense_2/kernel begin 12.2 times too large" in finding.message
    assert "kernel_initializer='he_normal'" in finding.suggestion


def test_odd_weights_with_which_a_network_learns_are_right(tmp_path):
    stats = paced(0.05)
    stats["weight_norm"][:, 2] = 30.0
    assert diagnose(recorded(tmp_path, stats, FALLING)) == []


def test_weights_that_the_first_update_changed_much_say_nothing_of_their_beginning(tmp_path):
    stats = paced(0.05)
    stats["weight_norm"][:, 2], stats["update_ratio"][0, 2] = 30.0, 0.5
    assert diagnose(recorded(tmp_path, stats, HIGH)) == []


def test_a_transposed_convolution_has_its_inputs_last(tmp_path):
    layers = (("conv2d_transpose/kernel", (3, 3, 1, 256)), ("conv2d_transpose/bias", (1,)))
    usual = np.sqrt(2 / (9 * 256)) * np.sqrt(9 * 256)  # He's deviation of so many weights
    for times in (1.0, 20.0):
        stats = untrained(layers=2)
        stats["weight_norm"][:, 0] = times * usual
        run = recorded(tmp_path / str(times), stats, HIGH, layers=layers)
        named = [f.rule for f in diagnose(run)]
        assert ("bad-initialization" in named) == (times > 1)


def test_a_loss_above_what_guessing_gives_is_bad_however_far_it_fell(tmp_path):
    stats = paced(0.5)
    stats["weight_norm"][:, 2] = 30.0
    run = recorded(tmp_path, stats, np.geomspace(150, 9, COUNT))
    assert diagnose(run) == []
    head = Head(loss="sparse_categorical_crossentropy", activation="softmax", units=3)
    (finding,) = diagnose(dataclasses.replace(run, head=head))
    assert (finding.rule, finding.severity) == ("bad-initialization", "warning")


def copies(spread=0.0):
    """Statistics of a layer whose units get the same gradient, but for a `spread` among them."""
    stats = paced(0.05)
    stats["clipped_gradient_norm"][:, 1] = 2 * (1 - spread)  # of 4 biases
    stats["gradient_max"][:, 1] = 1
    stats["gradient_max"][:, 3] = 0.9
    return stats


def test_units_that_are_copies_of_one_another_are_badly_initialized(tmp_path):
    (finding,) = diagnose(recorded(tmp_path, copies(), HIGH))
    assert (finding.rule, finding.layer) == ("bad-initialization", "dense_1/kernel")
    assert finding.message.startswith("All 4 units of dense_1 begin the same")


def test_units_that_differ_are_no_copies(tmp_path):
    assert diagnose(recorded(tmp_path, copies(spread=0.01), HIGH)) == []


# unscaled-inputs


@pytest.mark.parametrize("size", [200.0, 0.004])
def test_inputs_of_another_size_show_in_the_first_kernel(tmp_path, size):
    stats = paced(0.05)
    stats["gradient_norm"][:, 0] = size * np.sqrt(32 / 4)  # of (8, 4) weights and 4 biases
    stats["update_ratio"][1:, 0] *= 0.01
    loss = np.linspace(2.3, 1.3, COUNT)
    run = recorded(tmp_path, stats, loss)
    (finding,) = diagnose(dataclasses.replace(run, head=Head()))
    assert (finding.rule, finding.layer) == ("unscaled-inputs", "dense_1/kernel")
    assert finding.evidence["input_size"] == pytest.approx(size, rel=0.01)
    assert "Normalization" in finding.suggestion


def test_large_inputs_that_a_network_copes_with_are_right(tmp_path):
    stats = paced(0.05)
    stats["gradient_norm"][:, 0] = 200.0
    stats["update_ratio"][1:, 0] *= 0.005
    assert diagnose(recorded(tmp_path, stats, FALLING)) == []


def test_a_bias_without_any_gradient_says_nothing_of_the_inputs(tmp_path):
    stats = paced(0.05)
    stats["gradient_norm"][:, 1] = 1e-9
    run = recorded(tmp_path, stats, HIGH)
    assert diagnose(dataclasses.replace(run, head=Head())) == []


def test_inputs_that_are_mostly_0_are_not_too_small(tmp_path):
    stats = paced(0.05)
    stats["gradient_norm"][:, 0] = 0.004 * np.sqrt(0.1 * 32 / 4)
    stats["gradient_zeros"][:, 0] = 0.9
    run = dataclasses.replace(recorded(tmp_path, stats, HIGH), head=Head())
    assert "unscaled-inputs" not in [f.rule for f in diagnose(run)]


def test_in_a_loop_of_ones_own_the_inputs_are_not_judged(tmp_path):
    stats = paced(0.05)
    stats["gradient_norm"][:, 0] = 200.0
    stats["update_ratio"][1:, 0] *= 0.005
    assert "unscaled-inputs" not in [f.rule for f in diagnose(recorded(tmp_path, stats, HIGH))]


# a gradient that went away


def test_kernels_whose_gradient_goes_away_while_the_loss_stands_are_saturated(tmp_path):
    stats = paced(0.05)
    stats["gradient_norm"][100:, [0, 1, 2]] = 1e-3
    (finding,) = diagnose(recorded(tmp_path, stats, FLAT))
    assert (finding.rule, finding.layer, finding.first_step) == (
        "vanishing-gradient",
        "dense_2/kernel",
        101,
    )
    assert "vanishes over time" in finding.message


def test_a_network_that_has_learned_all_has_no_dead_units(tmp_path):
    stats = paced(0.05)
    for name in ("gradient_norm", "gradient_norm_peak", "update_ratio"):
        stats[name][150:] = 0
    assert diagnose(recorded(tmp_path, stats, np.maximum(FALLING - 0.5, 0))) == []


def test_a_search_for_the_loss_scale_that_takes_most_batches_is_said(tmp_path):
    skipped = np.where(STEPS == 1, 105.0, 0.0)
    whole = {"skipped_steps": skipped, "loss_scale": np.full(COUNT, 2.0**10)}
    run = recorded(tmp_path, paced(0.05), FALLING, step_stats=whole)
    (finding,) = diagnose(run)
    assert (finding.rule, finding.severity) == ("skipped-steps", "warning")
    assert "105 of 106 batches (99 %) before the first update" in finding.message
    assert "initial_scale=2.0**15" in finding.suggestion
    settled = np.where(STEPS == 1, 20.0, 0.0)
    whole["skipped_steps"] = settled
    assert diagnose(recorded(tmp_path / "settled", paced(0.05), FALLING, step_stats=whole)) == []
