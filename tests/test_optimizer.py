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


@pytest.mark.parametrize("epsilon", [1e-7, 0.0])  # the fused kernel and the other way
@pytest.mark.parametrize("jit_compile", [False, True])
def test_rows_of_an_embedding_that_repeat_count_once_with_their_sum(epsilon, jit_compile):
    table = keras.Variable(np.zeros((4, 1), np.float32))
    optimizer = AdaMax(0.01, epsilon=epsilon)
    optimizer.build([table])

    @tf.function(jit_compile=jit_compile)
    def step():
        rows = tf.constant([2, 2, 1])
        values = tf.constant([[1.0], [-0.75], [3.0]])
        optimizer.apply([tf.IndexedSlices(values, rows, dense_shape=(4, 1))], [table])

    step()
    np.testing.assert_array_equal(optimizer._u[0].numpy()[:, 0], [0, 3, 0.25, 0])
    # the first update is lr · sign(g) to float rounding and u's epsilon, 4e-7 of 0.25
    np.testing.assert_allclose(table.numpy()[:, 0], [0, -0.01, -0.01, 0], rtol=2e-6)


def test_an_embedding_with_repeated_rows_trains_as_its_one_hot_matrix_does():
    ids = np.array([[0, 1, 1, 3], [2, 2, 2, 0]] * 4)
    weights = np.random.default_rng(3).normal(size=(5, 2)).astype(np.float32)
    embedding = keras.layers.Embedding(5, 2)
    matrix = keras.layers.Dense(2, use_bias=False)
    lookup = keras.Sequential([keras.Input((4,), dtype="int32"), embedding])
    product = keras.Sequential([keras.Input((4, 5)), matrix])
    target = np.zeros((8, 4, 2), np.float32)
    one_hot = np.eye(5, dtype=np.float32)[ids]
    for model, x in ((lookup, ids), (product, one_hot)):
        model.set_weights([weights])
        model.compile(AdaMax(0.05), "mse")
        model.fit(x, target, batch_size=2, epochs=2, shuffle=False, verbose=0)
    # sums of the same eight numbers in another order
    np.testing.assert_allclose(lookup.get_weights()[0], product.get_weights()[0], **ROUNDING)
    np.testing.assert_array_equal(lookup.get_weights()[0][4], weights[4])  # never looked up


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


def test_a_zero_gradient_does_not_make_a_float16_variable_nan():
    gradients = np.array([[0.0, 1.0], [0.0, -0.5], [0.0, 0.0]])
    *_, (weights, _, _) = applied(AdaMax(0.01), gradients, np.ones(2), "float16")
    *_, last = adamax(gradients, 0.01, w=np.ones(2))
    assert weights[0] == 1.0
    # three weights near 1 were rounded to 11 bits
    np.testing.assert_allclose(weights, last.w, atol=3 * 2**-11)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_u_of_a_half_precision_variable_decays(dtype):
    gradients = np.zeros((400, 1))
    gradients[0] = 1.0
    *_, (_, _, u) = applied(AdaMax(0.01, beta_2=0.999), gradients, np.ones(1), dtype)
    # 0.999**399 = 0.67; each of 399 roundings to 8 or 11 bits may lose as much as the decay takes, so only the order
    # of magnitude is asked for
    assert 0.4 < float(u[0]) < 0.9


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


@settings(deadline=None, max_examples=40)  # TensorFlow's first call is slow
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


def test_the_defaults_are_those_of_stock_adamax():
    ours, stock = AdaMax(name="same"), keras.optimizers.Adamax(name="same")
    assert ours.get_config() == stock.get_config()


#: Keras calls np.array on a variable whose `__array__` does not yet take NumPy 2's `copy`.
saves_with_keras = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@saves_with_keras
def test_a_saved_model_goes_on_as_if_it_had_not_been_saved(tmp_path):
    model = fitted(AdaMax(0.02, beta_2=0.9, weight_decay=0.01))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is AdaMax
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert_same_state(loaded, model, rtol=0)
    for each in (model, loaded):
        each.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    assert int(loaded.optimizer.iterations) == 24
    assert_same_state(loaded, model, rtol=0)


@saves_with_keras
@pytest.mark.parametrize(
    ("writer", "reader"), [(keras.optimizers.Adamax, AdaMax), (AdaMax, keras.optimizers.Adamax)]
)
def test_checkpoints_are_those_of_stock_adamax(tmp_path, writer, reader):
    model = fitted(writer(0.02))
    model.save_weights(tmp_path / "checkpoint.weights.h5")
    other = tiny(reader(0.02))
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "checkpoint.weights.h5")
    assert int(other.optimizer.iterations) == 18
    assert_same_state(other, model, rtol=0)


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
