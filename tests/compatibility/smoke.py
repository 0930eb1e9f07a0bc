"""What a user does first, in whatever versions are installed: a line for each part, up to the first that fails.

    python smoke.py

It imports adamax_tb as it is installed: run it from a directory without a checkout. `check.py` does, in an environment
for each set of versions.
"""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import adamax_tb
from adamax_tb import cli

BASE = "data/plugin/optimizer_health"
EPOCHS, BATCHES = 3, 20


def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(BATCHES * 16, 8)).astype("float32")
    return x, (x @ random.normal(size=(8, 1))).astype("float32")


def compiled(optimizer, **settings):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, "relu", name="hidden"),
            keras.layers.Dense(1, name="out"),
        ]
    )
    model.compile(optimizer=optimizer, loss="mse", **settings)
    return model


def fitted(model, *callbacks):
    x, y = data()
    history = model.fit(x, y, 16, EPOCHS, verbose=0, shuffle=False, callbacks=[*callbacks])
    assert history.history["loss"][-1] < history.history["loss"][0]
    return model.get_weights()


def fits(logs):
    """`fit` with AdaMax and stock optimizers, XLA off and on: recorded or not, the weights are the same."""
    for name, jit in (
        ("AdaMax", False),
        ("AdaMax", True),
        ("Adam", False),
        ("Adam", True),
        ("SGD", False),
    ):
        make = adamax_tb.AdaMax if name == "AdaMax" else getattr(keras.optimizers, name)
        alone = fitted(compiled(make(1e-2), jit_compile=jit))
        callback = adamax_tb.OptimizerHealth(logs / f"{name}-{jit}", every=2)
        watched = fitted(compiled(make(1e-2), jit_compile=jit), callback)
        for one, other in zip(alone, watched, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        run = adamax_tb.read_runs(logs)[f"{name}-{jit}"]
        assert run.steps[-1] == EPOCHS * BATCHES
        assert len(run.steps) == EPOCHS * BATCHES // 2 + 1
        assert np.isfinite(run.stat("gradient_norm")).all()
        assert np.isfinite(run.loss).all()


def agrees_with_stock(logs):
    """AdaMax is keras.optimizers.Adamax to float rounding."""
    ours, stock = (fitted(compiled(o(1e-2))) for o in (adamax_tb.AdaMax, keras.optimizers.Adamax))
    for one, other in zip(ours, stock, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def mixed_precision(logs):
    """`mixed_float16` puts a LossScaleOptimizer around AdaMax: its scale is recorded."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        fitted(compiled(adamax_tb.AdaMax(1e-2)), adamax_tb.OptimizerHealth(logs / "mixed", every=1))
    finally:
        keras.config.set_dtype_policy("float32")
    assert (adamax_tb.read_runs(logs)["mixed"].step_stat("loss_scale") > 1).all()


def loop(logs):
    """`record` around a loop of one's own, compiled, with the loss."""
    x, y = data()
    model = compiled(adamax_tb.AdaMax(1e-2))
    model.optimizer.build(model.trainable_variables)
    with adamax_tb.record(model.optimizer, logs / "loop", every=5) as recording:

        @tf.function
        def step(x, y):
            with tf.GradientTape() as tape:
                loss = recording.loss(tf.reduce_mean((model(x) - y) ** 2))
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        for _ in range(20):
            step(x, y)
    run = adamax_tb.read_runs(logs)["loop"]
    assert run.steps.tolist() == [1, 5, 10, 15, 20]
    assert run.loss[-1] < run.loss[0]


def checkpoints(logs):
    """A model saved as .keras goes on exactly; AdaMax takes over what stock Adamax saved."""
    model = compiled(adamax_tb.AdaMax(1e-2))
    fitted(model)
    with tempfile.TemporaryDirectory() as directory:
        model.save(f"{directory}/model.keras")
        again = keras.models.load_model(f"{directory}/model.keras")
        stock = compiled(keras.optimizers.Adamax(1e-2))
        fitted(stock)
        stock.save_weights(f"{directory}/stock.weights.h5")
        taken = compiled(adamax_tb.AdaMax(1e-2))
        taken.load_weights(f"{directory}/stock.weights.h5")
    for one, other in ((model, again), (stock, taken)):
        for a, b in zip(fitted(one), fitted(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        assert int(one.optimizer.iterations) == int(other.optimizer.iterations)


def written_without_keras(logs):
    """`HealthWriter` needs NumPy alone."""
    with adamax_tb.HealthWriter(logs / "numpy", {"dense/kernel": (3, 2)}) as health:
        for step in range(1, 31):
            health.write(step, {"gradient_norm": [1 / step], "loss": 1 / step})
    assert adamax_tb.read_runs(logs)["numpy"].stat("gradient_norm").shape == (30, 1)


def diagnosed(logs):
    """A gradient that explodes is found, by `diagnose`, `check` and `report`."""
    x, y = data()
    rate = keras.optimizers.schedules.ExponentialDecay(1e-2, 10, 4.0)
    model = compiled(adamax_tb.AdaMax(rate))
    model.fit(
        x, y, 16, 20, verbose=0, callbacks=[adamax_tb.OptimizerHealth(logs / "exploding", every=2)]
    )
    first = adamax_tb.diagnose(adamax_tb.read_runs(logs)["exploding"])[0]
    assert (first.rule, first.severity) == ("exploding-gradient", "critical"), first
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = cli.main(["check", str(logs), "--json"])
    assert code == 1
    assert "exploding-gradient" in printed.getvalue()
    report, table = logs / "report.html", logs / "runs.csv"
    assert cli.main(["report", str(logs), "-o", str(report)]) == 0
    assert "exploding-gradient" in report.read_text()
    assert cli.main(["export", str(logs), "--format", "csv", "-o", str(table)]) == 0
    assert table.read_text().count("\n") > 1000


def served(logs):
    """The real `tensorboard` serves the panel's routes, with either of its loaders."""
    for fast in ("true", "false"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        flags = ["--logdir", str(logs), "--host", "127.0.0.1", "--port", str(port)]
        command = [sys.executable, "-m", "tensorboard.main", *flags, f"--load_fast={fast}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            listed = json.loads(answer(process, f"{address}/data/plugins_listing"))
            assert listed["optimizer_health"]["enabled"], listed
            runs = json.loads(answer(process, f"{address}/{BASE}/runs"))
            assert runs["errors"] == []
            assert set(runs["names"]) == set(adamax_tb.read_runs(logs))
            table = answer(process, f"{address}/{BASE}/statistic?run=loop&name=u_mean")
            assert table[:4] == b"AOH1"
            assert b"render" in answer(process, f"{address}/{BASE}/index.js")
            assert b"<h1>" in answer(process, f"{address}/{BASE}/rule?name=spike-stall")
        finally:
            process.terminate()
            process.communicate(timeout=30)


def answer(process, address):
    """Returns the bytes at `address`, waiting for the server to start."""
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as response:
                return response.read()
        except urllib.error.HTTPError:
            raise
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                sys.exit(f"{process.stdout.read().decode()}\nTensorBoard does not answer {address}")
            time.sleep(0.3)


PARTS = (
    fits,
    agrees_with_stock,
    mixed_precision,
    loop,
    checkpoints,
    written_without_keras,
    diagnosed,
    served,
)


def main():
    assert "site-packages" in adamax_tb.__file__, f"not as it is installed: {adamax_tb.__file__}"
    with tempfile.TemporaryDirectory() as logs:
        for part in PARTS:
            began = time.perf_counter()
            part(Path(logs))
            print(f"ok {part.__name__} {time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
