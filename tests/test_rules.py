import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from synthetic import ADAM, write_run

from adamax_tb import diagnose, read_runs, rules, schema
from adamax_tb.rules import finding_json, loss_course, notes, verdict

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
    stats = gradient(growing()["gradient_norm"] * np.float32(1e-8))
    assert diagnose(recorded(tmp_path, stats, FLAT)) == []


def test_growth_within_a_gradients_usual_scatter_is_no_explosion(tmp_path):
    # a converged network on tiny batches: norms and losses over many orders of magnitude
    rng = np.random.default_rng(0)
    norms = np.exp(rng.normal(-8, 4, (100, 4))).astype(np.float32)
    assert diagnose(recorded(tmp_path, gradient(norms), np.exp(rng.normal(-12, 4, 100)))) == []


def test_an_explosion_that_passed_is_none(tmp_path):
    stats = growing()
    stats["gradient_norm_peak"][85:] = 1
    assert "exploding-gradient" not in [f.rule for f in diagnose(recorded(tmp_path, stats, RISING))]


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
    (finding,) = diagnose(recorded(tmp_path, gradient(norms), FLAT))
    assert finding.rule == "vanishing-gradient"
    assert "on its way forward: what reaches dense_2/kernel" in finding.message


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
    assert "All 4 units" in finding.message


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
    run = recorded(tmp_path, growing(), loss, has=ADAM, optimizer="Adam")
    assert rules_of(run) == [("exploding-gradient", "critical", "dense_2/kernel")]
    assert "Adam(" in diagnose(run)[0].suggestion


def test_an_explosion_that_ends_in_nan_is_one_story(tmp_path):
    counts = ones(0)
    counts[80:, 0] = 1
    found = diagnose(recorded(tmp_path, {**growing(), "nonfinite": counts}, RISING))
    assert [f.rule for f in found] == ["exploding-gradient"]
    assert [f.rule for f in found[0].consequences] == ["nonfinite"]
    assert found[0].first_step < found[0].consequences[0].first_step == 81
    assert verdict(found) == "critical"
    assert verdict([]) == "healthy"


def test_a_finding_is_valid_json_whatever_its_numbers(tmp_path):
    stats = growing()
    stats["gradient_norm_peak"][80:] = np.inf
    loss = np.concatenate([np.linspace(2, 1, 60), np.full(40, np.nan)])
    for finding in diagnose(recorded(tmp_path, stats, loss)):
        text = json.dumps(finding_json(finding), allow_nan=False)
        assert set(json.loads(text)) == {f.name for f in dataclasses.fields(finding)}


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


TENS = list(range(10, 101, 10))


def flown(tmp_path, flight, steps=TENS, stats=None, **kwargs):
    """Returns a run with a flight record, of ten records by default."""
    rows = {name: np.full((len(steps), 4), value) for name, value in (stats or {}).items()}
    loss = kwargs.pop("loss", np.linspace(2, 1, len(steps)))
    write_run(tmp_path / "run", steps, rows, loss, flight=flight, **kwargs)
    return read_runs(tmp_path)["run"]


def norms_with(count, **columns):
    """Returns (count, 4) gradient norms of 1, but for the `columns` "l0" to "l3"."""
    norms = np.ones((count, 4))
    for name, values in columns.items():
        norms[:, int(name[1])] = values
    return norms


def test_a_nan_after_the_last_record_is_found_in_the_flight(tmp_path):
    norms = norms_with(20)
    norms[16:, :3] = np.nan
    norms[17:] = np.nan
    run = flown(tmp_path, {"steps": range(101, 121), "gradient_norm": norms, "loss": range(20)})
    (finding,) = diagnose(run)
    assert (finding.rule, finding.severity, finding.layer) == (
        "nonfinite",
        "critical",
        "dense_2/kernel",
    )
    assert (finding.first_step, finding.last_step) == (117, 120)
    assert "in 3 of 4 layers since step 117" in finding.message
    assert finding.message.endswith("At step 116 all entries were finite.")
    assert finding.evidence["loss"] == 16
    assert finding.evidence["layers"] == 3
    assert finding.evidence["learning_rate"] == pytest.approx(0.001)


def test_a_nan_between_two_records_is_placed_by_the_flight(tmp_path):
    peaks = np.ones((10, 4), np.float32)
    peaks[6:, 1:3] = np.nan
    norms = norms_with(20, l1=[1.0] * 4 + [np.nan] * 16, l2=[1.0] * 9 + [np.nan] * 11)
    write_run(
        tmp_path / "run",
        TENS,
        {"gradient_norm_peak": peaks},
        flight={"steps": range(61, 81), "gradient_norm": norms},
    )
    (finding,) = diagnose(read_runs(tmp_path)["run"])
    assert (finding.layer, finding.first_step, finding.last_step) == ("dense_1/bias", 65, 100)


def test_how_the_gradient_grew_before_it_was_lost_is_said(tmp_path):
    growing = [*[2.9, 3.3, 3.1] * 6, *np.geomspace(3.1, 2.4e18, 12)[1:], np.nan]
    steps = range(101, 101 + len(growing))
    lost = [1.0] * (len(growing) - 1) + [np.nan]
    run = flown(tmp_path, {"steps": steps, "gradient_norm": norms_with(30, l2=growing, l0=lost)})
    (story,) = diagnose(run)
    (finding,) = story.consequences
    assert (story.rule, story.layer, story.first_step) == (
        "exploding-gradient",
        "dense_2/kernel",
        119,
    )
    assert "within 12 updates it grows from 3.1 to 2.4e+18" in story.message
    assert (finding.rule, finding.layer, finding.first_step) == (
        "nonfinite",
        "dense_2/kernel",
        130,
    )
    assert "In the 12 updates before, its gradient grew from 3.1 to 2.4e+18." in finding.message
    assert finding.evidence["growth_before"] == pytest.approx(2.4e18 / 3.1)
    assert finding.evidence["gradient_norm_before"] == pytest.approx(2.4e18)
    assert "at step 130 it is 0.001; try 0.0001. And clip: " in finding.suggestion


@pytest.mark.parametrize("factor", [1e-20, 1.0, 1e15])
def test_a_gradient_that_was_lost_at_once_did_not_grow(tmp_path, factor):
    noise = np.exp(np.random.default_rng(0).normal(0, 0.3, 30)) * factor
    run = flown(
        tmp_path,
        {"steps": range(101, 131), "gradient_norm": norms_with(30, l3=[*noise[:29], np.nan])},
    )
    (finding,) = diagnose(run)
    assert "grew" not in finding.message
    assert finding.evidence["growth_before"] < 10
    assert "did not grow much" in finding.suggestion
    assert "step 130" in finding.suggestion


def test_growth_beyond_float32_is_spelled_as_such(tmp_path):
    grown = [1.0, 1e10, 1e30, np.inf, np.nan]
    stats = np.ones((11, 4), np.float32)
    stats[10, 3] = np.inf  # the record of update 104, whose entries are finite
    write_run(
        tmp_path / "run",
        [*TENS, 104],
        {"gradient_norm_peak": stats},
        flight={"steps": range(101, 106), "gradient_norm": norms_with(5, l3=grown)},
    )
    (story,) = diagnose(read_runs(tmp_path)["run"])
    (finding,) = [f for f in story.consequences if f.rule == "nonfinite"]
    assert finding.first_step == 105
    assert "In the 4 updates before, its gradient grew from 1 beyond" in finding.message


def test_growth_is_told_of_the_updates_right_before_only(tmp_path):
    steps = [*range(101, 106), *range(201, 206)]
    norms = norms_with(10, l3=[1, 1, 1, 1, 1, 1e6, 1e6, 1e6, 1e6, np.nan])
    run = flown(tmp_path, {"steps": steps, "gradient_norm": norms})
    (finding,) = diagnose(run)
    assert finding.first_step == 205
    assert "grew" not in finding.message
    lost_first = norms_with(5, l3=[np.nan, 1, 1, 1, 1])
    run = flown(tmp_path / "b", {"steps": range(101, 106), "gradient_norm": lost_first})
    (finding,) = diagnose(run)
    assert finding.first_step == 101
    assert "growth_before" not in finding.evidence
    assert "At step 100 all entries were finite." in finding.message
    counts = ones(0)
    counts[40:] = 1
    grown = {"steps": range(20, 30), "gradient_norm": norms_with(10, l3=np.geomspace(1, 1e6, 10))}
    (finding,) = diagnose(recorded(tmp_path / "c", {"nonfinite": counts}, flight=grown))
    assert finding.first_step == 41
    assert "growth_before" not in finding.evidence


def test_a_record_before_the_flight_is_the_first(tmp_path):
    counts = ones(0)
    counts[40:, 0] = 5
    flight = {"steps": range(91, 101), "gradient_norm": np.full((10, 4), np.nan)}
    (finding,) = diagnose(recorded(tmp_path, {"nonfinite": counts}, flight=flight))
    assert (finding.layer, finding.first_step, finding.last_step) == ("dense_1/kernel", 41, 100)
    assert finding.evidence["nonfinite"] == 5
    assert "At step 40 all entries were finite." in finding.message


def test_a_flight_tells_what_came_before_the_record_of_the_nan(tmp_path):
    counts = np.zeros((11, 4), np.float32)
    counts[10] = 5
    write_run(
        tmp_path / "run",
        [*TENS, 107],
        {"nonfinite": counts},
        flight={
            "steps": range(101, 108),
            "gradient_norm": norms_with(7, l3=[1, 2, 30, 400, 5e3, 6e4, np.nan]),
        },
    )
    (story,) = diagnose(read_runs(tmp_path)["run"])
    (finding,) = story.consequences
    assert (story.rule, finding.rule) == ("exploding-gradient", "nonfinite")
    assert (finding.layer, finding.first_step) == ("dense_2/bias", 107)
    assert finding.evidence["nonfinite"] == 5
    assert "At step 106 all entries were finite. In the 5 updates before" in finding.message
    assert "grew from 2 to 60,000" in finding.message


def test_an_infinite_norm_of_a_flight_is_no_nan_if_the_record_counts_none(tmp_path):
    norms = norms_with(10, l3=[1, 1, 1, np.inf, np.inf, *[1] * 5])
    peaks = np.ones((11, 4), np.float32)
    peaks[10, 3] = np.inf  # the record of update 104 says: the norm overflows, no entry does
    write_run(
        tmp_path / "run",
        [*TENS, 104],
        {"gradient_norm_peak": peaks},
        flight={"steps": range(101, 111), "gradient_norm": norms},
    )
    assert "nonfinite" not in [f.rule for f in diagnose(read_runs(tmp_path)["run"])]
    run = flown(tmp_path / "b", {"steps": range(101, 111), "gradient_norm": norms})
    assert [(f.rule, f.first_step) for f in diagnose(run)] == [("nonfinite", 104)]


def test_an_infinite_norm_between_records_is_no_nan_if_the_weights_stay_finite(tmp_path):
    norms = norms_with(10, l3=[1, 1, 1, np.inf, 1, 1, 1, 1, 1, 1])
    for count, found in ((0, []), (5, [("nonfinite", 94)])):
        peaks, counts = np.ones((10, 4), np.float32), np.zeros((10, 4), np.float32)
        peaks[9, 3], counts[9, 3] = np.inf, count
        directory = tmp_path / str(count)
        flight = {"steps": range(91, 101), "gradient_norm": norms}
        write_run(
            directory / "run",
            TENS,
            {"gradient_norm_peak": peaks, "nonfinite": counts},
            flight=flight,
        )
        findings = diagnose(read_runs(directory)["run"])
        assert [(f.rule, f.first_step) for f in findings if f.rule == "nonfinite"] == found


def test_a_nan_of_a_flight_that_the_next_record_does_not_know_is_of_a_replaced_past(tmp_path):
    norms = norms_with(9, l3=[*[1] * 6, np.nan, np.nan, np.nan])
    losses = [*[1] * 6, np.nan, np.inf, 1]
    flight = {"steps": range(51, 60), "gradient_norm": norms, "loss": losses}
    write_run(tmp_path / "run", TENS[:5], flight={**flight, "reason": "nonfinite loss"})
    assert diagnose(read_runs(tmp_path)["run"])[0].first_step == 57
    write_run(tmp_path / "run", TENS[5:])  # resumed at 50; the flight is older than record 60
    run = read_runs(tmp_path)["run"]
    assert diagnose(run) == []


def test_a_variable_without_a_gradient_in_a_flight_is_not_nan(tmp_path):
    norms = norms_with(5).astype(np.float32)
    norms[:, 1] = schema.NOT_RECORDED
    assert diagnose(flown(tmp_path, {"steps": range(101, 106), "gradient_norm": norms})) == []


@pytest.mark.parametrize(("first_bad", "cause"), [(41, "update"), (40, "gradient")])
def test_who_ruined_the_weights_is_decided_by_who_came_first(tmp_path, first_bad, cause):
    # every tenth update has a record; that of 40 has weights that are NaN
    weights, peaks = np.ones((10, 4), np.float32), np.ones((10, 4), np.float32)
    weights[3:], peaks[4:] = np.nan, np.nan
    if first_bad == 40:
        peaks[3] = np.nan
    norms = norms_with(10)
    norms[first_bad - 35 :] = np.nan
    write_run(
        tmp_path / "run",
        TENS,
        {"weight_norm": weights, "gradient_norm_peak": peaks},
        flight={"steps": range(35, 45), "gradient_norm": norms},
    )
    (finding,) = diagnose(read_runs(tmp_path)["run"])
    assert finding.first_step == 40
    if cause == "update":
        assert "update of step 40 turns weights" in finding.message
        assert "From step 41 on" in finding.message
    else:
        assert finding.message.startswith("The gradient is NaN or infinite in 4 of 4")


def lost_at(first, last=100, value=np.nan, loss=None):
    losses = np.linspace(2, 1, 100) if loss is None else loss.copy()
    losses[first - 1 : last] = value
    return losses


@pytest.mark.parametrize(
    ("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")]
)
def test_a_loss_that_is_lost_while_the_gradients_are_finite_is_found(tmp_path, value, word):
    (finding,) = diagnose(recorded(tmp_path, loss=lost_at(61, value=value)))
    assert (finding.rule, finding.severity, finding.layer) == ("nonfinite", "critical", None)
    assert (finding.first_step, finding.last_step) == (61, 100)
    assert finding.message == (
        f"The loss is {word} at step 61, while all gradients are finite. At step 60 it was 1.4."
    )
    assert np.isclose(finding.evidence["loss"], value, equal_nan=True)
    json.dumps(finding_json(finding), allow_nan=False)


def test_a_loss_that_was_lost_for_a_moment_is_a_warning(tmp_path):
    (finding,) = diagnose(recorded(tmp_path, loss=lost_at(61, 63)))
    assert (finding.severity, finding.first_step, finding.last_step) == ("warning", 61, 63)
    assert finding.message.endswith("At step 100 it is finite again.")
    (finding,) = diagnose(recorded(tmp_path / "flat", loss=lost_at(61, 63, np.inf, RISING)))
    assert finding.severity == "critical"


def test_a_loss_that_was_never_known_is_not_nan(tmp_path):
    assert diagnose(recorded(tmp_path, loss=np.full(100, np.nan))) == []
    late = lost_at(1, 50)  # the callback came to know it in the second fit
    assert diagnose(recorded(tmp_path / "late", loss=late)) == []
    flight = {"steps": range(101, 111), "loss": np.full(10, np.nan)}
    run = recorded(tmp_path / "flown", loss=np.full(100, np.nan), flight=flight)
    assert diagnose(run) == []


def test_a_loss_that_was_not_recorded_is_not_nan(tmp_path):
    losses = lost_at(61, value=schema.NOT_RECORDED, loss=np.linspace(2, 1, 100).astype(np.float32))
    write_run(
        tmp_path / "run", STEPS, step_stats={"loss": losses, "loss_peak": losses.astype(np.float32)}
    )
    assert diagnose(read_runs(tmp_path)["run"]) == []


def test_a_loss_that_is_nan_from_the_first_update_is_known_by_its_flight(tmp_path):
    flight = {"steps": [1], "loss": [np.nan], "reason": "nonfinite loss"}
    write_run(tmp_path / "run", [1], loss=[np.nan], flight=flight)
    (finding,) = diagnose(read_runs(tmp_path)["run"])
    assert (finding.rule, finding.severity, finding.first_step) == ("nonfinite", "critical", 1)
    assert finding.message == "The loss is NaN at step 1, while all gradients are finite."


def test_a_loss_lost_between_two_records_is_found_by_its_peak(tmp_path):
    loss = np.linspace(2, 1, 10)
    peaks = loss.copy()
    peaks[6] = np.inf
    write_run(tmp_path / "run", TENS, loss=loss, step_stats={"loss_peak": peaks})
    (finding,) = diagnose(read_runs(tmp_path)["run"])
    assert (finding.severity, finding.layer, finding.first_step) == ("warning", None, 70)
    assert "infinite between steps 60 and 70, while" in finding.message
    assert "At step 60 it was 1.44." in finding.message
    flight = {"steps": range(61, 71), "loss": [1.4] * 4 + [np.inf] + [1.4] * 5}
    write_run(tmp_path / "flown", TENS, loss=loss, step_stats={"loss_peak": peaks}, flight=flight)
    (finding,) = diagnose(read_runs(tmp_path)["flown"])
    assert finding.first_step == 65
    assert "infinite at step 65, while" in finding.message


def test_a_loss_lost_after_the_last_record_is_found_in_the_flight(tmp_path):
    flight = {"steps": range(101, 111), "loss": [1.0] * 7 + [np.nan] * 3, "reason": "exception"}
    (finding,) = diagnose(recorded(tmp_path, flight=flight))
    assert (finding.severity, finding.first_step, finding.last_step) == ("critical", 108, 110)
    flight["loss"] = [np.nan] * 10
    (finding,) = diagnose(recorded(tmp_path / "b", flight=flight))
    assert finding.first_step == 101


def test_a_loss_that_was_lost_before_the_gradient_is_part_of_its_finding(tmp_path):
    counts = ones(0)
    counts[70:, 3] = 1
    (finding,) = diagnose(recorded(tmp_path, {"nonfinite": counts}, lost_at(61, value=np.inf)))
    assert (finding.layer, finding.first_step) == ("dense_2/bias", 71)
    assert "The loss is infinite at step 61 already." in finding.message
    (finding,) = diagnose(recorded(tmp_path / "b", {"nonfinite": counts}, lost_at(71)))
    assert "already" not in finding.message


def test_a_loss_that_an_explosion_took_beyond_float32_is_its_doing(tmp_path):
    loss = lost_at(90, value=np.inf, loss=RISING)
    assert rules_of(recorded(tmp_path, growing(), loss)) == [
        ("exploding-gradient", "critical", "dense_2/kernel")
    ]
    loss[4] = np.nan  # before it
    found = rules_of(recorded(tmp_path / "b", growing(), loss))
    assert [rule for rule, _, _ in found] == ["nonfinite", "exploding-gradient"]


def test_what_follows_a_loss_that_was_lost_is_judged(tmp_path):
    found = rules_of(recorded(tmp_path, dead([0, 1]), lost_at(5, 6, loss=FLAT)))
    assert found == [("dead-units", "critical", "dense_1/kernel"), ("nonfinite", "warning", None)]


def scaled(tmp_path, skipped, every=10, scale=1024.0, loss=None):
    """Returns a run with a record of every `every` updates, `skipped` of whose batches were thrown away."""
    skipped = np.asarray(skipped, float)
    count = len(skipped)
    steps = np.arange(1, count + 1) * every
    loss = np.linspace(2, 0.1, count) if loss is None else np.full(count, loss)
    stats = {"skipped_steps": skipped, "loss_scale": np.broadcast_to(scale, count)}
    write_run(tmp_path / "run", steps, None, loss, step_stats=stats)
    return read_runs(tmp_path)["run"]


def halved(skipped, first=2.0**15):
    """Returns the loss scale after each record when every batch thrown away halves it."""
    return first * 0.5 ** np.cumsum(skipped)


@pytest.mark.parametrize(
    ("every", "skipped"),
    [(1, [0] * 100 + [0, 0, 1, 0] * 100), (10, [0] * 21 + [2, 3] * 20), (100, [0] * 3 + [25] * 4)],
)
def test_batches_that_loss_scaling_goes_on_throwing_away_are_found(tmp_path, every, skipped):
    (finding,) = diagnose(scaled(tmp_path, skipped, every))
    assert (finding.rule, finding.severity, finding.layer) == ("skipped-steps", "warning", None)
    began = {1: 103, 10: 220, 100: 400}[every]
    ended = {1: 499, 10: 610, 100: 700}[every]
    assert (finding.first_step, finding.last_step) == (began, ended)
    assert finding.evidence["skipped_steps"] == 100
    assert finding.evidence["part"] == pytest.approx(0.2, abs=0.01)
    assert "throws away 100 of" in finding.message
    assert "(20 %)" in finding.message
    assert "from 1024 to 1024" in finding.message
    assert "mixed_bfloat16" in finding.suggestion


def test_thrown_away_batches_are_critical_if_the_loss_does_not_fall(tmp_path):
    assert rules_of(scaled(tmp_path, [3] * 40, loss=2.3)) == [("skipped-steps", "critical", None)]
    unknown = scaled(tmp_path / "unknown", [3] * 40, loss=np.nan)
    assert rules_of(unknown) == [("skipped-steps", "warning", None)]


def test_batches_that_overflow_at_any_scale_are_critical(tmp_path):
    skipped = [3] * 40
    (finding,) = diagnose(scaled(tmp_path, skipped, scale=halved(skipped)))
    assert (finding.rule, finding.severity) == ("skipped-steps", "critical")
    assert "65504" in finding.suggestion
    assert finding.evidence["loss_scale_first"] == 2.0**12
    assert finding.evidence["loss_scale_last"] < 1e-30


def test_rare_batches_that_bring_the_scale_down_for_good_are_found(tmp_path):
    skipped = [0, 0, 0, 0, 1] * 60  # 1 of 51
    (finding,) = diagnose(scaled(tmp_path, skipped, scale=halved(skipped)))
    assert (finding.rule, finding.severity, finding.layer) == ("skipped-steps", "critical", None)
    assert (finding.first_step, finding.last_step) == (800, 3000)
    assert finding.evidence["skipped_steps"] == 45
    assert "(2 %)" in finding.message
    assert "a scale that went from 1 to 2.8e-14, and" in finding.message
    skipped = [0, 0, 0, 0, 1] * 60 + [3] * 30  # 1 of 51, and later 1 of 4
    (finding,) = diagnose(scaled(tmp_path / "more", skipped, scale=halved(skipped)))
    assert (finding.first_step, finding.last_step) == (800, 3300)


@pytest.mark.parametrize(
    "skipped",
    [
        [0] * 300,
        [15] + [0] * 299,  # from 2**15 on down
        [5, 3, 2, 0, 1, 1] + [0] * 60,
        [0] * 20 + [30] + [0] * 20,  # the gradient became much larger once and for all
        [0] * 20 + [15, 15] + [0] * 20,
        ([0] * 199 + [1]) * 5,  # doubled in vain every 2000 updates
        ([0] * 9 + [1]) * 30,  # the same every 100
        [40] * 2,  # too short
        [120, 40] + [0] * 50,  # what the first record counts is how it began
    ],
)
def test_loss_scaling_that_finds_its_scale_is_healthy(tmp_path, skipped):
    assert diagnose(scaled(tmp_path, skipped, loss=2.3)) == []


def test_a_scale_that_settled_below_1_is_healthy(tmp_path):
    skipped = [9, 9] + [0] * 98
    assert diagnose(scaled(tmp_path, skipped, scale=halved(skipped))) == []
    skipped = [0] * 20 + [35] + [0] * 98  # at once, to 2**-20
    assert diagnose(scaled(tmp_path / "b", skipped, scale=halved(skipped))) == []
    skipped = [0] * 20 + [18] + ([0] * 199 + [1]) * 20  # doubled in vain every 2000 updates
    scale = [2.0**15] * 20 + [2.0**-3] * 4001
    assert diagnose(scaled(tmp_path / "c", skipped, scale=scale)) == []


def test_what_loss_scaling_threw_away_may_be_unknown(tmp_path):
    assert diagnose(scaled(tmp_path / "a", [np.nan] * 40)) == []
    part = [np.nan, 3] * 40
    (finding,) = diagnose(scaled(tmp_path / "b", part, scale=np.nan))
    assert finding.evidence["skipped_steps"] == 3 * 39 + 3
    assert "scale that" not in finding.message
    json.dumps(finding_json(finding), allow_nan=False)
    assert diagnose(scaled(tmp_path / "c", [3])) == []


def test_batches_that_were_thrown_away_for_a_time_are_a_thing_of_that_time(tmp_path):
    skipped = [0] * 21 + [4] * 30 + [0] * 100
    (finding,) = diagnose(scaled(tmp_path, skipped))
    # it ends at 510; stretches are told to 100 batches
    assert (finding.severity, finding.first_step, finding.last_step) == ("warning", 220, 500)
    two = [0] * 20 + [2] * 30 + [0] * 100 + [9] * 30 + [0] * 20
    (finding,) = diagnose(scaled(tmp_path / "two", two))
    assert 200 < finding.evidence["skipped_steps"] <= 270  # the worse one: the other has 60


def test_accumulated_batches_count_each(tmp_path):
    run = scaled(tmp_path, [5] * 60)  # of 15, or of 85 when each update takes 8
    assert rules_of(run) == [("skipped-steps", "warning", None)]
    accumulated = {**run.hyperparameters, "gradient_accumulation_steps": 8.0}
    assert diagnose(dataclasses.replace(run, hyperparameters=accumulated)) == []


def test_records_that_were_thinned_are_noted(tmp_path):
    run = recorded(tmp_path)
    assert notes(run) == []
    for counts, note in (
        ([1], "1 record was thinned while training: the disk was too slow."),
        ([3, 0, np.nan, 4], "7 records were thinned while training: the disk was too slow."),
    ):
        thinned = np.zeros(100, np.float32)
        thinned[: len(counts)] = counts
        stats = schema.Arrays(
            {name: run.step_stat(name) for name in schema.STEP_STATS}, thinned=thinned
        )
        assert notes(dataclasses.replace(run, _step_stats=stats)) == [note]


def test_what_a_finding_rests_on_has_the_words_of_the_panel():
    words = json.loads(Path(rules.__file__).with_name("evidence.json").read_text("utf-8"))
    sources = "".join(path.read_text("utf-8") for path in Path(rules.__file__).parent.glob("*.py"))
    assert [name for name in words if f'"{name}"' not in sources] == []  # there are no others
    assert rules.evidence_words("nonfinite") == "entries not finite"
    assert rules.evidence_words("learning_rate") == "learning rate"
