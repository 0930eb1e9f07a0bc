"""The comparison of optimizers, last step of the staircase: its table, and TensorBoard's HParams tab in a browser."""

import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import adamax_tb
from adamax_tb.trials import read_trials

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "tests" / "browser" / "output"
TRIALS = 18  # 3 optimizers, 2 rates, 3 seeds


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Where `10_compare.py` ran, what it printed and the processor's seconds that it took."""
    directory = tmp_path_factory.mktemp("compare")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "10_compare.py")],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=900,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return directory / "runs" / "10_compare", done.stdout, seconds


def test_the_comparison_takes_less_than_a_minute(ran):
    """Of one core; it has two."""
    assert ran[2] < 60


def test_it_says_how_far_it_is_and_ends_with_the_table(ran):
    _, printed, _ = ran
    lines = printed.splitlines()
    assert lines[0].startswith("[1/18] SGD at 0.1, seed 0: held-out loss ")
    assert " s left] " in lines[1]
    at = next(i for i, line in enumerate(lines) if line.startswith("optimizer "))
    assert {line.split()[0] for line in lines[at + 2 : at + 5]} == {"SGD", "Adam", "AdaMax"}
    assert not [line for line in lines if line.startswith("note: ")]  # it is a fair one
    assert "tensorboard --logdir runs/10_compare" in printed


def test_trials_of_a_seed_begin_with_the_same_weights_and_the_same_batch(ran):
    trials, errors = read_trials(ran[0])
    runs = adamax_tb.read_runs(ran[0])
    assert (len(trials), errors) == (TRIALS, {})
    for seed in range(3):
        own = [trial for trial in trials.values() if trial.seed == seed]
        assert len({float(trial.loss[0]) for trial in own}) == 1
        first = np.array([runs[trial.name].loss[0] for trial in own])
        np.testing.assert_allclose(first, first[0], rtol=1e-6)
        assert {int(trial.steps[-1]) for trial in own} == {int(own[0].steps[-1])}
    assert len({float(trial.loss[0]) for trial in trials.values()}) == 3


def test_another_call_of_compare_gives_what_the_example_printed(ran):
    logdir, printed, _ = ran
    command = [sys.executable, "-m", "adamax_tb.cli", "compare", str(logdir)]
    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() in printed
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60)
    content = json.loads(done.stdout)
    assert all(o["loss"]["mean"] < 0.6 for o in content["optimizers"])  # chance is 2.3
    assert all(o["sound"] == o["trials"] == 6 for o in content["optimizers"])


def test_the_hparams_tab_shows_a_row_for_each_trial(ran, serve, chromium):
    page = chromium.new_context().new_page()
    page.set_viewport_size({"width": 1500, "height": 900})
    page.goto(f"{serve(ran[0])}/#hparams")
    table = page.locator("tf-hparams-table-view vaadin-grid")
    table.get_by_text("AdaMax/0.01/2", exact=True).wait_for(timeout=60_000)
    shown = table.locator("vaadin-grid-cell-content").all_inner_texts()
    for head in ("optimizer", "learning_rate", "seed", "held-out loss", "held-out accuracy"):
        assert head in shown
    trials, _ = read_trials(ran[0])
    assert {*trials} <= {*shown}
    losses = {f"{trial.loss[-1]:.5g}" for trial in trials.values()}
    assert {f"{float(text):.5g}" for text in shown if re.fullmatch(r"[\d.]+", text)} >= losses
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / "hparams.png")
