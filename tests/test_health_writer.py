"""`HealthWriter`: what it takes, what it refuses, and that its runs are read and judged as any other."""

import re
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest
from board import get_json, get_table

import adamax_tb
from adamax_tb import schema
from adamax_tb.cli import main
from adamax_tb.rules import notes
from adamax_tb.writer import EventWriter

LAYERS = {"dense/kernel": (8, 4), "dense/bias": (4,), "scale": ()}
NORMS = [3.0, 1.0, 2.0]
NOT_RECORDED = 0x7FFFFFFF


def bits(values):
    return np.ascontiguousarray(values).view(np.uint32).tolist()


def written(directory, *records, layers=LAYERS):
    """Writes records, each (step, values), and returns the run as it is read back."""
    with adamax_tb.HealthWriter(directory / "a", layers) as health:
        for step, values in records:
            health.write(step, values)
    return adamax_tb.read_runs(directory)["a"]


def test_what_is_written_is_read_back_to_the_bit(tmp_path):
    rng = np.random.default_rng(0)
    given = {s.name: rng.normal(size=(20, 3)).astype(np.float32) for s in schema.STATS}
    given["u_mean"][3], given["gradient_norm"][4] = [np.nan, np.inf, -np.inf], [np.nan, 0, 1e-42]
    given["m_rms"][5, 1] = schema.NOT_RECORDED
    numbers = {name: rng.normal(size=20).astype(np.float32) for name in schema.STEP_STATS}
    numbers.update((name, np.abs(numbers[name])) for name in schema.STEP_COUNTS)
    numbers["thinned"][:] = 0
    with adamax_tb.HealthWriter(
        tmp_path / "a", LAYERS, "Adamax", {"beta_2": 0.999, "learning_rate": 2e-3}, planned_step=99
    ) as health:
        for t in range(20):
            of_layers = {name: values[t] for name, values in given.items()}
            health.write(t + 1, of_layers | {name: values[t] for name, values in numbers.items()})
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == list(range(1, 21))
    assert dict(zip(run.layers, run.shapes, strict=True)) == LAYERS
    assert run.hyperparameters == {"learning_rate": 2e-3, "beta_2": 0.999}
    assert (run.optimizer, run.planned_step, run.notes) == ("Adamax", 99, ())
    assert run.statistics == tuple(given)
    for name, values in given.items():
        assert bits(run.stat(name)) == bits(values), name
    for name, values in numbers.items():
        assert bits(run.step_stat(name)) == bits(values), name


def test_numbers_may_come_as_lists_halves_integers_and_what_numpy_can_read(tmp_path):
    class Foreign:  # as a tensor of another library
        def __array__(self, dtype=None, copy=None):
            return np.array([1, 2, 3], dtype or np.int16)

    run = written(
        tmp_path,
        (1, {"gradient_norm": Foreign(), "loss": 2}),
        (np.int64(2), {"gradient_norm": np.array([1, 2, 1e300]), "loss": np.float16(0.5)}),
        (3, {"gradient_norm": (True, np.float32(2), 1e-3), "loss": np.array(1e300)}),
    )
    expected = np.array([[1, 2, 3], [1, 2, np.inf], [1, 2, 1e-3]], np.float32)
    np.testing.assert_array_equal(run.stat("gradient_norm"), expected)
    assert run.loss.tolist() == [2, 0.5, np.inf]


def test_an_array_that_is_used_again_is_recorded_as_it_was(tmp_path):
    norms, loss = np.zeros(3, np.float32), np.zeros((), np.float32)
    with adamax_tb.HealthWriter(tmp_path / "a", LAYERS) as health:
        for step in range(1, 51):
            norms[:], loss[...] = step, step
            health.write(step, {"gradient_norm": norms, "loss": loss})
    run = adamax_tb.read_runs(tmp_path)["a"]
    np.testing.assert_array_equal(run.stat("gradient_norm")[:, 0], run.steps)
    np.testing.assert_array_equal(run.loss, run.steps)


def test_what_is_left_out_or_none_was_not_recorded_which_is_not_nan(tmp_path):
    run = written(
        tmp_path,
        (1, {"gradient_norm": [1.0, None, np.nan], "weight_norm": NORMS}),
        (2, {"loss": None, "gradient_norm": NORMS}),
        (3, {"weight_norm": NORMS, "loss": np.nan}),
    )
    assert bits(run.stat("gradient_norm")[0, 1:]) == [NOT_RECORDED, 0x7FC00000]
    assert bits(run.stat("gradient_norm_peak_step")[0, 1:]) == [NOT_RECORDED, 0x3F800000]
    assert bits(run.stat("weight_norm")[1]) == [NOT_RECORDED] * 3
    assert bits(run.stat("gradient_norm")[2]) == [NOT_RECORDED] * 3
    assert bits(run.loss) == [NOT_RECORDED, NOT_RECORDED, 0x7FC00000]


def test_the_gradient_norm_tells_peak_and_finite_entries(tmp_path):
    run = written(
        tmp_path,
        (1, {"gradient_norm": [3, 0, np.inf], "loss": 2}),
        (4, {"gradient_norm": [3, np.nan, 1], "nonfinite": [0, 7, 0]}),
        (9, {"gradient_norm": NORMS, "gradient_norm_peak": [5, 5, 5], "loss": 1, "loss_peak": 8}),
    )
    np.testing.assert_array_equal(
        run.stat("gradient_norm_peak"), [[3, 0, np.inf], [3, np.nan, 1], [5, 5, 5]]
    )
    assert run.stat("gradient_norm_peak_step")[:2].tolist() == [[1, 1, 1], [4, 4, 4]]
    assert bits(run.stat("gradient_norm_peak_step")[2]) == [NOT_RECORDED] * 3  # nobody said
    assert bits(run.stat("nonfinite")[0]) == [0, 0, NOT_RECORDED]
    assert run.stat("nonfinite")[1:].tolist() == [[0, 7, 0], [0, 0, 0]]
    np.testing.assert_array_equal(run.step_stat("loss_peak"), [2, np.nan, 8])


def test_a_spike_between_two_records_is_in_the_next_one(tmp_path):
    with adamax_tb.HealthWriter(tmp_path / "a", LAYERS) as health:
        health.watch(1, [1, 1, 1], 5)
        health.write(1, {"gradient_norm": [2, 1, 1], "loss": 3})
        health.watch(2, [9, 1, None], 7)
        health.watch(3, [8, np.nan, 1])
        health.watch(4, [1, 50, 4], 6)
        health.watch(5, [1, 1, 1], 1)
        health.write(5, {"gradient_norm": [1, 1, 1], "loss": 1})
        health.write(6, {"gradient_norm": [1, 1, 1], "loss": 1})
    run = adamax_tb.read_runs(tmp_path)["a"]
    peaks, at = run.stat("gradient_norm_peak"), run.stat("gradient_norm_peak_step")
    np.testing.assert_array_equal(peaks, [[2, 1, 1], [9, np.nan, 4], [1, 1, 1]])
    np.testing.assert_array_equal(at, [[1, 1, 1], [2, 3, 4], [6, 6, 6]])
    assert run.step_stat("loss_peak").tolist() == [5, 7, 1]
    assert run.steps.tolist() == [1, 5, 6]


def test_a_peak_goes_into_a_record_that_has_no_gradient_itself(tmp_path):
    with adamax_tb.HealthWriter(tmp_path / "a", LAYERS) as health:
        health.watch(2, NORMS, 4)
        health.write(3, {"weight_norm": NORMS})
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.stat("gradient_norm_peak").tolist() == [NORMS]
    assert run.stat("gradient_norm_peak_step").tolist() == [[2, 2, 2]]
    assert run.step_stat("loss_peak").tolist() == [4]


def test_a_statistic_that_comes_late_was_not_recorded_before(tmp_path):
    run = written(
        tmp_path,
        (1, {"loss": 3}),
        (2, {"gradient_norm": NORMS, "loss": 2}),
        (3, {"gradient_norm": NORMS, "u_max": NORMS}),
        (4, {"m_rms": NORMS}),
        (5, {"u_max": NORMS}),
    )
    assert run.steps.tolist() == [1, 2, 3, 4, 5]
    assert run.notes == ()
    assert run.loss[:2].tolist() == [3, 2]
    rows = schema.recorded(run.stat("u_max")).all(axis=1)
    assert rows.tolist() == [False, False, True, False, True]
    assert schema.recorded(run.stat("m_rms")).all(axis=1).tolist() == [False] * 3 + [True, False]
    assert schema.recorded(run.stat("gradient_norm"))[1:3].all()
    assert len([*(tmp_path / "a").iterdir()]) == 3  # a file for each table


def test_a_directory_that_holds_a_run_is_continued(tmp_path):
    late = ((step, {"gradient_norm": NORMS, "u_max": NORMS}) for step in range(3, 11))
    written(tmp_path, (1, {"loss": 3}), (2, {"gradient_norm": NORMS}), *late)
    # it begins with less than the run has: that must not hide the rest
    run = written(tmp_path, (6, {"loss": 1}), (8, {"gradient_norm": NORMS}))
    assert run.steps.tolist() == [1, 2, 3, 4, 5, 6, 8]
    assert schema.recorded(run.stat("u_max")).all(axis=1).tolist() == (
        [False] * 2 + [True] * 3 + [False] * 2
    )
    assert run.notes == (
        "5 earlier records were replaced when the run was started again from an earlier step.",
    )


def test_a_run_that_begins_anew_has_its_own_statistics_only(tmp_path):
    written(tmp_path, (1, {"gradient_norm": NORMS, "u_max": NORMS}), (2, {"loss": 1}))
    run = written(tmp_path, (1, {"gradient_norm": NORMS}), layers=["x", "y", "z"])
    assert run.steps.tolist() == [1]
    assert run.layers == ("x", "y", "z")
    assert "u_max" not in run.statistics


def test_what_is_flushed_survives_a_kill_and_the_rest_the_end_of_the_process(tmp_path):
    code = """
        import os, sys, adamax_tb
        health = adamax_tb.HealthWriter(sys.argv[1], ["w"])
        for step in range(1, 301):
            health.write(step, {"gradient_norm": [step], "loss": step})
        if sys.argv[2] == "kill":
            health.flush()
            os.kill(os.getpid(), 9)
        """
    for name in ("kill", "end"):  # without close
        command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / name), name]
        subprocess.run(command, timeout=60, check=name == "end")
        run = adamax_tb.read_runs(tmp_path)[name]
        assert run.steps.tolist() == run.loss.tolist() == list(range(1, 301))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], r"`layers` must hold the names.*named_parameters\(\).*Received: layers=\[\]"),
        ("dense", r"`layers` must hold the names.*'dense'"),
        (7, r"`layers` must hold the names.*layers=7"),
        ([("w", (1,))], r"`layers` must hold the names"),
        (["w", ""], r"`layers` must hold the names"),
        (["w", "b", "w"], r"`layers`: each layer needs a name of its own. More than once: w$"),
        ({"w": 3}, r"`layers`: the shape of 'w' must be whole numbers, such as \(64, 10\).*: 3$"),
        ({"w": (3, -1)}, r"`layers`: the shape of 'w' must be whole numbers"),
        ({"w": (2.5,)}, r"`layers`: the shape of 'w' must be whole numbers"),
    ],
)
def test_layers_that_are_none_are_refused(tmp_path, layers, message):
    with pytest.raises(ValueError, match=message):
        adamax_tb.HealthWriter(tmp_path / "a", layers)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"log_dir": 3}, "`log_dir` must be a path"),
        ({"log_dir": "s3://bucket/a"}, "`log_dir` must be a directory of this machine"),
        ({"log_dir": __file__}, "`log_dir` must be a directory that can be written"),
        ({"optimizer": EventWriter}, r"`optimizer` must be the optimizer's class name.*__name__"),
        ({"hyperparameters": {"foreach": None}}, "`hyperparameters` must map names to numbers"),
        ({"hyperparameters": [0.1]}, "`hyperparameters` must map names to numbers"),
        ({"planned_step": 0}, "`planned_step` must be a whole number from 1"),
        ({"planned_step": 1.5}, "`planned_step` must be a whole number from 1"),
    ],
)
def test_arguments_that_are_none_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        adamax_tb.HealthWriter(**{"log_dir": tmp_path / "a", "layers": ["w"], **arguments})


class OnAnotherDevice:
    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


def test_what_is_refused_is_named_with_the_remedy_and_loses_nothing(tmp_path):
    refused = [
        (2, {"grad_norm": NORMS}, "no statistic 'grad_norm'.*mean 'gradient_norm'.*schema.STATS"),
        (2, {"lr": 1}, r"no statistic 'lr'\. .*STATS lists those of a layer, .*STEP_STATS"),
        (2, {"learn_rate": 1}, "Did you mean 'learning_rate'"),
        (2, {3: 1}, "no statistic 3"),
        (2, {"loss": 1, "u_max": [1, 2]}, r"'u_max' must be one number for each of the 3 layers"),
        (2, {"u_max": 1}, r"'u_max'.*shape \(3,\)\. Received: shape \(\)"),
        (2, {"loss": [1]}, r"'loss' must be one number. Received: shape \(1,\)"),
        (2, {"loss": "low"}, "'loss' must be numbers that NumPy can read.*Received: str"),
        (2, {"u_max": [1, "x", None]}, "'u_max' must be numbers"),
        (2, {"u_max": np.ones(3, complex)}, "'u_max' must be numbers.*complex128"),
        (2, {"u_max": [1, [2, 3], 4]}, "'u_max' must be numbers"),
        (2, {"u_max": OnAnotherDevice()}, r"give tensor.detach\(\).*\.cpu\(\).*cuda:0 device"),
        (2, [("loss", 1)], "`values` must be a mapping.*Received: list"),
        (1, {"loss": 1}, "`step` must be at least 2, as step 1 came before.*make another"),
        (0, {"loss": 1}, "`step` must be a whole number from 1.*step=0"),
        (2.0, {"loss": 1}, "`step` must be a whole number from 1"),
        (True, {"loss": 1}, "`step` must be a whole number from 1"),
        (2**63, {"loss": 1}, "`step` must be a whole number from 1"),
    ]
    health = adamax_tb.HealthWriter(tmp_path / "a", LAYERS)
    health.write(1, {"gradient_norm": NORMS, "loss": 1})
    for step, values, message in refused:
        with pytest.raises(ValueError, match=message):
            health.write(step, values)
    with pytest.raises(ValueError, match="'gradient_norm' must be one number for each of the 3"):
        health.watch(2, [1])
    health.watch(3, [4, 4, 4])
    with pytest.raises(ValueError, match="`step` must be at least 3, as step 3 came before"):
        health.write(2, {"loss": 1})
    health.write(3, {"gradient_norm": NORMS, "loss": 2})
    health.close()
    health.close()
    for late in (lambda: health.write(4, {}), lambda: health.watch(4, NORMS)):
        with pytest.raises(ValueError, match=r"is closed\. Another HealthWriter\('.*a', layers\)"):
            late()
    run = adamax_tb.read_runs(tmp_path)["a"]
    assert run.steps.tolist() == [1, 3]
    assert run.loss.tolist() == [1, 2]
    assert run.stat("gradient_norm_peak").tolist() == [NORMS, [4, 4, 4]]
    assert run.notes == ()


def test_a_run_of_a_newer_format_is_not_continued(tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "VERSION", 99)
    written_by_a_newer = adamax_tb.HealthWriter(tmp_path / "a", ["w"])
    written_by_a_newer.write(1, {"loss": 1})
    written_by_a_newer.close()
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"`log_dir`.*cannot be continued.*newer adamax-tb"):
        adamax_tb.HealthWriter(tmp_path / "a", ["w"])


def test_a_disk_that_fails_ends_the_record_and_not_the_training(tmp_path):
    health = adamax_tb.HealthWriter(tmp_path / "a", ["w"])
    (tmp_path / "a").write_text("in the way")
    with pytest.warns(UserWarning, match="OptimizerHealth") as warned:
        for step in range(1, 4):
            health.write(step, {"loss": 1})
        health.flush()
        health.close()
    report, loss = (str(warning.message) for warning in warned)
    assert "cannot write into" in report
    assert "3 records" in loss


def test_the_panel_serves_it(tmp_path, open_logdir):
    norms = np.arange(30, dtype=np.float32).reshape(10, 3)
    written(tmp_path, *((t + 1, {"gradient_norm": norms[t], "loss": t}) for t in range(10)))
    client = open_logdir(tmp_path)
    (run,) = get_json(client, "runs")["runs"]
    assert (run["name"], run["optimizer"]) == ("a", "optimizer")
    steps, values = get_table(client, "statistic", run="a", name="gradient_norm")
    assert steps.tolist() == list(range(1, 11))
    np.testing.assert_array_equal(values, norms)


def train(directory, late_rate, loss_every):
    """Gradient descent on a linear model, in NumPy, that changes its rate of 0.01 at step 300."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 8))
    y = x @ rng.normal(size=8)
    w = np.zeros(8)
    with adamax_tb.HealthWriter(directory, {"linear/kernel": (8, 1)}, "SGD") as health:
        for step in range(1, 501):
            rate = late_rate if step >= 300 else 0.01
            error = x @ w - y
            g = 2 * error @ x / len(y)
            w = w - rate * g
            values = {"loss": np.mean(error**2), "learning_rate": rate}
            if step == 1 or step % 10 == 0:
                values["gradient_norm"] = [np.linalg.norm(g)]
                values["weight_norm"] = [np.linalg.norm(w)]
                values["update_ratio"] = [np.linalg.norm(rate * g) / np.linalg.norm(w)]
            if step == 1 or step % loss_every == 0:
                health.write(step, values)


@pytest.mark.parametrize("loss_every", [10, 1])
def test_check_finds_the_run_that_explodes_and_leaves_the_healthy_one(tmp_path, capsys, loss_every):
    train(tmp_path / "healthy", 0.01, loss_every)
    assert main(["check", str(tmp_path)]) == 0
    assert "healthy: healthy (SGD, 1 layers" in capsys.readouterr().out
    train(tmp_path / "exploding", 1.1, loss_every)
    assert main(["check", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "exploding: critical" in printed
    assert "critical: exploding-gradient in linear/kernel since step 320" in printed
    assert "healthy: healthy" in printed


def test_a_verdict_does_not_depend_on_how_often_the_rest_is_written(tmp_path):
    """A rate that is too low is found by what all updates promise: the unknown ones count as those beside them."""

    def written_as(name, promises, every, seldom):
        layers = {"dense/kernel": (8, 4), "dense/bias": (4,)}
        with adamax_tb.HealthWriter(tmp_path / name, layers) as health:
            for step in range(1, 201):
                values = {"loss": 2.0, "learning_rate": 1e-3}
                if step == 1 or step % every == 0:
                    values["gradient_norm"] = [1, 1]
                if step == 1 or step % (every * seldom) == 0:
                    values |= {"weight_norm": [1, 0], "update_ratio": [promises, np.nan]}
                health.write(step, values)
        return adamax_tb.diagnose(adamax_tb.read_runs(tmp_path)[name])

    for every, seldom in [(1, 1), (10, 1), (10, 5)]:
        assert not written_as(f"enough-{every}-{seldom}", 0.01, every, seldom)
        (found,) = written_as(f"low-{every}-{seldom}", 0.001, every, seldom)
        assert found.rule == "learning-rate-too-low"
        assert found.evidence["promised"] == pytest.approx(0.1, rel=1e-3)


def test_a_nan_is_told_with_the_last_record_that_held_a_gradient(tmp_path):
    run = written(
        tmp_path,
        (10, {"gradient_norm": NORMS, "loss": 2}),
        (11, {"loss": 2}),
        (12, {"loss": np.nan}),
        (20, {"gradient_norm": [1, np.nan, 1], "loss": np.nan}),
    )
    (found,) = adamax_tb.diagnose(run)
    assert (found.rule, found.layer, found.first_step) == ("nonfinite", "dense/bias", 20)
    assert "At step 10 all entries were finite." in found.message
    assert "The loss is NaN at step 12 already." in found.message


def test_a_run_without_gradients_says_that_little_can_be_judged(tmp_path):
    blind = written(tmp_path, *((t, {"weight_norm": NORMS, "loss": t}) for t in range(1, 9)))
    assert notes(blind) == ["No gradient norm was recorded: little of this run can be judged."]
    assert adamax_tb.diagnose(blind) == []
    seeing = written(tmp_path / "b", *((t, {"gradient_norm": NORMS}) for t in range(1, 9)))
    assert notes(seeing) == []


BLOCKS = {"a/kernel": (64, 32), "b/kernel": (32, 32), "c/kernel": (32, 10), "c/bias": (10,)}
FALLING = [2.3 * 0.997**t for t in range(1000)]
#: Rule → what makes a training sick from step 500 on: its gradients, its losses and what else it writes.
SICK = {
    "dead-units": (lambda t: [0, 0, 0, 1] if t >= 500 else [1] * 4, [2.3] * 1000, {}),
    "exploding-gradient": (
        lambda t: [10 ** max(0, (t - 500) / 50)] * 4,
        [*FALLING[:500], *(2.3 * 1.05**t for t in range(500))],
        {},
    ),
    "epsilon-dominated": (lambda t: [1e-9] * 4, [2.3] * 1000, {"u_mean": [1e-9] * 4}),
    "learning-rate-too-low": (lambda t: [1] * 4, [2.3] * 1000, {"update_ratio": [1e-6] * 4}),
    "nonfinite": (lambda t: [np.nan if t >= 500 else 1] * 4, [*FALLING[:500], *[np.nan] * 500], {}),
}


@pytest.mark.parametrize("told", [{}, {"learning_rate": 0.25}])
@pytest.mark.parametrize("rule", SICK)
def test_a_remedy_knows_the_rate_that_the_optimizer_was_made_with_or_names_none(
    tmp_path, rule, told
):
    norms, losses, more = SICK[rule]
    random = np.random.default_rng(0)
    settings = {"epsilon": 1e-4 if rule == "epsilon-dominated" else 1e-7, **told}
    with adamax_tb.HealthWriter(tmp_path / "a", BLOCKS, "Adamax", settings) as health:
        for t in [1, *range(10, 1001, 10)]:
            noise = random.lognormal(0, 0.1, 4)
            weights = {"weight_norm": [5, 5, 5, 0 if t == 1 else 1], "update_ratio": [1e-3] * 4}
            of_layers = {"gradient_norm": norms(t) * noise, **weights, **more}
            health.write(t, {"loss": losses[t - 1], **of_layers})
    found = adamax_tb.diagnose(adamax_tb.read_runs(tmp_path)["a"])
    (finding,) = (f for f in found if f.rule == rule)
    words = f"{finding.message} {finding.suggestion}"
    assert not re.search(r"\bnan\b", words)
    if rule not in ("dead-units", "nonfinite"):
        assert finding.evidence.get("learning_rate") == told.get("learning_rate")
    if rule != "nonfinite":  # which looks at the loss
        assert ("0.25" in words) == bool(told)


def test_a_peak_that_was_not_recorded_replaces_none_when_records_are_thinned(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", 0)  # takes nothing but what is critical
    with pytest.warns(UserWarning, match="thinned"):
        run = written(  # the last record is taken in any case
            tmp_path,
            (1, {"gradient_norm": [9, None, 1], "weight_norm": NORMS, "loss": 1}),
            (2, {"weight_norm": NORMS}),
            (3, {"gradient_norm": NORMS, "loss": 2}),
        )
    assert run.steps.tolist() == [3]
    assert run.stat("gradient_norm_peak").tolist() == [[9, 1, 2]]
    assert run.stat("gradient_norm_peak_step").tolist() == [[1, 3, 3]]
    assert run.step_stat("loss_peak").tolist() == [2]


def test_the_first_record_that_is_not_finite_is_kept_however_slow_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("adamax_tb.writer.QUEUE_BYTES", 0)
    bad = [1, np.inf, 2]
    with pytest.warns(UserWarning, match="thinned"):
        run = written(
            tmp_path,
            *((step, {"gradient_norm": NORMS}) for step in range(1, 5)),
            *((step, {"gradient_norm": bad}) for step in range(5, 9)),
            (9, {"gradient_norm": NORMS}),
            (10, {"gradient_norm": NORMS, "loss": np.nan}),
            (11, {"gradient_norm": NORMS, "loss": np.nan}),
            (12, {"gradient_norm": NORMS, "loss": None}),
        )
    assert run.steps.tolist() == [5, 10, 12]
    assert run.step_stat("thinned").tolist() == [4, 4, 1]


def test_the_docstrings_example_runs_and_is_healthy(tmp_path, monkeypatch):
    text = adamax_tb.HealthWriter.__doc__
    (code,) = re.findall(r"\n\n((?:        .*\n)+)\n", text)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 8))
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(textwrap.dedent(code), {"np": np, "adamax_tb": adamax_tb, "x": x, "y": x @ x[0]})
    run = adamax_tb.read_runs(Path("runs"))["numpy"]
    assert run.steps.tolist() == [1, *range(10, 501, 10)]
    assert run.loss[-1] < 0.01 * run.loss[0]
    assert adamax_tb.diagnose(run) == []
