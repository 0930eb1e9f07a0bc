"""Half precision: no NaN from a zero gradient, u decays, and mixed precision trains."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracle import adamax
from stock import STOCK_FAILS

from adamax_tb import AdaMax

kinds = pytest.mark.parametrize("kind", [AdaMax, STOCK_FAILS])


def applied(optimizer, gradients, w, dtype, jit_compile):
    """Returns the optimizer and its variable after all `gradients`."""
    variable = keras.Variable(w, dtype=dtype)
    optimizer.build([variable])
    step = tf.function(lambda g: optimizer.apply([g], [variable]), jit_compile=jit_compile)
    for g in gradients:
        step(tf.constant(g, dtype))
    return optimizer, np.asarray(variable.numpy(), float)


@kinds
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_zero_gradient_does_not_make_a_float16_variable_nan(kind, jit_compile):
    gradients = np.array([[0.0, 1.0], [0.0, -0.5], [0.0, 0.0]])
    _, weights = applied(kind(0.01), gradients, np.ones(2), "float16", jit_compile)
    *_, last = adamax(gradients, 0.01, w=np.ones(2))
    assert weights[0] == 1.0
    # three weights near 1 were rounded to 11 bits
    np.testing.assert_allclose(weights, last.w, atol=3 * 2**-11)


@kinds
@pytest.mark.parametrize("jit_compile", [False, True])
def test_u_of_a_bfloat16_variable_decays(kind, jit_compile):
    gradients = np.zeros((400, 1))
    gradients[0] = 1.0
    optimizer, _ = applied(kind(0.01), gradients, np.ones(1), "bfloat16", jit_compile)
    # 400 products in float32
    np.testing.assert_allclose(
        np.asarray(optimizer._u[0].numpy(), float), 0.999**399, rtol=400 * 6e-8
    )


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(("dtype", "bits"), [("float16", 11), ("bfloat16", 8)])
def test_half_precision_weights_follow_the_paper_to_their_rounding(dtype, bits, jit_compile):
    random = np.random.default_rng(9)
    gradients = np.asarray(tf.cast(random.normal(size=(50, 3, 4)), dtype), float)
    gradients[:, 0] *= 2.0**-14  # the smallest normal of float16
    optimizer, weights = applied(AdaMax(0.25), gradients, np.zeros((3, 4)), dtype, jit_compile)
    *_, step = adamax(gradients, 0.25, w=np.zeros((3, 4)))
    np.testing.assert_allclose(optimizer._u[0].numpy(), step.u, rtol=50 * 6e-8)
    np.testing.assert_allclose(optimizer._m[0].numpy(), step.m, rtol=0, atol=50 * 6e-8)
    # 50 roundings of weights of up to 8
    np.testing.assert_allclose(weights, step.w, rtol=0, atol=50 * 8 * 2.0**-bits)


def classifier(policy, optimizer):
    """Returns a network of which one layer's units are all dead: their gradients are exactly 0."""
    keras.utils.set_random_seed(2)
    layers = keras.layers
    dead = keras.initializers.Constant(-100.0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(16, "tanh", dtype=policy),
            layers.Dense(4, "relu", bias_initializer=dead, dtype=policy),
            layers.Dense(2, dtype=policy),
            layers.Activation("linear", dtype="float32"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False)
    return model


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"])
@pytest.mark.parametrize("scaled", [False, True])
def test_no_policy_gives_a_nan_in_fit(policy, scaled):
    optimizer = AdaMax(0.01)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024.0)
    model = classifier(policy, optimizer)
    before = model.get_weights()
    random = np.random.default_rng(4)
    x = random.normal(size=(64, 6)).astype(np.float32)
    model.fit(x, (x[:, 0] > 0).astype(int), batch_size=8, epochs=4, verbose=0)
    after = [np.asarray(w, float) for w in model.get_weights()]
    assert all(np.isfinite(w).all() for w in after)
    np.testing.assert_array_equal(after[2], np.asarray(before[2], float))  # dead: never moved
    assert not np.array_equal(after[5], np.asarray(before[5], float))
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    assert {x.dtype for x in [*inner._m, *inner._u]} == {"float32"}


def test_mixed_float16_with_loss_scaling_learns_as_float32_does():
    random = np.random.default_rng(4)
    x = random.normal(size=(256, 6)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    losses = []
    for policy in ("float32", "mixed_float16"):
        optimizer = AdaMax(0.02)
        if policy != "float32":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        model = classifier(policy, optimizer)
        model.layers[1].bias.assign(np.zeros(4))
        losses.append(model.fit(x, y, batch_size=32, epochs=20, verbose=0).history["loss"][-1])
    assert losses[0] < 0.45
    assert losses[1] == pytest.approx(losses[0], abs=0.1)
