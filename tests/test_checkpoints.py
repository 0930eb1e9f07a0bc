"""Checkpoints: resumed exactly, and interchangeable with stock Adamax's in all three formats."""

import warnings

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from stock import copies_variables

from adamax_tb import AdaMax

Adamax = keras.optimizers.Adamax
RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 9, (48, 3)).astype(np.int32)
Y = RANDOM.normal(size=(48, 2)).astype(np.float32)

pytestmark = copies_variables


def network(optimizer, dtype="float32"):
    layers = [
        keras.Input((3,), dtype="int32"),
        keras.layers.Embedding(12, 4, dtype=dtype, name="table"),  # rows 9 to 11 never come
        keras.layers.Flatten(dtype=dtype),
        keras.layers.Dense(2, dtype=dtype, name="out"),
    ]
    model = keras.Sequential(layers, name="net")
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=v.shape) for v in model.variables])
    model.compile(optimizer, "mse", jit_compile=False)
    return model


def train(model, epochs=2):
    model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return model


def write_keras(model, directory):
    model.save(directory / "model.keras")


def read_keras(model, directory):
    model.load_weights(directory / "model.keras")


def write_h5(model, directory):
    model.save_weights(directory / "model.weights.h5")


def read_h5(model, directory):
    model.load_weights(directory / "model.weights.h5")


def write_tf(model, directory):
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(directory / "model"))


def read_tf(model, directory):
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    status = checkpoint.read(str(directory / "model"))
    clock = getattr(model.optimizer, "restart_clock", None)
    if clock is not None and int(clock.restarted_at):  # in checkpoints from after a restart only
        status.expect_partial()
    elif model.optimizer.built:
        status.assert_consumed()
        status.assert_existing_objects_matched()


FORMATS = {
    "keras": (write_keras, read_keras),
    "weights.h5": (write_h5, read_h5),
    "tf.train.Checkpoint": (write_tf, read_tf),
}
every_format = pytest.mark.parametrize(("write", "read"), FORMATS.values(), ids=FORMATS)

OPTIONS = {
    "plain": {},
    "schedule": {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.05, 4, 0.7)},
    "ema": {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 4},
    "accumulation": {"gradient_accumulation_steps": 4},
    "clipping and decay": {"weight_decay": 0.01, "global_clipnorm": 0.5},
}
OURS = {
    "restart_every": {"restart_every": 5},
    "lazy_rows": {"lazy_rows": True},
    "both": {"restart_every": 5, "lazy_rows": True},
}


def assert_same(a, b):
    """Weights and every stock variable of the optimizers, bit for bit."""
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
    for x, y in zip(a.optimizer.variables, b.optimizer.variables, strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy(), err_msg=x.path)


@every_format
@pytest.mark.parametrize(
    ("options", "built"),
    [*((name, True) for name in [*OPTIONS, *OURS]), ("ema", False), ("both", False)],
)
def test_training_resumes_exactly(write, read, options, built, tmp_path):
    arguments = {"learning_rate": 0.02, **{**OPTIONS, **OURS}[options]}
    model = train(network(AdaMax(**arguments)))
    write(model, tmp_path)
    resumed = network(AdaMax(**arguments))
    if built:
        resumed.optimizer.build(resumed.trainable_variables)
    read(resumed, tmp_path)
    for each in (model, resumed):
        train(each)
    assert int(resumed.optimizer.iterations) == 24 // (
        arguments.get("gradient_accumulation_steps") or 1
    )
    assert_same(model, resumed)


@every_format
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("writer", "reader"), [(Adamax, AdaMax), (AdaMax, Adamax)])
def test_a_checkpoint_of_one_class_loads_whole_into_the_other(
    write, read, options, writer, reader, tmp_path
):
    arguments = {"learning_rate": 0.02, **OPTIONS[options]}
    model = train(network(writer(**arguments)))
    write(model, tmp_path)
    other = network(reader(**arguments))
    other.optimizer.build(other.trainable_variables)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Skipping variable loading")
        read(other, tmp_path)
    assert int(model.optimizer.iterations) > 2
    assert_same(model, other)


@every_format
def test_stock_state_that_comes_before_the_optimizer_is_built_is_kept_for_it(write, read, tmp_path):
    """Stock itself would warn and start afresh."""
    model = train(network(Adamax(0.02)))
    write(model, tmp_path)
    other = network(AdaMax(0.03))
    read(other, tmp_path)
    other.optimizer.build(other.trainable_variables)
    assert_same(model, other)


@every_format
@pytest.mark.parametrize("options", OURS)
def test_what_lazy_rows_and_restarts_leave_loads_into_stock(write, read, options, tmp_path):
    """Stock gets m and u as they are at the last update, and ignores when the last restart was."""
    arguments = {"learning_rate": 0.02, **OURS[options]}
    model = train(network(AdaMax(**arguments)))
    write(model, tmp_path)
    stock = network(Adamax(0.02))
    stock.optimizer.build(stock.trainable_variables)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Skipping variable loading")
        if read is read_tf and "restart_every" in arguments:
            checkpoint = tf.train.Checkpoint(model=stock, optimizer=stock.optimizer)
            checkpoint.read(str(tmp_path / "model")).assert_existing_objects_matched()
        else:
            read(stock, tmp_path)
    assert int(stock.optimizer.iterations) == 12
    assert_same(model, stock)


@every_format
def test_a_restart_by_hand_is_remembered(write, read, tmp_path):
    model = train(network(AdaMax(0.02)))
    model.optimizer.restart()
    train(model, 1)
    write(model, tmp_path)
    resumed = network(AdaMax(0.02))
    read(resumed, tmp_path)
    assert int(resumed.optimizer.restart_clock.restarted_at) == 12
    for each in (model, resumed):
        train(each, 1)
    assert_same(model, resumed)


@every_format
@pytest.mark.parametrize("writer", [AdaMax, Adamax])
def test_a_checkpoint_from_before_the_restart_takes_it_back(write, read, writer, tmp_path):
    model = train(network(writer(0.02)))
    write(model, tmp_path)
    expected = train(model, 4).get_weights()  # beyond the update of the restart
    other = train(network(AdaMax(0.02)), 3)
    other.optimizer.restart()
    train(other, 1)
    read(other, tmp_path)
    assert int(other.optimizer.restart_clock.restarted_at) == 0
    for got, wanted in zip(train(other, 4).get_weights(), expected, strict=True):
        # bit for bit of our own; of stock the sums are in another order
        np.testing.assert_allclose(got, wanted, rtol=0, atol=0 if writer is AdaMax else 1e-5)


@every_format
def test_a_checkpoint_from_before_the_cycle_restarts_where_the_cycle_ends(write, read, tmp_path):
    model = train(network(AdaMax(0.02, restart_every=20)))
    write(model, tmp_path)
    expected = train(model, 3).get_weights()  # restarted before update 21 of 30
    read(model, tmp_path)
    for got, wanted in zip(train(model, 3).get_weights(), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


@every_format
def test_rows_left_behind_are_settled_in_the_file_and_go_on_as_before(write, read, tmp_path):
    """A lazy run that was saved and one that was not stay together, to the rounding of one more product."""
    saved, alone = (network(AdaMax(0.02, lazy_rows=True)) for _ in range(2))
    for model in (saved, alone):
        model.fit(X[:8] % 3, Y[:8], batch_size=8, epochs=5, verbose=0, shuffle=False)
        model.fit(X[:8] % 3 + 3, Y[:8], batch_size=8, epochs=5, verbose=0, shuffle=False)
        if model is saved:
            write(model, tmp_path)
    stock = network(Adamax(0.02))
    stock.optimizer.build(stock.trainable_variables)
    read(stock, tmp_path)
    u = stock.optimizer._u[0].numpy()
    behind = alone.optimizer._u[0].numpy()
    np.testing.assert_allclose(u[:3], behind[:3] * 0.999**5, rtol=1e-6)
    np.testing.assert_array_equal(u[3:6], behind[3:6])
    for model in (saved, alone):
        train(model, 1)
    for a, b in zip(saved.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@every_format
@pytest.mark.parametrize("updates", [12, 18])
def test_rows_left_behind_are_forgotten_when_another_state_is_loaded(
    write, read, updates, tmp_path
):
    """Of the model that is loaded into, most rows have missed updates; in the file none has."""
    model = train(network(AdaMax(0.02, lazy_rows=True)))
    write(model, tmp_path)
    other = network(AdaMax(0.02, lazy_rows=True))
    train(other, 1)
    other.fit(X[:8] % 2, Y[:8], batch_size=8, epochs=updates - 6, verbose=0, shuffle=False)
    assert int(other.optimizer.iterations) == updates
    read(other, tmp_path)
    for each in (model, other):
        train(each, 1)
    assert_same(model, other)


def test_a_whole_model_is_loaded_as_it_was_saved(tmp_path):
    model = train(network(AdaMax(0.02, beta_2=0.9, weight_decay=0.01, restart_every=5)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is AdaMax
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert_same(model, loaded)
    for each in (model, loaded):
        train(each)
    assert_same(model, loaded)


@pytest.mark.parametrize("wrapped", [AdaMax, Adamax])
def test_inside_a_loss_scale_optimizer(wrapped, tmp_path):
    scaled = keras.optimizers.LossScaleOptimizer
    model = train(network(scaled(wrapped(0.02), initial_scale=8.0)))
    model.save_weights(tmp_path / "model.weights.h5")
    other = network(scaled(AdaMax(0.02)))
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same(model, other)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("write", "read"), [(write_keras, read_keras), (write_h5, read_h5)])
@pytest.mark.parametrize(("writer", "reader"), [(Adamax, AdaMax), (AdaMax, Adamax)])
def test_half_precision_state_is_converted(dtype, write, read, writer, reader, tmp_path):
    model = train(network(writer(0.02, epsilon=1e-3), dtype))
    write(model, tmp_path)
    other = network(reader(0.02, epsilon=1e-3), dtype)
    other.optimizer.build(other.trainable_variables)
    read(other, tmp_path)
    for x, y in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        narrow = y.dtype if reader is Adamax else x.dtype
        np.testing.assert_array_equal(
            keras.ops.cast(x, narrow).numpy().astype(float),
            keras.ops.cast(y, narrow).numpy().astype(float),
        )


def test_a_state_that_does_not_fit_is_refused_with_the_reason(tmp_path):
    model = train(network(AdaMax(0.02, use_ema=True)))
    write_h5(model, tmp_path)
    other = network(AdaMax(0.02))
    other.optimizer.build(other.trainable_variables)
    with pytest.raises(ValueError, match="does not fit.*use_ema"):
        read_h5(other, tmp_path)


def test_a_state_that_does_not_fit_is_refused_when_the_optimizer_is_built_later(tmp_path):
    model = train(network(AdaMax(0.02, use_ema=True)))
    write_h5(model, tmp_path)
    other = network(AdaMax(0.02))
    read_h5(other, tmp_path)
    with pytest.raises(ValueError, match="does not fit.*use_ema"):
        other.optimizer.build(other.trainable_variables)


@pytest.mark.parametrize("built", [True, False])
def test_the_state_of_an_optimizer_without_m_and_u_is_not_taken(built, tmp_path):
    write_h5(train(network(keras.optimizers.SGD(0.02))), tmp_path)
    other = network(AdaMax(0.03))
    if built:
        other.optimizer.build(other.trainable_variables)
    with pytest.warns(UserWarning, match="without m and u"):
        read_h5(other, tmp_path)
    assert int(other.optimizer.iterations) == 0


def test_weights_saved_without_an_optimizer_state_say_so_and_load(tmp_path):
    write_h5(network(AdaMax(0.02)), tmp_path)
    other = train(network(AdaMax(0.02)))
    with pytest.warns(UserWarning, match="stays as it is"):
        read_h5(other, tmp_path)
    assert int(other.optimizer.iterations) == 12


@pytest.mark.parametrize(("write", "read"), [(write_keras, read_keras), (write_h5, read_h5)])
def test_a_state_that_waits_for_the_optimizer_to_be_built_is_saved_on(write, read, tmp_path):
    model = train(network(Adamax(0.02)))
    write(model, tmp_path)
    between = network(AdaMax(0.02))
    read(between, tmp_path)
    write(between, tmp_path)
    with pytest.warns(UserWarning, match="not in this checkpoint"):
        write_tf(between, tmp_path)
    last = network(AdaMax(0.02))
    last.optimizer.build(last.trainable_variables)
    read(last, tmp_path)
    assert_same(model, last)


def test_the_file_that_is_loaded_last_before_the_optimizer_is_built_counts(tmp_path):
    write_h5(train(network(AdaMax(0.02))), tmp_path)
    other = network(AdaMax(0.02))
    read_h5(other, tmp_path)
    (tmp_path / "new").mkdir()
    write_h5(network(AdaMax(0.02)), tmp_path / "new")
    read_h5(other, tmp_path / "new")
    other.optimizer.build(other.trainable_variables)
    assert int(other.optimizer.iterations) == 0
    assert not np.any(other.optimizer._m[0].numpy())


def test_the_state_of_another_kind_of_rate_is_refused_before_anything_is_changed(tmp_path):
    write_h5(train(network(AdaMax(**OPTIONS["schedule"]))), tmp_path)
    other = network(AdaMax(0.02))
    with pytest.raises(
        ValueError, match="variable 1, .*learning_rate, has shape .*does not fit|does not fit"
    ):
        read_h5(other, tmp_path)
    train(other, 1)
    assert int(other.optimizer.iterations) == 6


def test_a_state_of_other_shapes_names_the_variable(tmp_path):
    write_h5(train(network(AdaMax(0.02))), tmp_path)
    variables = [keras.Variable(np.zeros((12, 4))), keras.Variable(np.zeros((12, 2)))]
    optimizer = AdaMax(0.02)
    optimizer.build([*variables, keras.Variable(np.zeros(3), name="odd")])
    with h5py.File(tmp_path / "model.weights.h5") as file:
        store = dict(file["optimizer/vars"])
        with pytest.raises(
            ValueError, match=r"variable 6, .*odd.*, has shape \(3,\), in the file \(2,\)"
        ):
            optimizer.load_own_variables(store)
