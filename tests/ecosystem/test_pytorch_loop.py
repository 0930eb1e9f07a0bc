"""The guide's PyTorch loop, as a script: its record is compared with NumPy's, its verdict is healthy."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import adamax_tb

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[torch]'")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "pytorch_loop.py"
GUIDE = ROOT / "docs" / "guide" / "pytorch.md"
RATE, BETA_1, BETA_2, EPSILON = 2e-3, 0.9, 0.999, 1e-8
#: float32 against float64: after one step a few roundings, after all 580 what they add up to; an update is a difference
#: of weights a thousand times its size.
FIRST, LATER = 2e-6, 1e-4


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Where the example has run."""
    directory = tmp_path_factory.mktemp("pytorch")
    command = [sys.executable, "-W", "error", str(EXAMPLE)]
    subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, timeout=120)
    return directory


def in_numpy():
    """Trains the example's network in NumPy and float64, and yields what is to be recorded of each step."""
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    images = (pixels / 8 - 1).astype(np.float32).astype(float)
    torch.manual_seed(0)
    first, last = torch.nn.Linear(64, 64), torch.nn.Linear(64, 10)
    initial = (first.weight, first.bias, last.weight, last.bias)
    weights = [p.detach().numpy().astype(float) for p in initial]
    m, u = ([np.zeros_like(w) for w in weights] for _ in range(2))
    t = 0
    while True:
        for rows in torch.randperm(len(images)).split(64):
            t += 1
            loss, gradients = loss_and_gradients(weights, images[rows], digits[rows])
            m = [BETA_1 * a + (1 - BETA_1) * g for a, g in zip(m, gradients, strict=True)]
            u = [
                np.maximum(BETA_2 * a, np.abs(g) + EPSILON)
                for a, g in zip(u, gradients, strict=True)
            ]
            updates = [RATE / (1 - BETA_1**t) * a / b for a, b in zip(m, u, strict=True)]
            weights = [w - d for w, d in zip(weights, updates, strict=True)]
            norms = np.array([np.linalg.norm(w) for w in weights])
            yield {
                "loss": loss,
                "gradient_norm": [np.linalg.norm(g) for g in gradients],
                "weight_norm": norms,
                "update_ratio": [np.linalg.norm(d) for d in updates] / norms,
                "m_rms": [np.sqrt(np.mean(a**2)) for a in m],
                "u_mean": [np.mean(a) for a in u],
                "u_max": [np.max(a) for a in u],
            }


def loss_and_gradients(weights, x, labels):
    """The mean cross-entropy of a relu network of two layers, and its gradients by the chain rule."""
    first, first_bias, last, last_bias = weights
    hidden = x @ first.T + first_bias
    active = np.maximum(hidden, 0)
    logits = active @ last.T + last_bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = odds / odds.sum(axis=1, keepdims=True)
    rows = np.arange(len(x))
    loss = -np.mean(np.log(chances[rows, labels]))
    chances[rows, labels] -= 1
    at_logits = chances / len(x)
    at_hidden = at_logits @ last * (hidden > 0)
    return loss, [
        at_hidden.T @ x,
        at_hidden.sum(axis=0),
        at_logits.T @ active,
        at_logits.sum(axis=0),
    ]


def test_the_record_is_what_numpy_computes(directory):
    run = adamax_tb.read_runs(directory / "runs")["pytorch"]
    assert run.layers == ("0/weight", "0/bias", "2/weight", "2/bias")
    assert run.shapes == ((64, 64), (64,), (64, 10), (10,))
    assert run.steps.tolist() == [1, *range(10, 581, 10)]
    assert (run.optimizer, run.hyperparameters["beta_2"]) == ("Adamax", BETA_2)
    np.testing.assert_array_equal(run.step_stat("learning_rate"), np.float32(RATE))
    truth = dict(zip(range(1, 581), in_numpy(), strict=False))
    for record, step in enumerate(run.steps.tolist()):
        rtol = FIRST if step == 1 else LATER
        np.testing.assert_allclose(run.loss[record], truth[step].pop("loss"), rtol)
        for name, values in truth[step].items():
            np.testing.assert_allclose(
                run.stat(name)[record], values, rtol, err_msg=f"{name} {step}"
            )
    np.testing.assert_array_equal(run.stat("gradient_norm_peak"), run.stat("gradient_norm"))
    assert not run.stat("nonfinite").any()


def test_the_run_is_healthy(directory):
    command = [sys.executable, "-m", "adamax_tb.cli", "check", "runs"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("pytorch: healthy (Adamax, 4 layers, 59 records, steps 1 to 580)")


def test_the_guide_shows_the_examples_lines():
    loop, measured, *_ = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    example = EXAMPLE.read_text()
    assert f"\n\n{loop}\nprint(" in example
    assert f"\n\n{measured}\n\n{loop}" in example
    assert len(loop.splitlines()) <= 15
