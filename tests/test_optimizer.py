"""AdaMax against stock Keras, against the paper in float64, and against the bound that follows from the paper."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracle import adamax, max_update

from adamax_tb import AdaMax

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(48, 5)).astype(np.float32)
Y = RANDOM.normal(size=(48, 2)).astype(np.float32)


def fitted(optimizer, jit_compile=False, epochs=3):
    """Returns a tiny model after 6 batches an epoch, the same for every optimizer."""
    model = tiny(optimizer, jit_compile)
    model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return model


def tiny(optimizer, jit_compile=False):
    initial = [keras.initializers.GlorotUniform(seed=seed) for seed in (1, 2)]
    layers = [
        keras.Input((5,)),
        keras.layers.Dense(7, "tanh", kernel_initializer=initial[0], name="hidden"),
        keras.layers.Dense(2, kernel_initializer=initial[1], name="out"),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer, "mse", jit_compile=jit_compile)
    return model


def assert_same_state(a, b, **tolerance):
    """The models' weights, and their optimizers' step, m and u."""
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(x, y, **tolerance)
    for x, y in zip(a.optimizer.variables, b.optimizer.variables, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), err_msg=x.path, **tolerance)


# Both round each of some ten operations per step to 24 bits, in a different order, and 18 steps feed the differences
# back through the gradient: weights of about 1 that moved by 0.1 differ by up to 3e-7.
ROUNDING = {"rtol": 1e-5, "atol": 2e-6}

OPTIONS = {
    "plain": {},
    "weight_decay": {"weight_decay": 0.1},
    "clipnorm": {"clipnorm": 0.05},
    "global_clipnorm": {"global_clipnorm": 0.1},
    "clipvalue": {"clipvalue": 0.02},
    "ema": {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 4},
    "accumulation": {"gradient_accumulation_steps": 3},
    "loss_scale": {"loss_scale_factor": 8.0},
    "betas": {"beta_1": 0.5, "beta_2": 0.8, "epsilon": 0.01},
    "no_momentum": {"beta_1": 0.0},
}


@pytest.mark.parametrize(
    ("options", "jit_compile"),
    [(name, False) for name in OPTIONS]
    + [(name, True) for name in ("plain", "global_clipnorm", "accumulation")],
)
def test_fit_gives_the_weights_and_state_of_stock_adamax(options, jit_compile):
    arguments = {"learning_rate": 0.02, **OPTIONS[options]}
    ours = fitted(AdaMax(**arguments), jit_compile)
    stock = fitted(keras.optimizers.Adamax(**arguments), jit_compile)
    start = tiny("sgd").get_weights()
    assert np.abs(ours.get_weights()[0] - start[0]).max() > 0.01  # it trained at all
    assert_same_state(ours, stock, **ROUNDING)


def test_a_learning_rate_schedule_gives_the_weights_of_stock_adamax():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, decay_steps=2, decay_rate=0.5)
    ours, stock = fitted(AdaMax(schedule)), fitted(keras.optimizers.Adamax(schedule))
    assert_same_state(ours, stock, **ROUNDING)


def test_a_callable_learning_rate_gives_the_weights_of_stock_adamax():
    ours, stock = fitted(AdaMax(lambda: 0.03)), fitted(keras.optimizers.Adamax(lambda: 0.03))
    assert_same_state(ours, stock, **ROUNDING)


def applied(optimizer, gradients, w, dtype="float32"):
    """Yields the variable, m and u after each of `gradients` in turn."""
    variable = keras.Variable(w, dtype=dtype)
    optimizer.build([variable])
    for gradient in gradients:
        if not isinstance(gradient, tf.IndexedSlices):
            gradient = tf.constant(gradient, dtype)
        optimizer.apply([gradient], [variable])
        yield tuple(x.numpy() for x in (variable, optimizer._m[0], optimizer._u[0]))


def sequence(kind):
    """Returns (30, 2, 3) gradients."""
    g = np.random.default_rng(1).normal(size=(30, 2, 3))
    match kind:
        case "some zero":
            g[:, 0] = 0
            g[::3, 1, 1] = 0
        case "spike":  # u now falls by beta_2 a step, and nothing else is seen of the gradient
            g[0] *= 1e4
            g[1:] *= 1e-3
        case "tiny":  # below epsilon
            g *= 1e-9
    return g


# float32 rounds to 6e-8, and a step may add some ten such errors: of the update (which is lr at most), of m and of u.
PRECISION = {"float32": 1e-6, "float64": 1e-14}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["random", "some zero", "spike", "tiny"])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.6, 0.9)])
def test_the_steps_are_those_of_the_paper(kind, dtype, betas):
    # numbers that float32 holds exactly, or both sides start from different ones
    beta_1, beta_2, rate, epsilon = (float(np.float32(x)) for x in (*betas, 0.01, 1e-7))
    gradients = sequence(kind).astype(np.float32).astype(float)
    w = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    ours = applied(AdaMax(rate, beta_1, beta_2, epsilon), gradients, w, dtype)
    oracle = adamax(gradients, rate, beta_1, beta_2, epsilon, w)
    tolerance = PRECISION[dtype]
    for (weights, m, u), step in zip(ours, oracle, strict=True):
        scale = step.u.max()
        np.testing.assert_allclose(u, step.u, rtol=step.t * tolerance)
        np.testing.assert_allclose(m, step.m, rtol=0, atol=step.t * tolerance * scale)
        np.testing.assert_allclose(weights, step.w, rtol=0, atol=step.t * tolerance)


def test_a_float64_variable_is_updated_with_float64_betas_and_epsilon():
    gradients = sequence("random")
    # Keras holds a learning rate as a float32 number, and this is one
    ours = applied(AdaMax(0.25, epsilon=1e-3), gradients, np.zeros((2, 3)), "float64")
    oracle = adamax(gradients, 0.25, 0.9, 0.999, 1e-3, np.zeros((2, 3)))
    for (weights, m, u), step in zip(ours, oracle, strict=True):
        np.testing.assert_allclose(u, step.u, rtol=1e-13)
        np.testing.assert_allclose(m, step.m, rtol=0, atol=1e-13)
        np.testing.assert_allclose(weights, step.w, rtol=0, atol=1e-12)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_with_epsilon_0_an_entry_that_never_had_a_gradient_does_not_move(dtype, jit_compile):
    variable = keras.Variable(np.ones(3), dtype=dtype)
    optimizer = AdaMax(0.25, epsilon=0.0)
    optimizer.build([variable])
    gradient = tf.constant([0.0, -1.0, 2.0], dtype)
    tf.function(lambda: optimizer.apply([gradient], [variable]), jit_compile=jit_compile)()
    assert variable.numpy()[0] == 1.0
    # lr · sign(g), to the variable's rounding; 1 - beta_1 is a float32 number
    np.testing.assert_allclose(variable.numpy()[1:], [1.25, 0.75], rtol=1e-6)


def adversarial(steps, shape=(3, 4)):
    """Returns (steps, *shape) gradients that try what breaks implementations, one after the other."""
    random = np.random.default_rng(8)
    g = random.normal(size=(steps, *shape)) * 10.0 ** random.uniform(-6, 6, (steps, 1, 1))
    g[:, 0, 0] = 0  # never one
    g[:, 0, 1] = (-1.0) ** np.arange(steps)  # signs that alternate
    g[:, 0, 2] = 0.999 ** np.arange(steps)  # falls as u does: the largest updates there are
    g[:, 0, 3] = np.where(np.arange(steps) % 500 == 0, 1e8, 1e-8)  # spikes
    g[:, 1, 0] = np.where(np.arange(steps) < steps // 2, 0, 1)  # wakes up late
    g[:, 1, 1] = np.where(np.arange(steps) == 0, 1, 0)  # once
    g[:, 1, 2] = 1e30
    g[:, 1, 3] = 1e-30  # below epsilon
    return g


def test_thousands_of_adversarial_steps_are_those_of_the_paper():
    gradients = adversarial(4000)
    # Keras holds a learning rate as a float32 number, and this is one
    ours = applied(AdaMax(2**-7), gradients, np.zeros((3, 4)), "float64")
    oracle = adamax(gradients, 2**-7, w=np.zeros((3, 4)))
    for (weights, m, u), step in zip(ours, oracle, strict=True):
        # float64 rounds to 1.1e-16; 4000 products of beta_2, and m's terms of up to max |g| cancel
        np.testing.assert_allclose(u, step.u, rtol=5e-13)
        np.testing.assert_allclose(m, step.m, rtol=0, atol=1e-14 * step.u.max())
        np.testing.assert_allclose(weights, step.w, rtol=0, atol=1e-10)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("epsilon", [1e-7, 0.0])
def test_thousands_of_adversarial_steps_in_float32_stay_near_the_paper(epsilon, jit_compile):
    gradients = adversarial(3000).astype(np.float32)
    variable = keras.Variable(np.zeros((3, 4), np.float32))
    optimizer = AdaMax(2**-7, epsilon=epsilon)
    optimizer.build([variable])

    @tf.function(jit_compile=jit_compile)
    def train(gradients):
        for g in gradients:
            optimizer.apply([g], [variable])

    for chunk in np.split(gradients, 30):  # a graph of 100 updates
        train(tf.constant(chunk)) if jit_compile else [
            optimizer.apply([tf.constant(g)], [variable]) for g in chunk
        ]
    # the oracle gets the numbers that float32 holds
    beta_1, beta_2, small = (float(np.float32(x)) for x in (0.9, 0.999, epsilon))
    *_, step = adamax(gradients, 2**-7, beta_1, beta_2, small, np.zeros((3, 4)))
    np.testing.assert_allclose(optimizer._u[0].numpy(), step.u, rtol=3000 * 6e-8)
    # updates of up to 0.008, each off by some 1e-6 of it, of weights of up to 24
    np.testing.assert_allclose(variable.numpy(), step.w, rtol=0, atol=3000 * 24 * 6e-8)


def test_the_first_step_is_the_sign_of_the_gradient_times_the_learning_rate():
    gradient = np.array([[3.0, -1e-3, 1e20, 0.0]])
    *_, (weights, _, _) = applied(AdaMax(0.5, epsilon=1e-30), gradient, np.zeros(4), "float64")
    # 1 - 0.9 is not 0.1 to the last bit, in m and in the bias correction
    np.testing.assert_allclose(weights, [-0.5, 0.5, -0.5, 0], rtol=1e-14)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("epsilon", [1e-7, 0.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_denormal_gradients_do_no_harm(dtype, epsilon, jit_compile):
    """TensorFlow takes them for 0, or not, depending on the thread: a weight stays or makes a step of at most lr."""
    tiny = np.finfo(dtype).tiny
    gradient = tf.constant([tiny / 8, -tiny / 2, tiny, 0.0, 1.0], dtype)
    variable = keras.Variable(np.ones(5), dtype=dtype)
    optimizer = AdaMax(0.25, epsilon=epsilon)
    optimizer.build([variable])
    step = tf.function(lambda: optimizer.apply([gradient], [variable]), jit_compile=jit_compile)
    for t in range(1, 4):
        before = variable.numpy()
        step()
        moved = np.abs(variable.numpy() - before)
        assert (moved <= max_update(t, 0.25, 0.9, 0.999) * (1 + 1e-6)).all()  # float32's lr
        assert moved[3] == 0
        np.testing.assert_allclose(moved[4], 0.25, rtol=1e-5)  # epsilon, and float32 weights near 1


@pytest.mark.parametrize("settings", [None, {"jit_compile": False}, {"jit_compile": True}])
@pytest.mark.parametrize("epsilon", [1e-7, 0.0])  # the fused kernel and the other way
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_entry_that_is_not_finite_leaves_the_others_right(bad, epsilon, settings):
    random = np.random.default_rng(3)
    good = random.normal(size=(6, 2, 3)).astype(np.float32)
    spoilt = good.copy()
    spoilt[2, 1, 1] = bad

    def result(gradients):
        variable = keras.Variable(np.ones((2, 3), np.float32))
        optimizer = AdaMax(0.01, epsilon=epsilon)
        optimizer.build([variable])

        def step(g):
            optimizer.apply([g], [variable])

        step = step if settings is None else tf.function(step, **settings)
        for g in gradients:
            step(tf.constant(g))
        return variable.numpy(), optimizer._m[0].numpy(), optimizer._u[0].numpy()

    results = result(good), result(spoilt)
    for clean, dirty in zip(*results, strict=True):
        expected = clean.copy()
        expected[1, 1] = dirty[1, 1]
        np.testing.assert_array_equal(dirty, expected)
    assert np.isnan(results[1][0][1, 1])  # and it is lost, as in the paper's arithmetic


finite = st.floats(-(2.0**100), 2.0**100, width=32)
gradient_sequences = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 8), st.integers(1, 3)), elements=finite
)
betas_1 = st.sampled_from([0.0, 0.5, 1 - 2**-3, 1 - 2**-7])
betas_2 = st.sampled_from([0.5, 1 - 2**-3, 1 - 2**-7, 1 - 2**-10])


@given(gradient_sequences, betas_1, betas_2)
@example(np.zeros((2, 3)), 0.9, 0.999)
@example(np.ones((1, 1)), 0.9, 0.999)
@example(0.5 ** np.arange(1.0, 9)[:, np.newaxis], 0.9, 0.5)
@example(0.999 ** np.arange(1.0, 40)[:, np.newaxis], 0.9, 0.999)
def test_no_update_of_the_paper_exceeds_the_bound(gradients, beta_1, beta_2):
    for step in adamax(gradients, 1.0, beta_1, beta_2, 1e-300):
        bound = max_update(step.t, 1.0, beta_1, beta_2)
        assert np.abs(step.update).max() <= bound * (1 + 1e-12)  # float64 sums of t terms


@settings(max_examples=40)
@given(gradient_sequences, betas_1, betas_2)
@example(np.zeros((2, 3)), 0.5, 0.5)
@example(0.5 ** np.arange(1.0, 9)[:, np.newaxis], 0.875, 0.5)
def test_no_update_exceeds_the_bound(gradients, beta_1, beta_2):
    before = np.zeros(gradients.shape[1])
    ours = applied(AdaMax(1.0, beta_1, beta_2), gradients, before, "float64")
    for t, (weights, _, _) in enumerate(ours, start=1):
        # float64 sums of t terms, and the rounding of weights of up to t bounds
        bound = max_update(t, 1.0, beta_1, beta_2) * (1 + 1e-12)
        assert np.abs(weights - before).max() <= bound
        before = weights


def test_the_bound_is_attained_by_gradients_that_fall_as_u_does():
    beta_1, beta_2 = 0.875, 1 - 2**-10
    gradients = beta_2 ** np.arange(1.0, 61)[:, np.newaxis]
    ours = applied(AdaMax(1.0, beta_1, beta_2, 1e-30), gradients, np.zeros(1), "float64")
    weights = np.concatenate([[0.0], [w[0] for w, _, _ in ours]])
    bounds = [max_update(t, 1.0, beta_1, beta_2) for t in range(1, 61)]
    # differences of weights of up to 60
    np.testing.assert_allclose(-np.diff(weights), bounds, rtol=1e-12)


def test_the_bound_at_the_defaults_is_more_than_the_learning_rate_that_the_paper_promises():
    # (1 - beta_1)/(1 - beta_1/beta_2), the geometric series
    assert max_update(1000, 1.0, 0.9, 0.999) == pytest.approx(0.0999 / 0.099, rel=1e-12)


STOCK_ARGUMENTS = {
    "learning_rate": 0.25,
    "beta_1": 0.5,
    "beta_2": 0.75,
    "epsilon": 0.125,
    "weight_decay": 0.5,
    "clipnorm": 2.0,
    "clipvalue": 3.0,
    "global_clipnorm": 4.0,
    "use_ema": True,
    "ema_momentum": 0.5,
    "ema_overwrite_frequency": 7,
    "loss_scale_factor": 16.0,
    "gradient_accumulation_steps": 3,
    "name": "mine",
}


def test_every_argument_of_stock_adamax_is_listed_here():
    parameters = [*inspect.signature(keras.optimizers.Adamax.__init__).parameters]
    assert parameters == ["self", *STOCK_ARGUMENTS, "kwargs"]


@pytest.mark.parametrize("argument", STOCK_ARGUMENTS)
def test_every_argument_of_stock_adamax_is_taken_and_kept(argument):
    optimizer = AdaMax(**{argument: STOCK_ARGUMENTS[argument]})
    assert optimizer.get_config()[argument] == STOCK_ARGUMENTS[argument]
    again = AdaMax.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()


def test_arguments_by_position_are_those_of_stock_adamax():
    values = [*STOCK_ARGUMENTS.values()]
    values[5] = values[6] = None  # only one way of clipping at a time
    ours, stock = AdaMax(*values), keras.optimizers.Adamax(*values)
    assert ours.get_config() == stock.get_config()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("epsilon", [tf.constant(0.125), 0.0])  # the fused kernel and the other way
def test_betas_and_epsilon_may_be_tensors(epsilon, dtype):
    gradients = sequence("random").astype(np.float16).astype(float)
    results = []
    for arguments in (
        [tf.constant(0.5), tf.constant(0.75), epsilon],
        [0.5, 0.75, float(epsilon)],
    ):
        variable = keras.Variable(np.ones((2, 3)), dtype=dtype)
        optimizer = AdaMax(0.25, *arguments)
        optimizer.build([variable])
        step = tf.function(lambda g, o=optimizer: o.apply([g], o._trainable_variables))
        for g in gradients:
            step(tf.constant(g, dtype))
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-6, atol=1e-6)


def test_the_defaults_are_those_of_stock_adamax():
    ours, stock = AdaMax(name="same"), keras.optimizers.Adamax(name="same")
    assert ours.get_config() == stock.get_config()


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("beta_1", 1.0),
        ("beta_1", -0.1),
        ("beta_1", float("nan")),
        ("beta_1", np.float32(1.5)),
        ("beta_2", 1),
        ("beta_2", -1e-9),
        ("epsilon", -1e-7),
        ("epsilon", float("inf")),
        ("momentum", 0.9),
    ],
)
def test_a_bad_argument_is_refused_by_name(argument, value):
    with pytest.raises(ValueError, match=argument):
        AdaMax(**{argument: value})


def test_betas_of_0_are_allowed():
    # u is then |g| and m is g: every step is lr · sign(g), short of epsilon and float32's rounding of w
    gradients = np.array([[2.0, -1.0], [-0.5, 4.0]])
    *_, (weights, _, _) = applied(AdaMax(0.5, 0.0, 0.0), gradients, np.zeros(2))
    np.testing.assert_allclose(weights, [0, 0], atol=2e-7)


# Every feature of a Keras optimizer, against stock Adamax.


def trained(optimizer, change=lambda model: None, **settings):
    """Returns a tiny model that was changed between two fits."""
    model = tiny(optimizer)
    model.compile(optimizer, "mse", **settings)
    for _ in range(2):
        model.fit(X, Y, batch_size=8, epochs=1, shuffle=False, verbose=0)
        change(model)
    return model


def both(change=lambda model: None, prepare=lambda optimizer: None, settings=None, **arguments):
    """Trains with AdaMax and with stock Adamax, and compares weights and state."""
    models = []
    for kind in (AdaMax, keras.optimizers.Adamax):
        optimizer = kind(0.02, **arguments)
        prepare(optimizer)
        models.append(trained(optimizer, change, **(settings or {})))
    assert_same_state(*models, **ROUNDING)
    return models[0]


@pytest.mark.parametrize(
    "settings",
    [{"run_eagerly": True}, {"steps_per_execution": 3}, {"jit_compile": "auto"}],
    ids=str,
)
def test_however_a_step_is_run_the_weights_are_those_of_stock_adamax(settings):
    assert int(both(settings=settings).optimizer.iterations) == 12


def test_variables_are_excluded_from_weight_decay():
    excluded = both(
        weight_decay=0.5, prepare=lambda o: o.exclude_from_weight_decay(var_names=["kernel"])
    )
    decayed = both(weight_decay=0.5)
    ratio = np.linalg.norm(excluded.get_weights()[0]) / np.linalg.norm(decayed.get_weights()[0])
    assert ratio > 1.05


def test_a_layer_frozen_after_compile_stays_and_goes_on_when_it_is_free_again():
    seen = []

    def toggle(model):
        seen.append(model.get_weights()[0])
        model.layers[0].trainable = not model.layers[0].trainable
        model.train_function = None  # as compiling anew would

    model = both(change=toggle)
    np.testing.assert_array_equal(seen[0], seen[1])
    model.fit(X, Y, batch_size=8, verbose=0)
    assert np.abs(model.get_weights()[0] - seen[1]).max() > 0.01


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")
def test_a_variable_without_gradient_keeps_its_weights_and_state():
    used, unused = (keras.Variable(np.ones(3, np.float32)) for _ in range(2))
    optimizer = AdaMax(0.01)
    optimizer.build([used, unused])
    optimizer.apply([tf.ones(3), tf.ones(3)], [used, unused])
    before = [x.numpy() for x in (unused, optimizer._m[1], optimizer._u[1])]
    optimizer.apply([tf.ones(3), None], [used, unused])
    for x, y in zip(before, (unused, optimizer._m[1], optimizer._u[1]), strict=True):
        np.testing.assert_array_equal(x, y.numpy())
    np.testing.assert_allclose(used.numpy(), 0.98, rtol=1e-6)  # two steps of lr


def test_constraints_hold_after_every_update():
    for kind in (AdaMax, keras.optimizers.Adamax):
        constraint = keras.constraints.MaxNorm(0.5)
        layer = keras.layers.Dense(3, kernel_constraint=constraint, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((5,)), layer, keras.layers.Dense(2)])
        model.compile(kind(0.1), "mse")
        model.fit(X, Y, batch_size=8, verbose=0)
        norms = np.linalg.norm(layer.kernel.numpy(), axis=0)  # it began at 2.2
        assert norms.max() <= 0.5 * (1 + 1e-5)  # float32's square root
        assert norms.max() > 0.1


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_training_loop_of_ones_own_gives_what_fit_gives(jit_compile):
    own, fit = tiny(AdaMax(0.02)), fitted(AdaMax(0.02), epochs=1)
    own.optimizer.build(own.trainable_variables)

    @tf.function(jit_compile=jit_compile)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(own(x) - y))
        gradients = tape.gradient(loss, [v.value for v in own.trainable_variables])
        own.optimizer.apply(gradients, own.trainable_variables)

    for start in range(0, 48, 8):
        step(X[start : start + 8], Y[start : start + 8])
    assert_same_state(own, fit, **ROUNDING)


@pytest.mark.parametrize("lazy_rows", [False, True])
def test_a_subclass_with_its_own_update_step_is_followed(lazy_rows):
    class Signed(AdaMax):
        def update_step(self, gradient, variable, learning_rate):
            signed = tf.IndexedSlices(
                tf.sign(gradient.values), gradient.indices, gradient.dense_shape
            )
            super().update_step(signed, variable, learning_rate)

    variable = keras.Variable(np.zeros(3, np.float32))
    optimizer = Signed(0.5, lazy_rows=lazy_rows)
    optimizer.build([variable])
    optimizer.apply([tf.IndexedSlices(tf.constant([3.0, -0.1]), [0, 2], (3,))], [variable])
    np.testing.assert_array_equal(optimizer._u[0].numpy(), [1, 0, 1])


@pytest.mark.parametrize("lazy_rows", [False, True])
def test_update_step_may_be_called_by_itself(lazy_rows):
    variable = keras.Variable(np.zeros(3, np.float32))
    optimizer = AdaMax(0.5, lazy_rows=lazy_rows)
    optimizer.build([variable])
    gradient = tf.IndexedSlices(tf.constant([3.0, -0.1]), [0, 2], (3,))
    optimizer.update_step(gradient, variable, 0.5)
    # lr · sign(g), short of epsilon, a millionth of 0.1
    np.testing.assert_allclose(variable.numpy(), [-0.5, 0, 0.5], rtol=2e-6)
