"""The examples and README's snippets run as written."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import adamax_tb

ROOT = Path(__file__).parent.parent


def run_example(name, directory):
    """Returns what an example prints when it runs in `directory`."""
    command = [sys.executable, str(ROOT / "examples" / name)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_existing_script_trains_and_is_healthy(tmp_path):
    run_example("existing_script.py", tmp_path)
    check = [sys.executable, "-m", "adamax_tb.cli", "check", "runs"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "adam: healthy (Adam, 4 layers" in done.stdout


def test_the_tutorials_adamax_goes_wrong_where_its_docstring_says(tmp_path):
    printed = run_example("wrong_adamax.py", tmp_path)
    percent = re.search(r"step 1: (\d+)% of the weights are NaN", printed)
    assert 45 <= int(percent.group(1)) <= 55  # where the first gradient is negative
    runs = adamax_tb.read_runs(tmp_path / "runs")
    assert [*runs] == ["right", "tutorial", "tutorial_squared"]

    assert adamax_tb.diagnose(runs["right"]) == []
    assert runs["right"].loss[-1] < 0.5
    (finding,) = adamax_tb.diagnose(runs["tutorial"])
    assert (finding.rule, finding.severity, finding.first_step) == ("nonfinite", "critical", 1)
    assert "update of step 1" in finding.message
    assert np.isnan(runs["tutorial"].stat("weight_norm")[0]).all()
    assert np.isfinite(runs["tutorial"].stat("gradient_norm")[0]).all()

    squared = runs["tutorial_squared"]
    rates = squared.step_stat("learning_rate")
    # 0.002 / (1 - 9**t); float32 holds 9**2 exactly, power is off by less than that
    np.testing.assert_allclose(rates[:3], [-0.002 / 8, -0.002 / 80, -0.002 / 728], rtol=1e-5)
    assert abs(rates[9]) < 1e-12
    assert np.median(squared.loss[-20:]) > 0.9 * squared.loss[0]
