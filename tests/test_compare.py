"""Comparing optimizers: the numbers, against what is worked out by hand; how trials are written, read and told."""

import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest
from board import open_board
from synthetic import write_run
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import summary_v2
from tensorboard.util import tensor_util

from adamax_tb import cli, compare
from adamax_tb.check import Style
from adamax_tb.comparison import compared, step_ms, steps_to
from adamax_tb.hparams import TrialWriter
from adamax_tb.interval import interval, student_t
from adamax_tb.recordfile import RecordFile
from adamax_tb.trials import Trial, read_trials


def trial(optimizer="Adam", rate=0.01, seed=0, losses=(2.0, 1.0), seconds=None, **fields):
    """Returns a trial that was tested every 10 steps."""
    losses = np.array(losses, float)
    values = {
        "name": f"{optimizer}/{rate:g}/{seed}",
        "steps": np.arange(len(losses)) * 10,
        "accuracy": np.full(len(losses), np.nan),
        "seconds": np.full(len(losses), np.nan) if seconds is None else np.array(seconds, float),
    } | fields
    return Trial(optimizer=optimizer, learning_rate=rate, seed=seed, loss=losses, **values)


def trials(optimizer, rate, lasts, **fields):
    """Returns a trial for each of the losses that they end with, seeds from 0 on."""
    return [trial(optimizer, rate, seed, (2.0, last), **fields) for seed, last in enumerate(lasts)]


def standing(of_trials, optimizer="Adam", critical=(), **settings):
    names = {t.name: t.name in critical for t in of_trials}
    found = compared(of_trials, names, **settings)
    return next(s for s in found.standings if s.optimizer == optimizer)


def notes(of_trials, judged=True):
    return compared(of_trials, {t.name: False for t in of_trials} if judged else {}).notes


def write_trial(logdir, optimizer="Adam", rate=0.01, seed=0, losses=(2.0, 1.0, 0.5), health=True):
    """Writes a trial that was tested every 10 steps, and a healthy run beside it."""
    written = TrialWriter(logdir, optimizer, rate, seed)
    if health:
        write_run(written.log_dir, range(1, 21), optimizer=optimizer)
    for i, loss in enumerate(losses):
        written.reached(i * 10, loss, accuracy=0.1 * i, seconds=float(i))
    written.finish()
    return written.log_dir


@pytest.fixture
def three(tmp_path):
    """Two optimizers with a rate and three seeds each."""
    for seed in range(3):
        write_trial(tmp_path, "Adam", 0.01, seed, (2.0, 1.2, 0.5 + 0.1 * seed))
        write_trial(tmp_path, "SGD", 0.1, seed, (2.0, 1.5, 1.0 + 0.1 * seed))
    return tmp_path


def test_students_t_is_that_of_the_tables():
    by_freedom = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 5: 2.5706, 30: 2.0423, 120: 1.9799}
    for freedom, t in by_freedom.items():
        assert student_t(0.95, freedom) == pytest.approx(t, abs=5e-5)
    assert student_t(0.99, 4) == pytest.approx(4.6041, abs=5e-5)


def test_an_interval_is_what_is_worked_out_by_hand():
    got = interval([1.0, 2.0, 3.0])  # s = 1, 4.3027 / sqrt(3)
    assert (got.mean, got.count) == (2.0, 3)
    assert got.half == pytest.approx(2.48414, abs=1e-5)
    one = interval([4.0])
    assert one.mean == 4
    assert math.isnan(one.half)
    assert interval([1.0, math.nan, 3.0]) == interval([1.0, 3.0])
    assert interval([1.0, math.inf]).mean == math.inf
    assert math.isnan(interval([]).mean)


def test_the_rate_with_the_lowest_mean_is_chosen_not_the_one_with_the_luckiest_seed():
    tried = trials("Adam", 0.01, [0.1, 0.9, 0.9]) + trials("Adam", 0.1, [0.5, 0.5, 0.6])
    got = standing(tried)
    assert (got.learning_rate, got.rates, got.trials) == (0.1, (0.01, 0.1), 6)
    assert got.loss.mean == pytest.approx(1.6 / 3)


def test_a_rate_with_less_than_half_of_the_seeds_cannot_be_the_best():
    tried = trials("Adam", 0.01, [0.5, 0.5, 0.5]) + trials("Adam", 0.1, [0.1])
    assert standing(tried).learning_rate == 0.01
    assert any("0.1 was tried with less than half" in note for note in notes(tried))


def test_rates_are_compared_by_the_seeds_that_all_have():
    """A sweep that was interrupted in its last seed, which is an easy one."""
    tried = trials("Adam", 0.01, [0.5, 0.5, 0.0]) + trials("Adam", 0.1, [0.4, 0.4])
    got = standing(tried)
    assert (got.learning_rate, got.seeds) == (0.1, (0, 1))
    assert notes(tried) == ()
    # a seed that is not finite is never overlooked, though only one rate has it
    tried = trials("Adam", 0.01, [0.5, 0.5]) + trials("Adam", 0.1, [0.4, 0.4, math.nan])
    assert standing(tried).learning_rate == 0.01


def test_a_rate_at_which_one_seed_is_not_finite_loses_to_any_other():
    tried = trials("Adam", 0.01, [0.1, math.nan]) + trials("Adam", 0.1, [0.9, 0.9])
    assert standing(tried).learning_rate == 0.1


def test_an_optimizer_without_a_finite_rate_comes_last_and_has_no_rate():
    tried = trials("Adam", 0.01, [math.nan, 0.1]) + trials("SGD", 1.0, [0.9, 1.0])
    found = compared(tried, {}).standings
    assert [s.optimizer for s in found] == ["SGD", "Adam"]
    assert found[1].learning_rate is None
    assert found[1].loss.mean == math.inf
    assert found[1].tied is False


def test_steps_to_the_target_are_the_median_over_seeds_and_never_counts():
    courses = [(2.0, 0.5, 0.4), (2.0, 1.0, 0.5), (2.0, 1.0, 0.9)]
    tried = [trial(seed=seed, losses=losses) for seed, losses in enumerate(courses)]
    assert [steps_to(t, 0.5) for t in tried] == [10, 20, math.inf]
    got = standing(tried, target=0.5)
    assert (got.target_steps, got.target_reached) == (20, 2)
    got = standing(tried, target=0.45)
    assert (got.target_steps, got.target_reached) == (math.inf, 1)
    assert steps_to(trial(losses=(math.nan, math.nan)), 0.5) == math.inf


def test_the_target_is_the_middle_of_what_the_optimizers_reach():
    tried = [*trials("A", 1, [0.1]), *trials("B", 1, [0.2]), *trials("C", 1, [0.3])]
    found = compared([*tried, *trials("D", 1, [math.nan])], {})
    assert (found.target, found.given) == (0.2, False)
    assert compared(tried, {}, target=0.15).target == 0.15


def test_a_difference_that_every_seed_has_is_told_though_intervals_overlap():
    tried = trials("Adam", 0.01, [0.1, 0.5, 0.9]) + trials("SGD", 1.0, [0.21, 0.6, 1.01])
    sgd, adam = standing(tried, "SGD"), standing(tried)
    assert sgd.loss.mean - sgd.loss.half < adam.loss.mean
    # differences 0.11, 0.10, 0.11: mean 0.32 / 3, s = 0.01 / sqrt(3)
    assert sgd.behind.mean == pytest.approx(0.32 / 3)
    assert sgd.behind.half == pytest.approx(4.30265 * 0.01 / 3, rel=1e-4)
    assert sgd.tied is False
    assert (adam.behind, adam.tied) == (None, None)


def test_a_difference_that_seeds_do_not_agree_on_is_a_tie():
    tried = trials("Adam", 0.01, [0.1, 0.5, 0.9]) + trials("SGD", 1.0, [0.4, 0.3, 1.0])
    assert standing(tried, "SGD").tied is True


def test_pairs_are_of_the_same_seed_and_one_pair_is_no_tie():
    adam = [trial("Adam", 1, seed, (2.0, 0.1)) for seed in (0, 1)]
    sgd = [trial("SGD", 1, seed, (2.0, 0.1 * seed)) for seed in (1, 2)]
    behind = standing([*adam, *sgd], "SGD").behind
    assert (behind.mean, behind.count) == (pytest.approx(0), 1)
    assert standing([*adam, *sgd], "SGD").tied is None


@pytest.mark.parametrize(
    ("losses", "diverged"),
    [
        ((2.0, 1.0), False),
        ((2.0, math.nan), True),
        ((2.0, math.inf), True),
        ((2.0, 0.1, 2.1), True),
        ((math.inf, 1.0), False),
    ],
)
def test_a_trial_diverged_when_it_ends_above_its_beginning_or_nowhere(losses, diverged):
    assert trial(losses=losses).diverged is diverged


def test_without_a_test_before_training_only_what_is_not_finite_diverged():
    later = {"steps": np.array([10, 20])}
    assert not trial(losses=(1.0, 2.0), **later).diverged
    assert trial(losses=(1.0, math.nan), **later).diverged


def test_sound_are_those_of_all_rates_that_neither_diverged_nor_were_found_critical():
    tried = trials("Adam", 0.01, [0.1, 0.1]) + trials("Adam", 0.1, [math.nan, 3.0, 0.1])
    got = standing(tried, critical={"Adam/0.01/1"})
    assert (got.sound, got.trials) == (2, 5)


def test_a_steps_time_is_without_the_first_stretch():
    # the first ten steps were traced and took 5 s, the twenty that followed 0.2 s
    assert step_ms(trial(losses=(2, 1, 1, 1), seconds=(0, 5, 5.1, 5.2))) == pytest.approx(10)
    assert math.isnan(step_ms(trial(losses=(2, 1), seconds=(0, 5))))
    assert math.isnan(step_ms(trial(losses=(2, 1, 1))))


def test_good_rates_reach_from_the_best_as_far_as_the_loss_is_as_good():
    means = {0.001: 0.105, 0.003: 0.2, 0.01: 0.109, 0.03: 0.1, 0.1: 0.109, 0.3: 0.112}
    tried = [t for rate, mean in means.items() for t in trials("Adam", rate, [mean, mean])]
    got = standing(tried)
    assert (got.learning_rate, got.good_rates, got.edge) == (0.03, (0.01, 0.1), "")


@pytest.mark.parametrize(("rate", "edge"), [(0.001, "lowest"), (0.01, ""), (0.1, "highest")])
def test_a_best_rate_at_the_edge_is_said_to_be_one(rate, edge):
    tried = [
        t for r in (0.001, 0.01, 0.1) for t in trials("Adam", r, [0.1 if r == rate else 0.5] * 2)
    ]
    assert standing(tried).edge == edge


def test_what_is_not_fair_is_noted():
    fair = trials("Adam", 0.01, [0.1, 0.2]) + trials("SGD", 1.0, [0.1, 0.2])
    assert notes(fair) == ()

    def said(tried, judged=True):
        (note,) = notes(tried, judged)
        return note

    assert "10 to 20 steps" in said([*fair[:-1], trial("SGD", 1.0, 1, (2.0, 1.0, 0.5))])
    assert "Seed 1: the untrained" in said([*fair[:-1], trial("SGD", 1.0, 1, (2.1, 0.5))])
    assert "1 trial is not finished" in said([*fair, trial("SGD", 1.0, 2, finished=False)])
    assert "1 of the trials" in said([*fair, trial("SGD", 1.0, 1, (2.0, 0.5), name="again")])
    assert "SGD was tried with 2 rates and Adam with 1" in said(
        [*fair, *trials("SGD", 0.1, [1, 1])]
    )
    assert "4 trials have no record" in said(fair, judged=False)
    assert "One seed says nothing" in said(trials("Adam", 0.01, [0.1]))


def test_of_the_same_trial_the_last_counts_and_unfinished_ones_do_not():
    tried = [
        trial(losses=(2.0, 0.1)),
        trial(losses=(2.0, 0.7)),
        trial(losses=(2.0, 0.3), finished=False),
    ]
    assert standing(tried).loss.mean == 0.7
    with pytest.raises(ValueError, match="No trial is finished"):
        compared(tried[2:], {})


def test_a_trial_is_read_as_it_was_written(tmp_path):
    written = TrialWriter(tmp_path, "AdaMax", 0.002, seed=3)
    assert written.log_dir == str(tmp_path / "AdaMax" / "0.002" / "3")
    written.reached(0, 2.5, accuracy=0.125, seconds=0)
    written.reached(100, 0.5)
    written.reached(200, math.nan, accuracy=0.25, seconds=8)
    written.finish()
    read, errors = read_trials(tmp_path)
    assert errors == {}
    (got,) = read.values()
    assert (got.name, got.optimizer, got.learning_rate) == ("AdaMax/0.002/3", "AdaMax", 0.002)
    assert (got.seed, got.finished) == (3, True)
    np.testing.assert_array_equal(got.steps, [0, 100, 200])
    np.testing.assert_array_equal(got.loss, [2.5, 0.5, np.nan])
    np.testing.assert_array_equal(got.accuracy, [0.125, np.nan, 0.25])
    np.testing.assert_array_equal(got.seconds, [0, np.nan, 8])


def test_a_trial_made_again_replaces_the_one_before(tmp_path):
    write_trial(tmp_path, losses=(2.0, 1.0, 0.9), health=False)
    write_trial(tmp_path, losses=(2.0, 0.3), health=False)
    read, _ = read_trials(tmp_path)
    np.testing.assert_allclose(read["Adam/0.01/0"].loss, [2.0, 0.3])


def test_a_trial_that_others_wrote_is_read(tmp_path):
    """As `tensorboard.plugins.hparams.api` and `tf.summary.scalar` write it, before its end."""
    (tmp_path / "own").mkdir()
    records = RecordFile(str(tmp_path / "own" / "events.out.tfevents.1.others"))

    def add(step, summary):
        event = event_pb2.Event(step=step, wall_time=1, summary=summary)
        records.write(event.SerializeToString())

    for step, loss in ((0, 2.0), (10, 0.25)):
        tensor = tensor_util.make_tensor_proto(np.float32(loss))
        add(step, summary_pb2.Summary(value=[{"tag": "trial/loss", "tensor": tensor}]))
    hparams = {"optimizer": "Lion", "learning_rate": 1e-4, "dropout": True}
    add(0, summary_v2.hparams_pb(hparams))
    records.close()
    read, errors = read_trials(tmp_path)
    assert errors == {}
    got = read["own"]
    assert (got.optimizer, got.learning_rate, got.seed, got.finished) == ("Lion", 1e-4, 0, False)
    np.testing.assert_array_equal(got.loss, [2.0, 0.25])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer", ""),
        ("optimizer", ".."),
        ("optimizer", "a/b"),
        ("learning_rate", -1.0),
        ("learning_rate", math.nan),
        ("seed", -1),
        ("seed", 0.5),
        ("seed", math.nan),
    ],
)
def test_an_argument_that_cannot_be_is_named(tmp_path, name, value):
    arguments = {"optimizer": "Adam", "learning_rate": 0.1, "seed": 0} | {name: value}
    with pytest.raises(ValueError, match=f"Argument `{name}`"):
        TrialWriter(tmp_path, **arguments)


def test_a_trial_goes_forward_and_is_not_empty(tmp_path):
    empty = TrialWriter(tmp_path, "Adam", 0.1)
    with pytest.raises(ValueError, match="call `reached` before"):
        empty.finish()
    empty.reached(10, 1.0)
    with pytest.raises(ValueError, match="above the last one, 10, not 10"):
        empty.reached(10, 0.9)


def told(capsys, *arguments):
    """Returns the exit code of `adamax-tb compare` and what it prints."""
    code = cli.main(["compare", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_command_prints_the_table_of_the_trials(three):
    done = subprocess.run(
        [sys.executable, "-m", "adamax_tb.cli", "compare", str(three)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    head, _, adam, sgd, *rest = done.stdout.splitlines()
    assert head.split("  ")[0] == "optimizer"
    # 0.5, 0.6, 0.7: s = 0.1, 4.3027 * 0.1 / sqrt(3) = 0.248
    cells = re.split(r"\s{2,}", adam)
    assert cells == [
        *("Adam", "0.01", "0.60 ± 0.25", "best", "20 %", "100"),
        *("20 (3 of 3)", "3 of 3", "0.01"),
    ]
    assert re.split(r"\s{2,}", sgd)[:4] == ["SGD", "0.1", "1.10 ± 0.25", "+0.5000 ± 0.0000"]
    assert any("1 rate and 3 seeds" in line for line in rest)


def test_the_document_says_the_same(three, capsys):
    code, out, _ = told(capsys, three, "--json", "--target", "0.55")
    content = json.loads(out)
    assert code == 0
    adam, sgd = content["optimizers"]
    assert content["target"] == {"loss": 0.55, "given": True}
    assert adam["loss"] == {
        "mean": pytest.approx(0.6),
        "half": pytest.approx(0.24841, abs=1e-5),
        "seeds": 3,
    }
    assert (adam["best_rate"], adam["seeds"], adam["sound"]) == (0.01, [0, 1, 2], 3)
    assert (adam["target_steps"], adam["target_reached"]) == (None, 1)
    assert (adam["behind_best"], adam["tied_with_best"]) == (None, None)
    assert (sgd["behind_best"]["mean"], sgd["tied_with_best"]) == (pytest.approx(0.5), False)
    assert content["notes"] == []
    assert content["errors"] == {}


def test_a_critical_finding_makes_a_trial_unsound(three, capsys):
    nan = np.full((20, 4), np.nan, np.float32)
    stats = {"gradient_norm": nan, "gradient_norm_peak": nan, "nonfinite": np.full_like(nan, 4)}
    write_run(three / "Adam" / "0.01" / "0", range(21, 41), stats)
    _, out, _ = told(capsys, three, "--json")
    assert [o["sound"] for o in json.loads(out)["optimizers"]] == [2, 3]


def test_where_nothing_converged_the_code_is_1(tmp_path, capsys):
    write_trial(tmp_path, losses=(2.0, math.nan))
    code, out, _ = told(capsys, tmp_path)
    assert code == 1
    assert "No optimizer ended with a finite loss" in out
    assert json.loads(told(capsys, tmp_path, "--json")[1])["optimizers"][0]["best_rate"] is None


def test_without_trials_it_says_how_to_make_some(tmp_path, capsys):
    write_run(tmp_path / "a", range(1, 5))
    code, out, err = told(capsys, tmp_path)
    assert (code, out) == (2, "")
    assert "examples/compare_optimizers.py" in err
    assert "TrialWriter" in err
    code, _, err = told(capsys, tmp_path / "nowhere")
    assert code == 2
    assert "there is no directory" in err


def test_a_broken_trial_is_named_and_the_others_are_compared(three, capsys):
    (file,) = (three / "SGD" / "0.1" / "1").glob("*adamax_tb_trial")
    file.write_bytes(file.read_bytes()[:-5])
    code, out, err = told(capsys, three)
    assert code == 2
    assert "Trial 'SGD/0.1/1' cannot be used" in err
    assert "ends within a record" in err
    assert "0 of 2" not in out
    assert "2 of 2" in out


def test_a_broken_record_beside_a_trial_is_named(three, capsys):
    (file,) = (three / "SGD" / "0.1" / "1").glob("*optimizer_health")
    file.write_bytes(b"x" * 100)
    code, out, err = told(capsys, three)
    assert code == 2
    assert "Run 'SGD/0.1/1' cannot be read" in err
    assert "1 trial has no record" in out


def test_trials_without_any_record_are_compared(tmp_path, capsys):
    write_trial(tmp_path, health=False)
    code, out, _ = told(capsys, tmp_path)
    assert code == 0
    assert "1 trial has no record of OptimizerHealth" in out


@pytest.mark.parametrize("value", ["much", "nan", "inf"])
def test_a_target_that_is_no_loss_is_bad_usage(three, capsys, value):
    with pytest.raises(SystemExit) as ended:
        cli.main(["compare", str(three), "--target", value])
    assert ended.value.code == 2
    assert "must be a loss" in capsys.readouterr().err


def test_a_narrow_terminal_gets_tables_below_each_other():
    tried = trials("Adam", 0.01, [0.1, 0.2, 0.3]) + trials("A\x1b[2Jx", 1.0, [0.2, 0.3, 0.5])
    for width in (60, 80, 200):
        text = compare.in_words(compared(tried, {}), Style(width=width))
        assert max(map(len, text.splitlines())) <= width
        assert text.count("optimizer ") >= (2 if width < 100 else 1)
        assert "\x1b" not in text
        for head in ("best rate", "behind best", "steps to target", "good rates"):
            assert head in text


def test_colours_mark_the_best_and_what_is_not_told_from_it():
    tried = [
        *trials("Adam", 0.01, [0.1, 0.5, 0.9]),
        *trials("AdaMax", 0.01, [0.4, 0.3, 1.0]),
        *trials("SGD", 1.0, [2, 1.9, 1.8]),
        *trials("Lion", 1.0, [math.nan] * 3),
    ]
    text = compare.in_words(compared(tried, {}), Style(color=True))
    lines = {
        name: next(x for x in text.splitlines() if name in x)
        for name in ("Adam ", "AdaMax ", "SGD ", "Lion ")
    }
    codes = {name: line[:5] if line.startswith("\x1b") else "" for name, line in lines.items()}
    assert codes == {"Adam ": "\x1b[32m", "AdaMax ": "\x1b[32m", "SGD ": "", "Lion ": "\x1b[31m"}
    assert "\x1b" not in compare.in_words(compared(tried, {}), Style())


def test_nothing_of_it_needs_a_framework(tmp_path):
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; "
        "from adamax_tb import cli; from adamax_tb.hparams import TrialWriter; "
        "trial = TrialWriter(sys.argv[1], 'Adam', 1.0); trial.reached(0, 1.0); trial.finish(); "
        "sys.exit(cli.main(['compare', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("loader", ["rustboard", "python"])
def test_the_hparams_tab_lists_the_trials(three, loader):
    from tensorboard.plugins.hparams.hparams_plugin import HParamsPlugin

    write_trial(three, "SGD", 10.0, 0, (2.0, math.nan))
    board, client = open_board(loader, "--logdir", str(three), plugins=[HParamsPlugin])
    try:
        base = "/data/plugin/hparams"
        experiment = client.post(f"{base}/experiment", json={}).json
        infos = {info["name"]: info["type"] for info in experiment["hparamInfos"]}
        assert infos == {
            "optimizer": "DATA_TYPE_STRING",
            "learning_rate": "DATA_TYPE_FLOAT64",
            "seed": "DATA_TYPE_FLOAT64",
        }
        shown = [info["displayName"] for info in experiment["metricInfos"]]
        assert shown == ["held-out loss", "held-out accuracy", "training seconds"]
        statuses = ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"]
        asked = {"startIndex": 0, "sliceSize": 100, "allowedStatuses": statuses}
        groups = client.post(f"{base}/session_groups", json=asked).json["sessionGroups"]
    finally:
        if handle := getattr(board._ingester, "_stdin_handle", None):
            handle.close()
    got = {}
    for group in groups:
        (session,) = group["sessions"]
        diverged = session["name"] == "SGD/10/0"
        assert session["status"] == f"STATUS_{'FAILURE' if diverged else 'SUCCESS'}"
        metrics = {m["name"]["tag"]: m.get("value", 0) for m in session["metricValues"]}
        got[session["name"]] = (group["hparams"], metrics)
    assert len(got) == 7
    hparams, metrics = got["Adam/0.01/1"]
    assert hparams == {"optimizer": "Adam", "learning_rate": 0.01, "seed": 1}
    assert metrics == {
        "trial/loss": pytest.approx(0.6),
        "trial/accuracy": pytest.approx(0.2),
        "trial/seconds": 2,
    }
    assert got["SGD/10/0"][1]["trial/loss"] == "NaN"
