"""Warm restarts: m, u and the bias correction begin anew, in every way of running a step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracle import adamax

from adamax_tb import AdaMax

SHAPES = ((2, 3), (4,))
STEPS = 30


def gradients(steps=STEPS):
    random = np.random.default_rng(2)
    return [random.normal(size=(steps, *shape)).astype(np.float32) for shape in SHAPES]


def trained(optimizer, dtype="float32", before=lambda t: None, settings=None, grads=None):
    """Returns the weights after each update; `before(t)` runs before update t."""
    variables = [keras.Variable(np.ones(shape), dtype=dtype) for shape in SHAPES]
    optimizer.build(variables)
    apply = lambda *g: optimizer.apply([*g], variables)  # noqa: E731
    step = apply if settings is None else tf.function(apply, **settings)
    weights = []
    for t, g in enumerate(zip(*(grads or gradients()), strict=True), start=1):
        before(t)
        step(*(tf.constant(x, dtype) for x in g))
        weights.append([v.numpy() for v in variables])
    return weights


def assert_restarted_at(weights, restarts, grads=None, atol=2e-6, **arguments):
    """float32 rounds some ten operations a step to 6e-8, of weights near 1."""
    for i, g in enumerate(grads or gradients()):
        steps = adamax(g, 0.01, w=np.ones(()), restarts=restarts, **arguments)
        for t, (now, step) in enumerate(zip(weights, steps, strict=True), start=1):
            np.testing.assert_allclose(
                now[i].astype(float), step.w, rtol=0, atol=atol, err_msg=f"update {t}"
            )


WAYS = {"eager": None, "graph": {"jit_compile": False}, "xla": {"jit_compile": True}}


@pytest.mark.parametrize("settings", WAYS.values(), ids=WAYS)
def test_restart_every_clears_m_and_u_and_the_bias_correction(settings):
    weights = trained(AdaMax(0.01, restart_every=7), settings=settings)
    assert_restarted_at(weights, [8, 15, 22, 29])


@pytest.mark.parametrize("settings", WAYS.values(), ids=WAYS)
def test_a_period_that_grows_is_that_of_the_cycle_that_begins(settings):
    optimizer = AdaMax(0.01, restart_every=lambda updates: updates + 4)
    assert_restarted_at(trained(optimizer, settings=settings), [5, 13, 29])  # 4, 8, 16 long


def test_a_schedule_gives_the_period():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([6], [3.0, 10.0])
    weights = trained(AdaMax(0.01, restart_every=schedule), settings=WAYS["graph"])
    assert_restarted_at(weights, [4, 7, 10, 20, 30])  # at update 6 it still gives 3


def test_restarts_keep_to_the_cycles_of_cosine_decay_restarts():
    """As the docstring says: both at updates 101, 301, 701."""
    schedule = keras.optimizers.schedules.CosineDecayRestarts(1e-3, 4, t_mul=2.0)
    rates = np.array([float(schedule(step)) for step in range(28)])
    (risen,) = np.nonzero(np.diff(rates) > 0)
    assert (risen + 2).tolist() == [5, 13]  # counted from 1
    optimizer = AdaMax(0.01, restart_every=lambda updates: updates + 4)
    assert_restarted_at(
        trained(optimizer, settings=WAYS["graph"])[:28], [5, 13], [g[:28] for g in gradients()]
    )


@pytest.mark.parametrize("settings", WAYS.values(), ids=WAYS)
def test_restart_between_two_updates(settings):
    optimizer = AdaMax(0.01)
    weights = trained(
        optimizer, settings=settings, before=lambda t: t == 11 and optimizer.restart()
    )
    assert_restarted_at(weights, [11])
    assert int(optimizer.iterations) == STEPS


@pytest.mark.parametrize("jit_compile", [False, True])
def test_restart_inside_a_compiled_step(jit_compile):
    optimizer = AdaMax(0.01)
    variables = [keras.Variable(np.ones(shape, np.float32)) for shape in SHAPES]
    optimizer.build(variables)

    @tf.function(jit_compile=jit_compile)
    def step(wanted, *grads):
        tf.cond(wanted, lambda: (optimizer.restart(), 0)[1], lambda: 0)
        optimizer.apply([*grads], variables)

    weights = []
    for t, g in enumerate(zip(*gradients(), strict=True), start=1):
        step(tf.constant(t in (4, 20)), *map(tf.constant, g))
        weights.append([v.numpy() for v in variables])
    assert_restarted_at(weights, [4, 20])


def test_restart_in_the_scope_of_a_strategy():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        variable = keras.Variable(np.ones(2, np.float32))
        optimizer = AdaMax(0.01)
        optimizer.build([variable])
        optimizer._u[0].assign(np.ones(2))
        optimizer.iterations.assign(5)
        optimizer.restart()
    np.testing.assert_array_equal(optimizer._u[0].numpy(), 0)
    assert int(optimizer.restart_clock.restarted_at.numpy()) == 5


def test_a_restart_by_hand_begins_the_cycle_of_restart_every():
    optimizer = AdaMax(0.01, restart_every=7)
    weights = trained(optimizer, before=lambda t: t == 5 and optimizer.restart())
    assert_restarted_at(weights, [5, 12, 19, 26])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_variables_of_another_type_restart(dtype):
    grads = [np.asarray(tf.cast(g, dtype), float) for g in gradients()]
    weights = trained(AdaMax(0.01, restart_every=7), dtype, settings=WAYS["graph"], grads=grads)
    # 30 roundings of weights near 1, to 11 or 8 bits
    digits = {"float16": 30 * 2**-11, "bfloat16": 30 * 2**-8, "float64": 1e-8}
    assert_restarted_at(weights, [8, 15, 22, 29], grads, digits[dtype])


@pytest.mark.parametrize("settings", WAYS.values(), ids=WAYS)
def test_a_restart_clears_a_nan_out_of_m_and_u(settings):
    """The weight is lost; what comes after a checkpoint's weights are put back is not."""
    grads = gradients()
    grads[0][3, 1, 1] = np.nan
    grads[1][3, 2] = np.inf
    optimizer = AdaMax(0.01, restart_every=7)

    def repair(t):
        for v in optimizer._trainable_variables:
            if t == 8:
                v.assign(np.ones(v.shape))

    weights = trained(optimizer, before=repair, settings=settings, grads=grads)
    assert np.isnan(weights[3][0][1, 1])
    after = [g[7:] for g in grads]
    assert_restarted_at(weights[7:], [8, 15, 22], after)


def test_under_accumulation_a_period_counts_updates_not_batches():
    optimizer = AdaMax(0.01, restart_every=5, gradient_accumulation_steps=2)
    weights = trained(optimizer, settings=WAYS["graph"])[1::2]
    means = [(g[0::2].astype(float) + g[1::2]) / 2 for g in gradients()]
    assert_restarted_at(weights, [6, 11], means)


def test_lazy_rows_restart():
    table = keras.Variable(np.ones((5, 2), np.float32))
    optimizer = AdaMax(0.01, lazy_rows=True, restart_every=6)
    optimizer.build([table])
    random = np.random.default_rng(4)
    grads, touched = np.zeros((20, 5, 2)), np.zeros((20, 5, 1), bool)
    for t in range(20):
        at, values = random.integers(0, 5, 2), random.normal(size=(2, 2)).astype(np.float32)
        np.add.at(grads[t], at, values)
        touched[t, at] = True
        optimizer.apply([tf.IndexedSlices(values, at, (5, 2))], [table])
    *_, step = adamax(grads, 0.01, w=np.ones(()), touched=touched, restarts=[7, 13, 19])
    np.testing.assert_allclose(table.numpy(), step.w, rtol=0, atol=2e-6)


@pytest.mark.parametrize("period", [0, -3, 2.5, True, "10"])
def test_a_bad_period_is_refused_by_name(period):
    with pytest.raises(ValueError, match="restart_every"):
        AdaMax(restart_every=period)


@pytest.mark.parametrize(
    "period",
    [keras.optimizers.schedules.CosineDecayRestarts(1e-3, 100), lambda updates: updates * 0],
)
def test_a_callable_that_gives_no_cycle_length_is_refused_by_name(period):
    with pytest.raises(ValueError, match="restart_every.*at least 1 update.*for the first one"):
        AdaMax(restart_every=period)


def test_the_period_is_in_the_configuration_when_it_is_set():
    schedule = keras.optimizers.schedules.PolynomialDecay(10.0, 100, 50.0)
    for period in (7, schedule):
        config = AdaMax(restart_every=period).get_config()
        again = AdaMax.from_config(config)
        assert again.get_config() == config
    assert again.restart_every(50) == schedule(50)
    assert "restart_every" not in AdaMax().get_config()


def test_a_restart_before_the_first_update_changes_nothing():
    optimizer = AdaMax(0.01)
    optimizer.restart()
    assert_restarted_at(trained(optimizer), [])
