"""The examples run as written, and find what their docstrings say, where and when they say it."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import adamax_tb

ROOT = Path(__file__).parents[2]


def run_example(name, directory):
    """Returns what an example prints, on standard error too, when it runs in `directory`."""
    command = [sys.executable, str(ROOT / "examples" / name)]
    done = subprocess.run(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def sick_and_mended(name, directory):
    """Returns the run that an example makes sick and the one that it mends, and what it prints."""
    printed = run_example(f"{name}.py", directory)
    runs = adamax_tb.read_runs(directory / "runs" / name)
    assert [*runs] == ["mended", "sick"]
    return runs["sick"], runs["mended"], printed


def cause_of(run):
    """Returns the first finding, which is the only one that is not its consequence."""
    (finding,) = adamax_tb.diagnose(run)
    return finding


def test_the_first_run_is_healthy_and_learns(tmp_path):
    run_example("01_first_run.py", tmp_path)
    run = adamax_tb.read_runs(tmp_path / "runs")["01_first_run"]
    assert (adamax_tb.diagnose(run), run.optimizer) == ([], "AdaMax")
    assert run.loss[-1] < 0.1 * run.loss[0]
    ratio = run.stat("update_ratio")[:, run.layers.index("digits/dense_1/kernel")]
    assert ratio.min() > 0.0002  # the grey band
    assert ratio.max() < 0.03


def test_the_existing_script_keeps_its_optimizer_and_is_healthy(tmp_path):
    run_example("02_existing_script.py", tmp_path)
    check = [sys.executable, "-m", "adamax_tb.cli", "check", "runs"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "02_existing_script: healthy (Adam, 4 layers" in done.stdout
    assert "v_mean" in adamax_tb.read_runs(tmp_path / "runs")["02_existing_script"].statistics


def test_the_exploding_gradient_is_found_and_mended_by_a_rate_that_falls(tmp_path):
    sick, mended, printed = sick_and_mended("03_exploding", tmp_path)
    finding = cause_of(sick)
    assert (finding.rule, finding.severity) == ("exploding-gradient", "critical")
    assert finding.layer.endswith("/kernel")
    assert 200 <= finding.first_step <= 300
    assert "it was 0.001 at step 1" in finding.suggestion
    ratio = sick.stat("update_ratio")[:, sick.layers.index("digits/logits/kernel")]
    assert np.argmax(ratio > 0.03) < np.searchsorted(
        sick.steps, finding.first_step
    )  # the first sign
    assert "exploding-gradient (critical)" in printed  # told while it trains
    assert adamax_tb.diagnose(mended) == []


def test_the_vanishing_gradient_is_found_and_mended_by_relu_and_he_normal(tmp_path):
    sick, mended, _ = sick_and_mended("04_vanishing", tmp_path)
    finding = cause_of(sick)
    assert (finding.rule, finding.severity) == ("vanishing-gradient", "critical")
    assert (finding.layer, finding.first_step) == ("digits/dense_1/kernel", 1)
    assert finding.evidence["part_of_strongest"] < 1e-6
    assert np.abs(sick.stat("descent_share")[:, 0]).max() < 1e-3
    assert adamax_tb.diagnose(mended) == []


def test_dead_units_are_found_and_mended_by_a_tenth_of_the_rate(tmp_path):
    sick, mended, _ = sick_and_mended("05_dead_units", tmp_path)
    finding = cause_of(sick)
    assert (finding.rule, finding.severity) == ("dead-units", "critical")
    assert finding.layer.startswith("digits/dense_")
    assert finding.first_step <= 100
    dead = (sick.stat("gradient_norm")[-10:] == 0).all(axis=0)
    alive = [name for name, zero in zip(sick.layers, dead, strict=True) if not zero]
    assert alive == ["digits/logits/bias"]
    assert "try 0.1" in finding.suggestion
    assert adamax_tb.diagnose(mended) == []


def test_the_spike_is_found_and_mended_by_clipping(tmp_path):
    sick, mended, _ = sick_and_mended("06_spike_stall", tmp_path)
    finding = cause_of(sick)
    assert (finding.rule, finding.severity) == ("spike-stall", "critical")
    assert (finding.layer, finding.first_step) == ("digits/logits/kernel", 30)
    assert 4000 < finding.evidence["recovery_step"] < 6000
    assert 0.3 < float(re.search(r"global_clipnorm=([\d.]+)", finding.suggestion)[1]) < 0.8
    assert sick.loss[-5:].mean() > 4 * mended.loss[-5:].mean()
    assert adamax_tb.diagnose(mended) == []


def test_skipped_steps_are_found_and_mended_by_float32(tmp_path):
    sick, mended, _ = sick_and_mended("07_mixed_precision", tmp_path)
    finding = cause_of(sick)
    assert (finding.rule, finding.severity) == ("skipped-steps", "critical")
    assert finding.layer is None
    assert 50 <= finding.first_step <= 250
    assert "dtype='float32'" in finding.suggestion
    assert [(f.rule, f.layer) for f in finding.consequences] == [
        ("dead-units", "digits/dense/kernel")
    ]
    assert sick.step_stat("loss_scale")[-1] < 1
    assert adamax_tb.diagnose(mended) == []
    assert mended.step_stat("loss_scale")[-1] > mended.step_stat("loss_scale")[0]
    assert 1 <= np.nansum(mended.step_stat("skipped_steps")) <= 10  # a larger scale is tried


def test_the_loop_ends_at_the_nan_and_goes_on_without_that_image(tmp_path):
    sick, mended, printed = sick_and_mended("08_custom_loop", tmp_path)
    finding = cause_of(sick)
    assert (finding.rule, finding.severity) == ("nonfinite", "critical")
    assert (finding.layer, finding.first_step) == ("digits/dense/kernel", 107)
    assert (finding.evidence["nonfinite"], finding.evidence["layers"]) == (64, 1)
    assert np.isfinite(sick.flight.loss).all()
    assert sick.flight.loss[sick.flight.steps > 107].min() > 2
    assert "nonfinite (critical)" in printed
    ended = dict(re.findall(r"(\w+) ended after (\d+) updates", printed))
    assert 107 <= int(ended["sick"]) < int(ended["mended"])
    assert adamax_tb.diagnose(mended) == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_an_example_says_how_to_run_it_and_is_in_the_table(path):
    docstring = path.read_text("utf-8").split('"""')[1]
    assert f"python examples/{path.name}" in docstring
    assert f"[{path.name}]({path.name})" in (ROOT / "examples/README.md").read_text("utf-8")


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
