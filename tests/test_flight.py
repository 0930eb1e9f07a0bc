"""What is kept when a training goes wrong or ends before its time: every one of the last updates."""

import os
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import dictated, mean_output, train
from models import gradients as normal

import adamax_tb
from adamax_tb.sentinel import FLIGHT_STEPS
from adamax_tb.watch import said


def two_layers(loss=mean_output, **arguments):
    model = dictated((3,), (4,))
    model.compile(adamax_tb.AdaMax(1e-3), loss, **{"jit_compile": False, **arguments})
    return model


def gradients(steps):
    return normal(steps, (3,), (4,))


def norms(grads):
    return np.stack([np.linalg.norm(g, axis=1) for g in grads], axis=1)


def test_a_run_without_trouble_has_no_flight_record(tmp_path):
    train(two_layers(), gradients(300), adamax_tb.OptimizerHealth(tmp_path))
    assert adamax_tb.read_runs(tmp_path)["."].flight is None


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_nan_brings_the_updates_before_it_and_the_layer_it_came_to_first(tmp_path, jit_compile):
    grads = gradients(400)
    grads[0][333:335, 1] = np.nan  # updates 334 and 335, in the first layer
    train(two_layers(jit_compile=jit_compile), grads, adamax_tb.OptimizerHealth(tmp_path))
    run = adamax_tb.read_runs(tmp_path)["."]
    flight = run.flight
    assert flight.reasons[0] == "nonfinite gradient"
    at = flight.steps.tolist().index(334)
    assert at == FLIGHT_STEPS - 1  # so many up to the bad one, none left out
    assert flight.steps.tolist() == [*range(flight.steps[0], flight.steps[-1] + 1)]
    # float32's sum of four squares
    wanted = norms(grads)[flight.steps - 1]
    np.testing.assert_allclose(flight.gradient_norm[:at], wanted[:at], rtol=1e-6)
    assert np.isnan(flight.gradient_norm[at]).tolist() == [True, False]
    (finding,) = [f for f in adamax_tb.diagnose(run) if f.rule == "nonfinite"]
    assert (finding.layer, finding.first_step) == (run.layers[0], 334)


def test_an_infinite_loss_with_finite_gradients_is_one_event(tmp_path):
    grads = gradients(300)
    y = np.zeros((300, 1), np.float32)
    y[200] = np.inf  # only in the loss, whose gradient does not depend on it
    model = two_layers(loss=lambda y, p: keras.ops.mean(y + p))
    train(model, grads, adamax_tb.OptimizerHealth(tmp_path), y=y)
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.flight.reasons[-1] == "nonfinite loss"
    assert np.isinf(run.flight.loss[run.flight.steps.tolist().index(201)])
    assert 201 in run.steps.tolist()  # and a full record
    assert np.isfinite(run.flight.gradient_norm).all()


def test_two_bursts_far_apart_are_two_flights_of_one_series(tmp_path):
    y = np.zeros((900, 1), np.float32)
    y[[300, 301, 310, 700]] = np.inf
    model = two_layers(loss=lambda y, p: keras.ops.mean(y + p))
    train(model, gradients(900), adamax_tb.OptimizerHealth(tmp_path), y=y)
    steps = adamax_tb.read_runs(tmp_path)["."].flight.steps
    assert {301, 302, 311, 701} <= set(steps.tolist())
    assert 550 not in steps.tolist()
    assert (np.diff(steps) >= 1).all()


def test_a_critical_finding_is_logged_once_and_brings_a_flight_record(tmp_path, caplog):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(512, 8)), random.integers(0, 3, 512)
    layers = [keras.Input((8,)), *[keras.layers.Dense(8, "sigmoid") for _ in range(14)]]
    model = keras.Sequential([*layers, keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(adamax_tb.AdaMax(1e-4), loss, jit_compile=False)
    model.fit(x, y, epochs=20, verbose=0, callbacks=[adamax_tb.OptimizerHealth(tmp_path)])
    run = adamax_tb.read_runs(tmp_path)["."]
    assert [f.rule for f in adamax_tb.diagnose(run) if f.severity == "critical"] == [
        "vanishing-gradient"
    ]
    assert set(run.flight.reasons) == {"critical finding"}
    messages = [r.message for r in caplog.records if r.name == "adamax_tb"]
    assert len(messages) == 1
    assert "vanishing-gradient" in messages[0]


def test_an_exception_in_the_step_brings_a_flight_record_and_detaches(tmp_path):
    model = two_layers()
    optimizer = model.optimizer

    def data():
        for t, (a, b) in enumerate(zip(*gradients(60), strict=True)):
            if t == 45:
                raise RuntimeError("the disk with the data is gone")
            yield (a[None], b[None]), np.zeros((1, 1), np.float32)

    with pytest.raises(Exception, match="the disk with the data is gone"):
        model.fit(
            data(),
            verbose=0,
            shuffle=False,
            callbacks=[adamax_tb.OptimizerHealth(tmp_path, every=7)],
        )
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.flight.steps.tolist() == [*range(1, 46)]
    assert set(run.flight.reasons) == {"exception"}
    assert run.steps.tolist() == [1, 7, 14, 21, 28, 35, 42]
    assert "scale_loss" not in optimizer.__dict__


def test_another_callback_that_raises_loses_nothing(tmp_path):

    script = """
        import sys
        import keras
        import numpy as np
        import adamax_tb

        class Raises(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 25:
                    raise ValueError("mine")

        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="d")])
        model.compile(adamax_tb.AdaMax(), "mse", jit_compile=False)
        x = np.ones((320, 4), np.float32)
        model.fit(x, x[:, :3], batch_size=8, verbose=0,
                  callbacks=[adamax_tb.OptimizerHealth(sys.argv[1]), Raises()])
    """
    done = python(script, tmp_path)
    assert done.returncode == 1
    assert "ValueError: mine" in done.stderr
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.steps.tolist() == [1, 10, 20]
    assert run.flight.steps.tolist() == [*range(1, 27)]
    assert set(run.flight.reasons) == {"exception"}


KILLED = """
    import os, signal, sys
    import keras
    import numpy as np
    import adamax_tb

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 25:
                os.kill(os.getpid(), getattr(signal, sys.argv[2]))

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="d")])
    model.compile(adamax_tb.AdaMax(), "mse", jit_compile=False)
    x = np.ones((3200, 4), np.float32)
    model.fit(x, x[:, :3], batch_size=8, verbose=0,
              callbacks=[adamax_tb.OptimizerHealth(sys.argv[1]), Kill()])
    print("went on")
"""


def python(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(("name", "reason"), [("SIGTERM", "termination"), ("SIGINT", "interrupt")])
def test_a_signal_brings_a_flight_record_and_does_what_it_always_did(name, reason, tmp_path):
    done = python(KILLED, tmp_path, name)
    assert "went on" not in done.stdout
    if name == "SIGTERM":
        assert done.returncode == -signal.SIGTERM
    else:
        assert "KeyboardInterrupt" in done.stderr
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.steps.tolist() == [1, 10, 20]
    assert run.flight.steps.tolist() == [*range(1, 27)]
    assert set(run.flight.reasons) == {reason}


def test_a_signal_while_the_record_pauses_has_the_last_word(tmp_path):
    """A fault at the first drain has the next one wait for longer than this training takes."""
    broken = """
    from adamax_tb.recorder import Recorder

    drain = Recorder.drain

    def once(self):
        Recorder.drain = drain
        raise RuntimeError("put in on purpose")

    Recorder.drain = once
    """
    done = python(textwrap.dedent(broken) + textwrap.dedent(KILLED), tmp_path, "SIGTERM")
    assert "tries again every 5 s: RuntimeError('put in on purpose')" in done.stderr
    assert done.returncode == -signal.SIGTERM
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.steps.tolist() == [1, 10, 20]
    assert run.flight.steps.tolist() == [*range(1, 27)]


def test_after_fit_the_signals_are_handled_as_before(tmp_path):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    during = {}

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            during.update({number: signal.getsignal(number) for number in before})

    train(two_layers(), gradients(3), adamax_tb.OptimizerHealth(tmp_path), Look())
    assert {number: signal.getsignal(number) for number in before} == before
    assert all(during[number] != before[number] for number in before)


def test_after_a_fit_with_two_callbacks_the_signals_are_handled_as_before(tmp_path):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    callbacks = [adamax_tb.OptimizerHealth(tmp_path / name) for name in ("a", "b")]
    for _ in range(2):
        train(two_layers(), gradients(3), *callbacks)
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_signal_that_comes_while_the_device_is_drained_waits_for_it(tmp_path, monkeypatch):
    from adamax_tb.recorder import Recorder

    drain = Recorder.drain

    def interrupted(recorder):
        drained = drain(recorder)
        if drained is not None and drained.steps.size and drained.steps[-1] == 20:
            os.kill(os.getpid(), signal.SIGINT)
        return drained

    monkeypatch.setattr(Recorder, "drain", interrupted)
    monkeypatch.setattr("adamax_tb.recording.DRAIN_S", 0.0)
    callback = adamax_tb.OptimizerHealth(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(two_layers(), gradients(60), callback)
    callback.on_train_end()  # a process ends here
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.steps.tolist() == [1, 10, 20]
    assert run.flight.steps[-1] >= 20
    assert set(run.flight.reasons) == {"interrupt"}


def test_a_signal_that_comes_while_a_step_is_traced_harms_nothing(tmp_path):
    optimizer, weight = adamax_tb.AdaMax(), keras.Variable([1.0, 2.0])
    optimizer.build([weight])
    traced = []

    @tf.function(reduce_retracing=False)
    def step(gradient, number):
        traced.append(number)
        if len(traced) == 3:  # 1 and 2 are of the first call
            os.kill(os.getpid(), signal.SIGTERM)
        optimizer.apply([gradient], [weight])

    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        with adamax_tb.record(optimizer, tmp_path, every=1):
            for number in (1, 1, 1, 2, 2):  # Python numbers: each is traced for itself
                step(tf.constant([1.0, -1.0]), number)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert traced[-1] == 2
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.steps.tolist() == [1, 2, 3, 4, 5]
    assert run.flight.reasons[-1] == "termination"


def test_a_nan_is_logged_at_once_and_once(tmp_path, caplog):
    grads = gradients(60)
    grads[0][33, 1] = np.nan
    train(two_layers(), grads, adamax_tb.OptimizerHealth(tmp_path, every=50))
    run = adamax_tb.read_runs(tmp_path)["."]
    messages = [r.message for r in caplog.records if r.name == "adamax_tb"]
    (finding,) = [f for f in adamax_tb.diagnose(run) if f.rule == "nonfinite"]
    assert messages == [said(finding, 60)]
    assert finding.first_step == 34


def test_a_handler_of_the_users_is_called_and_may_let_training_go_on(tmp_path):
    called = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: called.append(number))

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 25:
                os.kill(os.getpid(), signal.SIGTERM)

    try:
        train(two_layers(), gradients(60), adamax_tb.OptimizerHealth(tmp_path), Kill())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert called == [signal.SIGTERM]
    run = adamax_tb.read_runs(tmp_path)["."]
    assert run.steps.tolist() == [1, 10, 20, 30, 40, 50, 60]
    assert run.flight.steps[-1] == 26
