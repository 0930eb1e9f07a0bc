"""What others ask of Adamax, asked of AdaMax: Keras's own tests unchanged, and the results of optax and PyTorch."""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src import optimizers
from keras.src.optimizers import adamax as adamax_module
from stock import copies_variables

from adamax_tb import AdaMax

pytestmark = copies_variables


def keras_tests(name, place):
    """Loads one of the test modules that Keras ships, with AdaMax where it asks the module `place` for Adamax."""
    spec = importlib.util.find_spec(f"keras.src.optimizers.{name}")
    assert spec is not None, f"this Keras does not ship {name}"
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "Adamax", AdaMax)
        spec.loader.exec_module(module)
    return module


_dense = keras_tests("adamax_test", adamax_module)
_sparse = keras_tests("optimizer_sparse_test", optimizers)


class TestKerasAdamax(_dense.AdamaxTest):
    """Seven tests, collected under this name."""


class TestKerasSparse(_sparse.OptimizerSparseTest):
    """Of the tests of all optimizers those of adamax."""


for _name in dir(TestKerasSparse):
    if _name.startswith("test_sparse") and not _name.endswith("_adamax"):
        setattr(TestKerasSparse, _name, None)


def test_keras_tests_are_about_our_class():
    assert _dense.Adamax is AdaMax
    cases = {case["testcase_name"]: case["optimizer_class"] for case in _sparse.TEST_CASES}
    assert cases["adamax"] is AdaMax
    assert keras.optimizers.Adamax is not AdaMax
    assert sum(name.endswith("_adamax") for name in dir(TestKerasSparse)) == 2


GRADIENTS = np.random.default_rng(0).normal(size=(200, 4, 3)).astype(np.float32)
GRADIENTS[:, 0] *= np.float32(1e3)
GRADIENTS[50:, 1] *= np.float32(1e-3)  # u falls by beta_2 a step
#: Both take max(beta_2 * u, |g| + epsilon) where Keras adds epsilon later; at this one neither matters.
TINY = 1e-30


def ours(rate=0.01):
    variable = keras.Variable(np.ones((4, 3), np.float32))
    optimizer = AdaMax(rate, epsilon=TINY)
    optimizer.build([variable])
    for g in GRADIENTS:
        optimizer.apply([tf.constant(g)], [variable])
        yield variable.numpy()


# 200 steps of float32, whose biggest weights are 3
CLOSE = {"rtol": 0, "atol": 1e-5}


def test_the_steps_are_those_of_optax():
    optax = pytest.importorskip("optax", exc_type=ImportError)
    transform = optax.adamax(0.01, eps=TINY)
    weights = np.ones((4, 3), np.float32)
    state = transform.init(weights)
    for g, expected in zip(GRADIENTS, ours(), strict=True):
        updates, state = transform.update(g, state, weights)
        weights = np.asarray(optax.apply_updates(weights, updates))
        np.testing.assert_allclose(expected, weights, **CLOSE)


def test_the_steps_are_those_of_pytorch():
    torch = pytest.importorskip("torch", exc_type=ImportError)
    weights = torch.ones(4, 3)
    optimizer = torch.optim.Adamax([weights], lr=0.01, eps=TINY, foreach=True)
    for g, expected in zip(GRADIENTS, ours(), strict=True):
        weights.grad = torch.from_numpy(g)
        optimizer.step()
        np.testing.assert_allclose(expected, weights.numpy(), **CLOSE)


def parabola(x):
    """Its minimum is at (1, -2, 3)."""
    return tf.reduce_sum(tf.square(x - tf.constant([1.0, -2.0, 3.0])))


def rosenbrock(x):
    """Its minimum is at (1, 1), in a curved valley."""
    return tf.square(1 - x[0]) + 100 * tf.square(x[1] - tf.square(x[0]))


@pytest.mark.parametrize(
    ("function", "start", "minimum", "rate", "steps"),
    [
        (parabola, [0.0, 0.0, 0.0], [1.0, -2.0, 3.0], 0.05, 500),
        (rosenbrock, [-1.0, 1.0], [1.0, 1.0], 0.02, 6000),
    ],
)
@pytest.mark.parametrize("options", [{}, {"restart_every": 400}])
def test_minima_that_optimizers_are_tried_on_are_found(
    function, start, minimum, rate, steps, options
):
    x = keras.Variable(np.float32(start))
    decay = keras.optimizers.schedules.CosineDecay(rate, steps)
    optimizer = AdaMax(decay, beta_2=0.99, **options)
    optimizer.build([x])

    @tf.function
    def train():
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                loss = function(x.value)
            optimizer.apply(tape.gradient(loss, [x.value]), [x])

    train()
    np.testing.assert_allclose(x.numpy(), minimum, atol=0.02)
