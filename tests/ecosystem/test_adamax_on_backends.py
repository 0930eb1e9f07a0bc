"""AdaMax under Keras on JAX and on PyTorch, each in a process of its own, against TensorFlow's result."""

import importlib.util
import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from adamax_tb import AdaMax

STEPS = 100
SHAPES = ((4, 3), (5,))
OPTIONS = {
    "plain": {},
    "betas": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    "no epsilon": {"epsilon": 0.0},
    "epsilon that is 0 in float32": {"epsilon": 1e-46},
    "no momentum": {"beta_1": 0.0},
    "restarts": {"restart_every": 7},
    "clipping": {"global_clipnorm": 1.0},
    "decay": {"weight_decay": 0.01},
}


def backend(name):
    """A parameter that is skipped where the backend is not installed; JAX is, PyTorch is an extra."""
    missing = importlib.util.find_spec(name) is None
    reason = f"{name} is not installed: pip install '.[{'test' if name == 'jax' else name}]'"
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=reason))


backends = pytest.mark.parametrize("name", [backend("jax"), backend("torch")])


def run(name, code, *arguments):
    """Runs `code` with Keras on backend `name`; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": name},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def gradients():
    random = np.random.default_rng(6)
    grads = [random.normal(size=(STEPS, *shape)).astype(np.float32) for shape in SHAPES]
    grads[0][:, 0] = 0
    grads[0][20:, 1] *= np.float32(1e-4)
    return grads


STEP_BY_STEP = """
    import sys
    import keras
    import numpy as np
    from adamax_tb import AdaMax

    given = np.load(sys.argv[1], allow_pickle=True)
    grads = [given["a"], given["b"]]
    results = {}
    for name, options in given["options"].item().items():
        variables = [keras.Variable(np.ones(g.shape[1:], "float32")) for g in grads]
        optimizer = AdaMax(0.01, **options)
        optimizer.build(variables)
        for step in zip(*grads):
            optimizer.apply([keras.ops.convert_to_tensor(g) for g in step], variables)
        for i, v in enumerate([*variables, *optimizer._m, *optimizer._u]):
            results[f"{name} {i}"] = keras.ops.convert_to_numpy(v.value)
    np.savez(sys.argv[2], **results)
    print("tensorflow" in sys.modules)
"""


@backends
def test_the_steps_are_those_on_tensorflow(name, tmp_path):
    grads = gradients()
    np.savez(tmp_path / "given.npz", a=grads[0], b=grads[1], options=OPTIONS)
    printed = run(name, STEP_BY_STEP, tmp_path / "given.npz", tmp_path / "got.npz")
    assert printed.strip() == "False"  # nothing of ours brings TensorFlow in
    got = np.load(tmp_path / "got.npz")
    for case, options in OPTIONS.items():
        variables = [keras.Variable(np.ones(shape, np.float32)) for shape in SHAPES]
        optimizer = AdaMax(0.01, **options)
        optimizer.build(variables)
        for step in zip(*grads, strict=True):
            optimizer.apply([tf.constant(g) for g in step], variables)
        for i, v in enumerate([*variables, *optimizer._m, *optimizer._u]):
            # Keras itself decays by one product on PyTorch, 100 times 1 - 1e-4 rounded to 6e-8
            tolerance = 6e-6 if case == "decay" else 1e-6
            np.testing.assert_allclose(
                got[f"{case} {i}"], v.numpy(), rtol=tolerance, atol=tolerance, err_msg=case
            )


IN_FIT = """
    import sys
    import keras
    import numpy as np
    import adamax_tb

    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 5)).astype("float32")
    y = x[:, :2] * 2

    def trained(optimizer):
        model = keras.Sequential([
            keras.Input((5,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2)
        ])
        model.compile(optimizer, "mse")
        losses = model.fit(x, y, batch_size=8, epochs=6, verbose=0).history["loss"]
        assert losses[-1] < losses[0], losses
        return model

    AdaMax = adamax_tb.AdaMax
    model = trained(AdaMax(0.02))
    assert int(model.optimizer.iterations) == 48
    model.save(sys.argv[1] + "/model.keras")
    again = keras.models.load_model(sys.argv[1] + "/model.keras")
    for a, b in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b)
        )

    model = trained(AdaMax(0.02, restart_every=10))
    assert int(model.optimizer.restart_clock.restarted_at) == 40
    copy = AdaMax(0.02, restart_every=10)
    copy.build(model.trainable_variables)
    copy.set_weights([keras.ops.convert_to_numpy(v) for v in model.optimizer.variables])
    assert int(copy.restart_clock.restarted_at) == 40
    model = trained(AdaMax(0.02, restart_every=5, gradient_accumulation_steps=3))
    assert int(model.optimizer.iterations) == 16
    assert int(model.optimizer.restart_clock.restarted_at) == 15
    trained(AdaMax(0.02, use_ema=True, ema_overwrite_frequency=5))
    trained(keras.optimizers.LossScaleOptimizer(AdaMax(0.02, restart_every=10)))
    model = trained(keras.optimizers.Adamax(0.02))
    model.save_weights(sys.argv[1] + "/stock.weights.h5")
    model.compile(AdaMax(0.02), "mse")
    model.load_weights(sys.argv[1] + "/stock.weights.h5")
    model.fit(x, y, verbose=0)
    assert int(model.optimizer.iterations) == 50
    model.optimizer.restart()
    assert int(model.optimizer.restart_clock.restarted_at) == 50
    for u in model.optimizer._u:
        assert not keras.ops.convert_to_numpy(u).any()

    try:
        AdaMax(lazy_rows=True)
    except ValueError as error:
        assert "TensorFlow" in str(error)
    else:
        raise AssertionError("lazy_rows was taken")
    print("done")
"""


@backends
def test_it_trains_in_fit_is_saved_and_takes_over_from_stock(name, tmp_path):
    assert run(name, IN_FIT, tmp_path).strip().endswith("done")
