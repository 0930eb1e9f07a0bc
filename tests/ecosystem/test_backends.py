"""`OptimizerHealth` in `fit` on JAX and on PyTorch: the record is TensorFlow's, the training as without it."""

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import adamax_tb
from adamax_tb import schema

CASES = Path(__file__).parent / "backend_cases.py"
OPTIMIZERS = (
    "ours", "clipped", "restarts", "accumulation", "scaled", "adamax", "adam", "amsgrad", "adamw", "nadam", "lamb",
    "rmsprop", "rmsprop_centered", "adadelta", "adafactor", "adagrad", "ftrl", "sgd", "momentum", "nesterov", "lion",
    "muon",
)  # fmt: skip
OTHERS = (
    "nan", "auto", "continued", "stopped", "raising", "chosen", "eager", "half", "several_steps", "own_step",
    "nothing_to_train", "another_optimizer", "a_short_call",
)  # fmt: skip
#: The same numbers, added up in another order, through 24 updates; where an update is a sign, a rounding may flip it.
TOLERANCE = 2e-3


def command(backend, out, *cases):
    """Returns how to train `cases`; their own assertions hold that the weights are those without the callback."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install '.[{backend}]'")
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
    arguments = [sys.executable, str(CASES), str(out), *cases]
    return {"args": arguments, "env": environment, "stdout": subprocess.PIPE, "text": True}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """`recorded(backend)` → name → run, of all cases."""
    known = {}

    def record(backend):
        if backend not in known:
            out = tmp_path_factory.mktemp(backend)
            cases = [*OPTIMIZERS, *OTHERS]
            done = subprocess.run(
                **command(backend, out, *cases), stderr=subprocess.PIPE, timeout=900
            )
            assert done.returncode == 0, done.stdout + done.stderr
            known[backend] = adamax_tb.read_runs(out)
        return known[backend]

    return record


def differences(run, wanted, tolerance=TOLERANCE):
    """Returns which statistics of a run are not those of another."""
    assert run.steps.tolist() == wanted.steps.tolist()
    assert (run.layers, run.shapes, run.statistics) == (
        wanted.layers,
        wanted.shapes,
        wanted.statistics,
    )
    assert (run.optimizer, run.hyperparameters) == (wanted.optimizer, wanted.hyperparameters)
    pairs = {name: (run.stat(name), wanted.stat(name)) for name in wanted.statistics}
    for name in set(schema.STEP_STATS) - {"overhead"}:
        pairs[name] = run.step_stat(name), wanted.step_stat(name)
    return [
        name
        for name, (got, want) in pairs.items()
        if not np.allclose(got, want, rtol=tolerance, atol=1e-6, equal_nan=True)
    ]


backends = pytest.mark.parametrize("backend", ["jax", "torch"])


@backends
@pytest.mark.parametrize("name", [*OPTIMIZERS, "auto", "continued", "chosen", "eager", "own_step"])
def test_a_record_is_the_one_on_tensorflow(recorded, backend, name):
    assert differences(recorded(backend)[name], recorded("tensorflow")[name]) == []


@backends
@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_in_half_precision_it_is_up_to_its_rounding(recorded, backend, name):
    run, wanted = recorded(backend)[name], recorded("tensorflow")[name]
    assert differences(run, wanted, tolerance=0.1) == []
    np.testing.assert_array_equal(run.step_stat("skipped_steps"), wanted.step_stat("skipped_steps"))


def test_several_steps_in_one_call_are_each_recorded_on_jax(recorded):
    assert differences(recorded("jax")["several_steps"], recorded("tensorflow")["ours"]) == []


@backends
def test_the_first_update_that_is_not_finite_is_recorded_with_what_came_before(recorded, backend):
    run, ours = recorded(backend)["nan"], recorded(backend)["adam"]
    assert run.steps.tolist()[:4] == [1, 4, 6, 8]
    assert run.flight.steps.tolist()[:6] == [1, 2, 3, 4, 5, 6]
    assert run.flight.reasons[0] == "nonfinite gradient"
    assert np.isfinite(run.flight.gradient_norm[:5]).all()
    assert np.isnan(run.flight.gradient_norm[5]).any()
    np.testing.assert_array_equal(run.stat("gradient_norm")[0], ours.stat("gradient_norm")[0])
    assert [(f.rule, f.first_step) for f in adamax_tb.diagnose(run)] == [("nonfinite", 6)]


@backends
def test_stop_on_ends_the_training(recorded, backend):
    run = recorded(backend)["stopped"]
    assert run.flight.reasons[0] == "nonfinite gradient"


@backends
def test_a_step_that_raises_leaves_a_flight_record(recorded, backend):
    run = recorded(backend)["raising"]
    assert run.flight.steps.tolist() == [*range(1, 15)]
    assert set(run.flight.reasons) == {"exception"}


@backends
@pytest.mark.parametrize(
    ("number", "reason"), [(signal.SIGINT, "interrupt"), (signal.SIGTERM, "termination")]
)
def test_a_signal_ends_it_and_leaves_a_flight_record_of_each_who_watches(
    tmp_path, backend, number, reason
):
    with subprocess.Popen(
        **command(backend, tmp_path, "endless"), stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout.readline() == "under way\n"
        process.send_signal(number)
        process.wait(60)
    assert process.returncode != 0
    runs = adamax_tb.read_runs(tmp_path)
    assert [*runs] == ["one", "other"]
    for run in runs.values():
        assert set(run.flight.reasons) == {reason}
        steps = run.flight.steps
        assert len(steps) == min(128, steps[-1])
        np.testing.assert_array_equal(np.diff(steps), 1)
        assert np.isfinite(run.flight.loss).all()
