import json

import numpy as np
import pytest
from synthetic import write_run

from adamax_tb import diagnose, read_runs
from adamax_tb.rules import finding_json, loss_course, verdict

STEPS = list(range(1, 101))
FLAT = np.full(100, 2.3)
RISING = np.concatenate([np.linspace(2, 1, 60), np.geomspace(1, 1e6, 40)])


def recorded(tmp_path, stats=None, loss=None, **kwargs):
    write_run(tmp_path / "run", STEPS, stats, loss, **kwargs)
    return read_runs(tmp_path)["run"]


def ones(value=1.0):
    return np.full((100, 4), value, np.float32)


def gradient(norms):
    return {"gradient_norm": norms, "gradient_norm_peak": norms.copy()}


def growing():
    norms = ones()
    norms[60:, 2] = 10.0 ** np.linspace(0.5, 8, 40)
    return gradient(norms)


def rules_of(run):
    return [(f.rule, f.severity, f.layer) for f in diagnose(run)]


def test_an_uneventful_run_has_no_finding(tmp_path):
    assert diagnose(recorded(tmp_path)) == []


def test_a_nan_is_found_where_backpropagation_met_it_first(tmp_path):
    counts = ones(0)
    counts[40:, :3] = 5
    (finding,) = diagnose(recorded(tmp_path, {"nonfinite": counts}))
    assert (finding.rule, finding.severity, finding.layer) == (
        "nonfinite",
        "critical",
        "dense_2/kernel",
    )
    assert (finding.first_step, finding.last_step) == (41, 100)
    assert finding.evidence["nonfinite"] == 5
    assert finding.evidence["layers"] == 3
    assert "dense_2/kernel" in finding.message


@pytest.mark.parametrize("gradient_too", [True, False])
def test_weights_that_an_update_turned_into_nan_are_its_doing(tmp_path, gradient_too):
    weights, counts = ones(), ones(0)
    weights[40:, 1:] = np.nan
    counts[41:] = 5 * gradient_too
    run = recorded(tmp_path, {"weight_norm": weights, "nonfinite": counts})
    (finding,) = diagnose(run)
    assert (finding.rule, finding.severity, finding.layer) == (
        "nonfinite",
        "critical",
        "dense_1/bias",
    )
    assert (finding.first_step, finding.last_step) == (41, 100)
    assert "update of step 41 turns weights of 3 of 4 layers" in finding.message
    assert ("From step 42" in finding.message) == gradient_too
    assert "0.001" in finding.suggestion


def test_weights_that_follow_a_nan_of_the_gradient_are_not_the_optimizers_doing(tmp_path):
    weights, counts = ones(), ones(0)
    weights[40:] = np.nan
    counts[40:, 3] = 1
    (finding,) = diagnose(recorded(tmp_path, {"weight_norm": weights, "nonfinite": counts}))
    assert finding.message.startswith("The gradient is NaN or infinite in 1 of 4 layers")


def test_a_norm_that_overflows_is_no_nan(tmp_path):
    peaks = ones()
    peaks[50, 0] = np.inf
    assert "nonfinite" not in [
        f.rule for f in diagnose(recorded(tmp_path, {"gradient_norm_peak": peaks}))
    ]


def test_a_nan_between_two_records_is_found_by_its_norm(tmp_path):
    peaks = ones()
    peaks[50, 0] = np.nan
    assert rules_of(recorded(tmp_path, {"gradient_norm_peak": peaks})) == [
        ("nonfinite", "critical", "dense_1/kernel")
    ]


def test_a_gradient_that_grows_while_the_loss_suffers_explodes(tmp_path):
    loss = np.concatenate([np.linspace(2, 1, 60), np.geomspace(1, 1e6, 40)])
    (finding,) = diagnose(recorded(tmp_path, growing(), loss))
    assert (finding.rule, finding.severity, finding.layer) == (
        "exploding-gradient",
        "critical",
        "dense_2/kernel",
    )
    assert 61 < finding.first_step < 80
    assert finding.evidence["growth"] >= 100
    assert finding.evidence["usual_gradient_norm"] == pytest.approx(1, rel=2)


def test_the_same_growth_is_fine_while_the_loss_falls(tmp_path):
    assert diagnose(recorded(tmp_path, growing(), np.linspace(2, 0.1, 100))) == []


def test_the_same_growth_without_a_known_loss_is_a_warning(tmp_path):
    assert rules_of(recorded(tmp_path, growing(), np.full(100, np.nan))) == [
        ("exploding-gradient", "warning", "dense_2/kernel")
    ]


def test_one_spike_that_passes_is_no_explosion(tmp_path):
    peaks = ones()
    peaks[50] = 1e6
    assert diagnose(recorded(tmp_path, {"gradient_norm_peak": peaks}, FLAT)) == []


@pytest.mark.parametrize("factor", [1e-30, 1.0, 1e30])
def test_an_explosion_is_judged_without_regard_to_units(tmp_path, factor):
    norms = growing()["gradient_norm"] * np.float32(factor)
    assert rules_of(recorded(tmp_path, gradient(norms), RISING)) == [
        ("exploding-gradient", "critical", "dense_2/kernel")
    ]


def test_a_gradient_that_leaves_a_plateau_has_not_exploded(tmp_path):
    assert diagnose(recorded(tmp_path, growing(), FLAT)) == []


def test_growth_within_a_gradients_usual_scatter_is_no_explosion(tmp_path):
    # a converged network on tiny batches: norms and losses over many orders of magnitude
    rng = np.random.default_rng(0)
    norms = np.exp(rng.normal(-8, 4, (100, 4))).astype(np.float32)
    assert diagnose(recorded(tmp_path, gradient(norms), np.exp(rng.normal(-12, 4, 100)))) == []


def test_an_explosion_that_passed_is_none(tmp_path):
    stats = growing()
    stats["gradient_norm_peak"][85:] = 1
    assert diagnose(recorded(tmp_path, stats, RISING)) == []


def test_an_explosion_beyond_float32_is_spelled_as_such(tmp_path):
    stats = growing()
    stats["gradient_norm_peak"][80:, 2] = np.inf
    (finding,) = diagnose(recorded(tmp_path, stats, RISING))
    assert finding.evidence["largest_growth"] == np.inf
    assert "later beyond the range of float32" in finding.message


def test_a_gradient_that_is_tiny_in_early_layers_vanishes(tmp_path):
    norms = ones()
    norms[:, 0] = 1e-7
    (finding,) = diagnose(recorded(tmp_path, gradient(norms), FLAT))
    assert (finding.rule, finding.severity, finding.layer) == (
        "vanishing-gradient",
        "critical",
        "dense_1/kernel",
    )
    assert (finding.first_step, finding.last_step) == (1, 100)
    assert finding.evidence["part_of_strongest"] < 1e-6


def test_a_tiny_gradient_is_fine_while_the_loss_falls(tmp_path):
    norms = ones()
    norms[:, 0] = 1e-7
    assert diagnose(recorded(tmp_path, gradient(norms))) == []


def test_a_tiny_gradient_in_the_last_layer_does_not_vanish_backwards(tmp_path):
    norms = ones()
    norms[:, 2] = 1e-7
    assert diagnose(recorded(tmp_path, gradient(norms), FLAT)) == []


def dead(layers, since=30, fraction=1.0):
    values = ones(0)
    values[since:, layers] = fraction
    return {"dead_units": values}


def test_a_dead_layer_is_named_not_the_one_that_starves_behind_it(tmp_path):
    # dense_2's kernel gets no input, its bias still has a gradient
    (finding,) = diagnose(recorded(tmp_path, dead([0, 1, 2]), FLAT))
    assert (finding.rule, finding.severity, finding.layer) == (
        "dead-units",
        "critical",
        "dense_1/kernel",
    )
    assert finding.first_step == 31
    assert "4 of 4 units" in finding.message


def test_of_layers_that_are_dead_as_a_whole_the_last_is_named(tmp_path):
    assert rules_of(recorded(tmp_path, dead([0, 1, 2, 3]), FLAT)) == [
        ("dead-units", "critical", "dense_2/kernel")
    ]


def test_dead_units_are_a_remark_while_the_loss_falls(tmp_path):
    assert rules_of(recorded(tmp_path, dead([0, 1], fraction=0.75))) == [
        ("dead-units", "info", "dense_1/kernel")
    ]


def test_few_dead_units_are_not_worth_a_word(tmp_path):
    assert diagnose(recorded(tmp_path, dead([0, 1], fraction=0.25), FLAT)) == []


def test_units_that_came_back_are_not_dead(tmp_path):
    stats = dead([0, 1])
    stats["dead_units"][-1] = 0
    assert diagnose(recorded(tmp_path, stats, FLAT)) == []


def test_a_layer_that_starves_because_units_died_has_not_a_vanishing_gradient(tmp_path):
    norms = ones()
    norms[:, 0] = 0
    stats = {**dead([0, 1], since=0), **gradient(norms)}
    assert rules_of(recorded(tmp_path, stats, FLAT)) == [
        ("dead-units", "critical", "dense_1/kernel")
    ]


def test_a_run_of_one_record_is_judged_without_error(tmp_path):
    write_run(tmp_path / "run", [1])
    assert diagnose(read_runs(tmp_path)["run"]) == []


def test_a_run_where_nothing_is_known_is_judged_without_error(tmp_path):
    stats = {name: ones(np.nan) for name in ("gradient_norm", "dead_units", "nonfinite")}
    diagnose(recorded(tmp_path, stats, np.full(100, np.nan)))


def test_an_adam_run_is_judged_by_the_same_rules(tmp_path):
    loss = np.concatenate([np.linspace(2, 1, 60), np.geomspace(1, 1e6, 40)])
    run = recorded(tmp_path, growing(), loss, states="m", optimizer="Adam")
    assert rules_of(run) == [("exploding-gradient", "critical", "dense_2/kernel")]
    assert "Adam(" in diagnose(run)[0].suggestion


def test_critical_findings_come_first_then_the_earliest(tmp_path):
    counts = ones(0)
    counts[20:, 0] = 1
    counts[:80] = 0
    found = diagnose(recorded(tmp_path, {**growing(), "nonfinite": counts}, RISING))
    assert [f.rule for f in found] == ["exploding-gradient", "nonfinite"]
    assert verdict(found) == "critical"
    assert verdict([]) == "healthy"


def test_a_finding_is_valid_json_whatever_its_numbers(tmp_path):
    stats = growing()
    stats["gradient_norm_peak"][80:] = np.inf
    loss = np.concatenate([np.linspace(2, 1, 60), np.full(40, np.nan)])
    for finding in diagnose(recorded(tmp_path, stats, loss)):
        text = json.dumps(finding_json(finding), allow_nan=False)
        assert set(json.loads(text)) == {
            "rule", "severity", "layer", "first_step", "last_step", "message", "evidence", "suggestion",
        }  # fmt: skip


def test_a_loss_that_gave_back_what_it_had_gained_was_not_learned(tmp_path):
    loss = np.concatenate([np.linspace(2.6, 0.1, 60), np.full(40, 2.3)])
    course = loss_course(recorded(tmp_path, loss=loss))
    assert course.best == pytest.approx(0.1, abs=0.2)
    assert course.gave_back
    assert course.suffered
    assert not course.learned


def test_what_follows_a_nan_is_its_doing(tmp_path):
    counts, norms = ones(0), ones()
    counts[2:] = 1
    norms[3:, 0] = 1e-7
    stats = {"nonfinite": counts, **gradient(norms)}
    assert [f.rule for f in diagnose(recorded(tmp_path, stats, FLAT))] == ["nonfinite"]


def test_a_vanishing_network_that_learned_the_mean_and_stands_still_is_a_warning(tmp_path):
    norms = ones()
    norms[:, 0] = 1e-7
    loss = np.concatenate([np.linspace(38, 9.2, 30), np.full(70, 9.2)])
    (finding,) = diagnose(recorded(tmp_path, gradient(norms), loss))
    assert (finding.rule, finding.severity) == ("vanishing-gradient", "warning")
    assert "stands still" in finding.message


def test_a_run_without_the_statistics_it_takes_is_not_judged(tmp_path):
    write_run(tmp_path / "run", STEPS, only=("m_rms",))
    assert diagnose(read_runs(tmp_path)["run"]) == []
