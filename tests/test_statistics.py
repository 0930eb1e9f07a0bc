"""What OptimizerHealth records in real training, against float64 statistics of gradients taken independently."""

import json
import subprocess
import sys
import textwrap

import h5py
import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from models import dictated, gradients, mean_output

from adamax_tb import AdaMax, OptimizerHealth, read_runs, stats
from adamax_tb.columns import COLUMNS
from adamax_tb.reduction import Update
from adamax_tb.schema import STATS
from adamax_tb.slots import kinds_of
from adamax_tb.stats import PIECE, Reducer

Adam, Adamax = keras.optimizers.Adam, keras.optimizers.Adamax
LossScaleOptimizer = keras.optimizers.LossScaleOptimizer

PEAKS = {"gradient_norm_peak", "gradient_norm_peak_step"}
U = {"u_min", "u_mean", "u_max", "u_zeros"}
V = {"v_min", "v_mean", "v_max", "v_zeros"}
OTHERS = {"momentum_rms", "accumulator_min", "accumulator_mean", "accumulator_max"}
COUNTS = {"gradient_zeros", "nonfinite", "u_zeros", "v_zeros", "dead_units"}
EVERY_STATISTIC = {s.name for s in STATS if s.needs not in ("replicas", "workers")}


# Two kinds of model: one that trains, and one whose gradients the test writes down.


def network(dtype="float32"):
    """Two of its eight hidden units are dead from the start."""
    layers = [
        keras.Input((6,), dtype=dtype),
        keras.layers.Dense(8, "relu", name="hidden", dtype=dtype),
        keras.layers.Dense(3, name="out", dtype=dtype),
    ]
    model = keras.Sequential(layers)
    random = np.random.default_rng(1)
    weights = [random.normal(size=v.shape).astype(np.float32) * 0.5 for v in model.variables]
    weights[1][:2] = -100.0
    model.set_weights(weights)
    return model


def batches(size=32):
    """Two of the six inputs are always 0."""
    random = np.random.default_rng(2)
    x, y = random.normal(size=(size, 6)), random.normal(size=(size, 3))
    x[:, :2] = 0.0
    return x.astype(np.float32), y.astype(np.float32)


def recorded(model, x, y, logdir, every=1, **arguments):
    """Trains with the callback and returns the run, read back from its file."""
    settings = {"shuffle": False, "verbose": 0, **arguments}
    model.fit(x, y, callbacks=[OptimizerHealth(logdir, every=every)], **settings)
    return read_runs(logdir)["."]


def recorded_steps(model, grads, logdir, every=1, **arguments):
    """As `recorded`; each row of `grads` is one batch's gradient."""
    y = np.zeros((len(grads[0]), 1), np.float32)
    return recorded(model, grads, y, logdir, every, **{"batch_size": 1, **arguments})


def expected_steps(grads, rule=oracle.adamax, **arguments):
    """Returns, for each t, the layers' steps on given gradients."""
    layers = [rule(g, w=np.ones(g.shape[1:]), **arguments) for g in grads]
    return [*zip(*layers, strict=True)]


def assert_statistics(run, row, expected, rtol, skip=frozenset()):
    """Row `row` of `run` is what the oracle says."""
    for name in sorted(set(run.statistics) - PEAKS - skip):
        got, wanted = run.stat(name)[row], expected[name]
        message = f"{name} at step {run.steps[row]}"
        if name in COUNTS:  # float32 holds them, or the quotient of two, to rounding
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-7, err_msg=message)
        else:  # shares of a whole of 1 may cancel
            atol = rtol if name == "descent_share" else 0
            np.testing.assert_allclose(got, wanted, rtol=rtol, atol=atol, err_msg=message)


# A float32 gradient is off by some 1e-6 of its size, more for an entry that is small because its terms cancel, and the
# two trainings drift apart by that; u_min and the mean of 1/u hang on the smallest entries.
TRAINED = 2e-3


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", [AdaMax, Adamax, Adam])
def test_what_is_recorded_in_training_is_what_the_paper_gives(kind, jit_compile, tmp_path):
    x, y = batches()
    model = network()
    model.compile(kind(0.01), "mse", jit_compile=jit_compile)
    run = recorded(model, x, y, tmp_path, batch_size=32, epochs=12)

    rule = oracle.adam if kind is Adam else oracle.adamax
    steps, losses = followed(rule, x, y, 12)
    assert run.steps.tolist() == [*range(1, 13)]
    assert run.layers == tuple(v.path for v in model.trainable_variables)
    for row, step in enumerate(steps):
        assert_statistics(run, row, oracle.statistics(step), TRAINED)
    np.testing.assert_allclose(run.loss, losses, rtol=1e-5)  # 96 float32 squares
    np.testing.assert_allclose(run.step_stat("learning_rate"), np.float32(0.01), rtol=0)
    np.testing.assert_array_equal(run.step_stat("clip_factor"), 1.0)
    np.testing.assert_array_equal(run.step_stat("loss_scale"), 1.0)
    np.testing.assert_array_equal(run.stat("gradient_norm_peak"), run.stat("gradient_norm"))
    np.testing.assert_array_equal(
        run.stat("gradient_norm_peak_step"), np.tile(run.steps[:, np.newaxis], 4)
    )
    assert set(run.statistics) == EVERY_STATISTIC - OTHERS - (U if kind is Adam else V)
    assert run.stat("dead_units")[-1].tolist() == [0.25, 0.25, 0, 0]
    if kind is not Adam:  # 2 of 6 inputs, 2 of 8 units: 1 - 4/6 · 6/8
        np.testing.assert_allclose(run.stat("u_zeros")[-1], [0.5, 0.25, 0.25, 0], atol=1e-7)


def followed(rule, x, y, count):
    """Trains `network` in float64 by `rule`, with gradients from a tape; returns its steps and losses."""
    model = network("float64")
    variables = model.trainable_variables
    pending = [[] for _ in variables]

    def stream(queue):
        while True:
            yield queue.pop()

    rules = [
        rule(stream(queue), 0.01, w=v.numpy()) for queue, v in zip(pending, variables, strict=True)
    ]
    steps, losses = [], []
    for _ in range(count):
        with tf.GradientTape() as tape:
            error = model(x.astype(float)) - y.astype(float)
            loss = tf.reduce_mean(tf.square(error))
        losses.append(float(loss))
        found = tape.gradient(loss, [v.value for v in variables])
        for queue, gradient in zip(pending, found, strict=True):
            queue.append(gradient.numpy())
        steps.append([next(each) for each in rules])
        model.set_weights([step.w for step in steps[-1]])
    return steps, losses


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 0.1}])
def test_the_weights_do_not_depend_on_being_watched(options, jit_compile, tmp_path):
    x, y = batches()
    watched, alone = network(), network()
    for model, callbacks in ((watched, [OptimizerHealth(tmp_path, every=2)]), (alone, [])):
        model.compile(AdaMax(0.01, **options), "mse", jit_compile=jit_compile)
        model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0, callbacks=callbacks)
    for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True):
        # XLA may fuse, and so round, the same operations in another way
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 if jit_compile else 0)


# With gradients that the test writes down, only the reductions round: some 1e-7 for each of a few operations. XLA may
# add up in plain order, which for 12 entries is as good.
DICTATED = 2e-6


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_run_eagerly_or_compiled_gives_the_statistics_of_dictated_gradients(
    jit_compile, tmp_path
):
    grads = gradients(6, (3, 4), (), (1,))
    for name, settings in (
        ("graph", {"jit_compile": jit_compile}),
        ("eager", {"run_eagerly": True}),
    ):
        model = dictated((3, 4), (), (1,))
        model.compile(AdaMax(0.01), mean_output, **settings)
        run = recorded_steps(model, grads, tmp_path / name)
        for row, step in enumerate(expected_steps(grads, learning_rate=np.float32(0.01))):
            assert_statistics(run, row, oracle.statistics(step), DICTATED)


def test_a_unit_is_dead_when_its_m_has_faded_to_a_millionth_of_u(tmp_path):
    (grads,) = gradients(200, (3, 4))
    grads[:60, :, 1] = 1  # m is then 0.998 u
    grads[60:, :, 1] = 0  # and (0.9 / 0.999)**k of it after k updates: a millionth at k = 133
    grads[:, :, 2] = 0  # never lived
    grads[10:, 0, 3] = 0  # lives on in two of three weights
    model = dictated((3, 4))
    model.compile(AdaMax(0.01), mean_output, jit_compile=False)
    run = recorded_steps(model, [grads], tmp_path)
    dead = run.stat("dead_units")[:, 0]
    for row, step in enumerate(expected_steps([grads])):
        assert dead[row] == oracle.statistics(step)["dead_units"]
    assert (dead[:192] == 0.25).all()
    assert (dead[192:] == 0.5).all()


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    "options", [{"global_clipnorm": 0.5}, {"clipnorm": 0.5}, {"clipvalue": 0.1}]
)
def test_gradient_norms_are_recorded_before_and_after_clipping(options, jit_compile, tmp_path):
    grads = gradients(4, (3, 4), (5,))
    grads[0][2] *= 1e-3  # short enough to stay as it is
    grads[1][2] *= 1e-3
    model = dictated((3, 4), (5,))
    model.compile(AdaMax(0.01, **options), mean_output, jit_compile=jit_compile)
    run = recorded_steps(model, grads, tmp_path)

    clipped = [
        np.stack(each) for each in zip(*map(clip(options), zip(*grads, strict=True)), strict=True)
    ]
    steps = expected_steps(clipped, learning_rate=np.float32(0.01))
    for row, step in enumerate(steps):
        raw = [g[row] for g in grads]
        assert_statistics(run, row, oracle.statistics(step, raw), DICTATED)
        factor = norm(g[row] for g in clipped) / norm(raw)
        assert run.step_stat("clip_factor")[row] == pytest.approx(factor, rel=DICTATED)
    assert run.step_stat("clip_factor")[2] == 1.0
    assert run.step_stat("clip_factor")[1] < 0.9


def norm(arrays):
    return np.sqrt(sum(np.sum(np.asarray(a, float) ** 2) for a in arrays))


def clip(options):
    """Returns the definition of one of Keras's three ways of clipping."""
    ((name, limit),) = options.items()

    def clipped(step):
        step = [np.asarray(g, float) for g in step]
        if name == "clipvalue":
            return [np.clip(g, -limit, limit) for g in step]
        norms = [norm(step if name == "global_clipnorm" else [g]) for g in step]
        return [g * min(1, limit / n) for g, n in zip(step, norms, strict=True)]

    return clipped


@pytest.mark.parametrize("options", [{}, {"clipnorm": 0.01}, {"gradient_accumulation_steps": 2}])
def test_rows_of_an_embedding_that_repeat_count_once_with_their_sum(options, tmp_path):
    ids = np.array([[2, 2, 1]] * 8)  # of 4 rows
    table = keras.Sequential(
        [keras.Input((3,), dtype="int32"), keras.layers.Embedding(4, 1), keras.layers.Flatten()]
    )
    table.set_weights([np.ones((4, 1), np.float32)])
    table.compile(AdaMax(0.01, **options), lambda y, p: keras.ops.sum(y * p), jit_compile=False)
    y = np.tile(np.float32([1, -0.75, 3]), (8, 1))
    run = recorded(table, ids, y, tmp_path, batch_size=1)
    raw = np.array([[0], [3], [0.25], [0]])
    # stock takes the norm before it adds up what repeats: of 1, -0.75 and 3
    applied = raw * min(1, options.get("clipnorm", np.inf) / norm([raw]))
    count = 8 // options.get("gradient_accumulation_steps", 1)
    steps = expected_steps([np.tile(applied, (count, 1, 1))], learning_rate=np.float32(0.01))
    assert run.steps.tolist() == [*range(1, count + 1)]
    for row, step in enumerate(steps):
        assert_statistics(run, row, oracle.statistics(step, [raw]), DICTATED)


LARGE = (1031, 509)  # eight pieces of 128 rows and seven rows more


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_variable_reduced_in_pieces_has_the_statistics_of_the_whole(jit_compile, tmp_path):
    assert np.prod(LARGE) > 2 * PIECE
    grads = gradients(2, LARGE, (3, 2))
    grads[0][:, 5], grads[0][:, :, 7] = 0, 0
    model = dictated(LARGE, (3, 2))
    model.compile(AdaMax(0.01), mean_output, jit_compile=jit_compile)
    run = recorded_steps(model, grads, tmp_path)
    for row, step in enumerate(expected_steps(grads, learning_rate=np.float32(0.01))):
        # half a million float32 terms; with m of random sign, g·update still adds up
        assert_statistics(run, row, oracle.statistics(step), 5e-4)


SHAPES = [
    (128, 512),  # a piece
    (1030, 509),  # eight pieces and six rows more
    LARGE,
    (1545, 509),
    (2, 650, 509),
    (3, 300_001),  # a row is more than a piece
    (600_000,),  # a single row
    (600_000, 1),
    (2, 3),
    (1,),
    (),
]


@pytest.mark.parametrize(("xla", "pieces"), [(False, True), (False, False), (True, False)])
@pytest.mark.parametrize(
    ("shape", "epsilon"),
    [*((shape, 1e-7) for shape in SHAPES), ((2, 3), 0.0), (LARGE, 0.0)],
    ids=str,
)
def test_raw_columns_do_not_depend_on_how_they_are_reduced(shape, epsilon, pieces, xla):
    random = np.random.default_rng(4)
    g, w, m = (random.normal(size=shape).astype(np.float32) for _ in range(3))
    u = np.abs(m) + np.float32(0.1)
    if len(shape) > 1:
        for x in (g, m, u):
            x[..., 0] = 0  # one dead unit
    if len(shape) > 1 and shape[-1] > 1:
        g[..., 1] = 0  # and one that only pauses
    optimizer = AdaMax(epsilon=epsilon)
    reduce = tf.function(
        lambda *arrays: stats.columns(
            optimizer, [of_adamax(optimizer, arrays)], Reducer(xla, pieces)
        )[0],
        jit_compile=xla,
    )
    got = dict(zip(COLUMNS, reduce(*map(tf.constant, (g, w, m, u))).numpy(), strict=True))
    wanted = raw_columns(*(x.astype(float) for x in (g, w, m, u)), epsilon)
    assert set(got) == set(wanted)
    # sums of half a million float32 terms; `descent` cancels, so against the sum of its terms' sizes
    for name, value in wanted.items():
        atol = 1e-4 * np.sqrt(g.size) * 10 if name == "descent" else 0
        assert got[name] == pytest.approx(value, rel=5e-4, abs=atol), name
    for name in ("gradient_nonzeros", "scale_nonzeros", "moved", "dead_units"):
        assert got[name] == wanted[name]


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("pieces", [False, True])
def test_small_variables_joined_have_the_columns_that_each_has_alone(pieces, xla):
    shapes = [(2, 3), (64,), (), (70, 40), (3, 5, 7), (64,), (1, 1), (65,), (0, 3), (300, 200)]
    random = np.random.default_rng(5)
    arrays = []
    for shape in shapes:
        g, w, m = (random.normal(size=shape).astype(np.float32) for _ in range(3))
        u = np.abs(m) + np.float32(0.1)
        if len(shape) == 2 and shape[0] > 1:
            for x in (g, m, u):
                x[..., 0] = 0  # a dead unit
            m[..., 1] *= 1e-9  # and one that would be, had it no gradient
            g[..., 2] = 0  # and one that only pauses
        arrays.append((g, w, m, u))
    optimizer = AdaMax()
    reduce = tf.function(
        lambda arrays: stats.columns(
            optimizer, [of_adamax(optimizer, x) for x in arrays], Reducer(xla, pieces)
        ),
        jit_compile=xla,
        autograph=False,
    )
    found = reduce([tuple(map(tf.constant, x)) for x in arrays]).numpy()
    for row, shape, x in zip(found, shapes, arrays, strict=True):
        if not np.prod(shape):
            assert (row == 0).all()
            continue
        wanted = raw_columns(*(a.astype(float) for a in x), 1e-7)
        for name, value in wanted.items():
            got = row[COLUMNS.index(name)]
            # `descent` cancels
            assert got == pytest.approx(value, rel=1e-5, abs=1e-4), (name, shape)


def of_adamax(optimizer, arrays, touched=None):
    """Returns an update that AdaMax made of a gradient, weights, m and u."""
    g, w, m, u = arrays
    (kind,) = kinds_of(optimizer, [0])
    return Update(g, None, w, (m, u), kind, touched=touched)


def raw_columns(g, w, m, u, epsilon):
    inverse = np.divide(1, u + epsilon, out=np.zeros_like(u), where=u > 0)
    direction = m * inverse
    by_unit = (-1, g.shape[-1] if g.ndim else 1)
    dead = (g == 0).reshape(by_unit).all(0) & (direction == 0).reshape(by_unit).all(0)
    return {
        "gradient_l2": norm([g]),
        "weight_l2": norm([w]),
        "state_l2": norm([m]),
        "update_l2": norm([direction]),
        "gradient_nonzeros": np.count_nonzero(g),
        "scale_nonzeros": np.count_nonzero(u),
        "moved": np.count_nonzero(u),
        "scale_sum": u.sum(),
        "inverse_sum": inverse.sum(),
        "saturation_sum": np.abs(direction).sum(),
        "descent": (g * direction).sum(),
        "gradient_max": np.abs(g).max(),
        "scale_max": u.max(),
        "scale_min_negated": -u.min(),
        "update_max": np.abs(direction).max(),
        "dead_units": dead.sum(),
        "weight_product": 0,  # only for those who need it
    }


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_spike_between_two_records_is_the_next_records_peak(jit_compile, tmp_path):
    grads = gradients(20, (3, 4), (5,))
    grads[0][6] *= 100  # update 7
    model = dictated((3, 4), (5,))
    model.compile(AdaMax(0.01), mean_output, jit_compile=jit_compile)
    run = recorded_steps(model, grads, tmp_path, every=5)
    assert run.steps.tolist() == [1, 5, 10, 15, 20]
    norms = np.stack([np.linalg.norm(g.reshape(20, -1), axis=1) for g in grads], axis=1)
    for row, (start, end) in enumerate([(0, 1), (1, 5), (5, 10), (10, 15), (15, 20)]):
        since = norms[start:end]
        np.testing.assert_allclose(run.stat("gradient_norm")[row], norms[end - 1], rtol=DICTATED)
        np.testing.assert_allclose(
            run.stat("gradient_norm_peak")[row], since.max(axis=0), rtol=DICTATED
        )
        steps = start + 1 + since.argmax(axis=0)
        np.testing.assert_array_equal(run.stat("gradient_norm_peak_step")[row], steps)
    assert run.stat("gradient_norm_peak_step")[2, 0] == 7


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_first_nonfinite_update_is_recorded_in_full_with_exact_counts(jit_compile, tmp_path):
    grads = gradients(20, (3, 4), (5,))
    grads[0][6, :, 0] = np.nan
    grads[0][6, 0, 1:3] = np.inf, -np.inf
    grads[0][9, 0, 0] = np.nan  # and on a regular step
    model = dictated((3, 4), (5,))
    model.compile(AdaMax(0.01), mean_output, jit_compile=jit_compile)
    run = recorded_steps(model, grads, tmp_path, every=5)
    assert run.steps.tolist() == [1, 5, 7, 10, 15, 20]
    counts = {7: [5, 0], 10: [1, 0]}
    for step, row in zip(run.steps.tolist(), run.stat("nonfinite"), strict=True):
        assert row.tolist() == counts.get(step, [0, 0])
    assert not np.isfinite(run.stat("gradient_norm")[2, 0])
    assert not np.isfinite(run.stat("gradient_norm_peak")[2, 0])
    assert run.stat("gradient_norm_peak_step")[2, 0] == 7
    assert not np.isfinite(run.stat("gradient_max")[2, 0])
    assert np.isnan(run.stat("weight_norm")[2, 0])
    # the layer beside it is recorded as ever; of the whole run's share of descent nothing is known any more
    sound = expected_steps(grads[1:], learning_rate=np.float32(0.01))
    for row, t in enumerate(run.steps):
        expected = oracle.statistics(sound[t - 1])
        for name in set(run.statistics) - PEAKS - {"descent_share"}:
            got = run.stat(name)[row, 1]
            assert got == pytest.approx(expected[name][0], rel=DICTATED), name


def test_a_second_nonfinite_update_does_not_displace_the_first(tmp_path):
    (grads,) = gradients(40, (5,))
    grads[[6, 11, 12, 26], 0] = np.nan
    model = dictated((5,))
    model.compile(AdaMax(0.01), mean_output, jit_compile=False)
    run = recorded_steps(model, [grads], tmp_path, every=10)
    assert 7 in run.steps.tolist()


def test_updates_that_stay_nonfinite_are_recorded_in_full_once(tmp_path):
    (grads,) = gradients(20, (5,))
    grads[6:, 0] = np.nan
    model = dictated((5,))
    model.compile(AdaMax(0.01), mean_output, jit_compile=False)
    run = recorded_steps(model, [grads], tmp_path, every=5)
    assert run.steps.tolist() == [1, 5, 7, 10, 15, 20]
    assert run.stat("nonfinite")[:, 0].tolist() == [0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_loss_scaling_leaves_the_statistics_of_the_unscaled_gradient(jit_compile, tmp_path):
    grads = [np.float16(g).astype(np.float32) for g in gradients(6, (3, 4), (5,))]
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = dictated((3, 4), (5,))
    finally:
        keras.config.set_dtype_policy(policy)
    # powers of two scale a float16 exactly
    optimizer = LossScaleOptimizer(AdaMax(0.01), initial_scale=256.0, dynamic_growth_steps=2)
    model.compile(optimizer, mean_output, jit_compile=jit_compile)
    run = recorded_steps(model, grads, tmp_path)
    assert run.step_stat("loss_scale").tolist() == [256, 256, 512, 512, 1024, 1024]
    assert run.optimizer == "AdaMax"
    for row, step in enumerate(expected_steps(grads, learning_rate=np.float32(0.01))):
        assert_statistics(run, row, oracle.statistics(step), DICTATED)


def test_a_step_that_loss_scaling_skips_is_no_update_and_is_counted(tmp_path):
    (grads,) = gradients(8, (5,))
    grads = np.float16(grads).astype(np.float32)
    grads[3] = 100.0  # times 1024 is more than float16 holds
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = dictated((5,))
    finally:
        keras.config.set_dtype_policy(policy)
    model.compile(
        LossScaleOptimizer(AdaMax(0.01), initial_scale=1024.0), mean_output, jit_compile=False
    )
    run = recorded_steps(model, [grads], tmp_path)
    assert run.steps.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert run.step_stat("loss_scale").tolist() == [1024] * 3 + [512] * 4
    assert run.step_stat("skipped_steps").tolist() == [0, 0, 0, 1, 0, 0, 0]
    applied = np.delete(grads, 3, axis=0)
    for row, step in enumerate(expected_steps([applied], learning_rate=np.float32(0.01))):
        assert_statistics(run, row, oracle.statistics(step), DICTATED)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_under_gradient_accumulation_a_step_is_an_update_not_a_batch(jit_compile, tmp_path):
    grads = gradients(26, (3, 4), (5,))  # six updates of four batches, and two batches more
    model = dictated((3, 4), (5,))
    model.compile(AdaMax(0.01, gradient_accumulation_steps=4), mean_output, jit_compile=jit_compile)
    run = recorded_steps(model, grads, tmp_path)
    means = [g[:24].astype(float).reshape(6, 4, *g.shape[1:]).mean(axis=1) for g in grads]
    assert run.steps.tolist() == [1, 2, 3, 4, 5, 6]
    for row, step in enumerate(expected_steps(means, learning_rate=np.float32(0.01))):
        # a mean of four may cancel to a tenth of its terms
        assert_statistics(run, row, oracle.statistics(step), 10 * DICTATED)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_no_record_is_lost_between_the_callbacks_of_several_steps(jit_compile, tmp_path):
    grads = gradients(42, (3, 4))
    model = dictated((3, 4))
    model.compile(AdaMax(0.01), mean_output, jit_compile=jit_compile, steps_per_execution=7)
    run = recorded_steps(model, grads, tmp_path, every=3)
    assert run.steps.tolist() == [1, *range(3, 43, 3)]
    steps = expected_steps(grads, learning_rate=np.float32(0.01))
    for row, t in enumerate(run.steps):
        assert_statistics(run, row, oracle.statistics(steps[t - 1]), DICTATED)


@pytest.mark.parametrize("kind", [AdaMax, Adamax])
def test_a_second_fit_goes_on_counting(kind, tmp_path):
    grads = gradients(9, (3, 4))
    model = dictated((3, 4))
    model.compile(kind(0.01), mean_output, jit_compile=False)
    recorded_steps(model, [g[:5] for g in grads], tmp_path, every=2)
    run = recorded_steps(model, [g[5:] for g in grads], tmp_path, every=2)
    assert run.steps.tolist() == [1, 2, 4, 6, 8]
    steps = expected_steps(grads, learning_rate=np.float32(0.01))
    for row, t in enumerate(run.steps):
        assert_statistics(run, row, oracle.statistics(steps[t - 1]), DICTATED)


# Its own process: logical devices must be set before TensorFlow starts.
MIRRORED = """
    import json
    import sys
    import keras
    import numpy as np
    import tensorflow as tf
    from adamax_tb import AdaMax, OptimizerHealth

    count, logdir, options = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    keras.utils.set_random_seed(0)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)])
    with strategy.scope():
        model = keras.Sequential([
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(6, 4, name="embedding"),
            keras.layers.Flatten(),
            keras.layers.Dense(5, "tanh", name="hidden"),
            keras.layers.Dense(1, name="out"),
        ])
        model.compile(AdaMax(0.01, **options), "mse", jit_compile=False)
    random = np.random.default_rng(5)
    x = random.integers(0, 5, (32, 3)).astype(np.int32)  # rows repeat within and across replicas
    y = random.normal(size=(32, 1)).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    sharding = tf.data.Options()
    sharding.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    callback = OptimizerHealth(logdir, every=1)
    model.fit(data.with_options(sharding), epochs=2, verbose=0, shuffle=False, callbacks=[callback])
    model.save_weights(logdir + "/model.weights.h5")
    np.savez(logdir + "/weights.npz", *model.get_weights())
"""


@pytest.mark.parametrize("options", [{}, {"lazy_rows": True, "restart_every": 5}])
def test_two_replicas_give_the_statistics_and_weights_of_one(options, tmp_path):
    for count in (1, 2):
        arguments = [str(count), str(tmp_path / str(count)), json.dumps(options)]
        finished = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(MIRRORED), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert finished.returncode == 0, finished.stderr
        assert "OptimizerHealth" not in finished.stderr  # it warns when it cannot record
    one, two = (read_runs(tmp_path / str(count))["."] for count in (1, 2))
    weights = [np.load(tmp_path / str(count) / "weights.npz") for count in (1, 2)]
    for name in weights[0]:
        # the batch's sum in two halves, fed back eight times
        np.testing.assert_allclose(weights[0][name], weights[1][name], rtol=1e-4, atol=1e-6)
    assert one.steps.tolist() == two.steps.tolist() == [*range(1, 9)]
    assert one.layers == two.layers
    assert set(two.statistics) == {*one.statistics, "replica_spread"}
    for name in one.statistics:
        # small entries of a gradient cancel, as in training above
        np.testing.assert_allclose(
            one.stat(name), two.stat(name), rtol=TRAINED, atol=1e-6, err_msg=name
        )
    np.testing.assert_allclose(one.loss, two.loss, rtol=TRAINED)
    assert two.stat("replica_spread").max() == 0
    assert one.stat("u_zeros")[-1, 0] > 0.1  # the id that never came
    states = [
        h5py.File(tmp_path / str(count) / "model.weights.h5")["optimizer/vars"] for count in (1, 2)
    ]
    for key in states[0]:
        np.testing.assert_allclose(states[0][key], states[1][key], rtol=TRAINED, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("every", [1, 4])
def test_restarts_are_marked_and_the_statistics_follow_them(every, jit_compile, tmp_path):
    grads = gradients(24, (3, 4))
    model = dictated((3, 4))
    model.compile(AdaMax(0.01, restart_every=7), mean_output, jit_compile=jit_compile)
    run = recorded_steps(model, grads, tmp_path, every=every)
    assert run.restarts.tolist() == [8, 15, 22]
    marked = {
        int(step): n for step, n in zip(run.steps, run.step_stat("restarts"), strict=True) if n
    }
    assert marked == ({8: 1, 15: 1, 22: 1} if every == 1 else {8: 1, 16: 1, 24: 1})
    assert run.hyperparameters["restart_every"] == 7
    steps = expected_steps(grads, learning_rate=np.float32(0.01), restarts=[8, 15, 22])
    for row, t in enumerate(run.steps):
        assert_statistics(run, row, oracle.statistics(steps[t - 1]), DICTATED)


def test_of_several_restarts_between_two_records_the_last_is_named_and_all_are_counted(tmp_path):
    model = dictated((3, 4))
    model.compile(AdaMax(0.01, restart_every=3), mean_output, jit_compile=False)
    run = recorded_steps(model, gradients(20, (3, 4)), tmp_path, every=10)
    assert run.steps.tolist() == [1, 10, 20]
    assert run.step_stat("restarts").tolist() == [0, 3, 3]  # 4, 7, 10; 13, 16, 19
    assert run.restarts.tolist() == [10, 19]
    assert run.restart_count == 6


@pytest.mark.parametrize("kind", [AdaMax, Adamax, Adam])
def test_a_run_without_restarts_has_none_nor_has_one_that_goes_on(kind, tmp_path):
    grads = gradients(9, (3, 4))
    model = dictated((3, 4))
    model.compile(kind(0.01), mean_output, jit_compile=False)
    recorded_steps(model, [g[:5] for g in grads], tmp_path, every=2)
    run = recorded_steps(model, [g[5:] for g in grads], tmp_path, every=2)
    assert run.restarts.size == 0
    assert run.step_stat("restarts").tolist() == [0] * 5


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("options", [{}, {"restart_every": 4}, {"clipnorm": 0.1}])
def test_the_statistics_of_lazy_rows_are_of_the_rows_that_moved(options, jit_compile, tmp_path):
    count, rows = 9, 7
    random = np.random.default_rng(11)
    ids = random.integers(0, rows - 1, (count, 3))  # the last row never comes, others repeat
    y = random.normal(size=(count, 3)).astype(np.float32)
    table = keras.Sequential(
        [keras.Input((3,), dtype="int32"), keras.layers.Embedding(rows, 1), keras.layers.Flatten()]
    )
    table.set_weights([np.ones((rows, 1), np.float32)])
    optimizer = AdaMax(0.01, lazy_rows=True, **options)
    table.compile(optimizer, lambda y, p: keras.ops.sum(y * p), jit_compile=jit_compile)
    run = recorded(table, ids, y, tmp_path, batch_size=1)

    raw, touched = np.zeros((count, rows, 1)), np.zeros((count, rows, 1), bool)
    for t in range(count):
        np.add.at(raw[t, :, 0], ids[t], y[t])
        touched[t, ids[t]] = True
    limit = options.get("clipnorm", np.inf)
    applied = np.stack([g * min(1, limit / norm([g])) for g in raw])
    restarts = [5, 9] if "restart_every" in options else []
    steps = expected_steps(
        [applied], learning_rate=np.float32(0.01), touched=touched, restarts=restarts
    )
    for row, step in enumerate(steps):
        # u of a row that was away decayed in one product, not in many
        assert_statistics(run, row, oracle.statistics(step, [raw[row]]), DICTATED)
    assert run.hyperparameters["lazy_rows"] == 1
    # the default moves all rows: its updates are larger, its saturation is the mean over more rows
    assert run.stat("saturation")[-1, 0] > 0


def test_a_large_table_of_lazy_rows_is_reduced_in_pieces(tmp_path):
    rows, width = 1031, 509
    random = np.random.default_rng(12)
    shape = (rows, width)
    g, w, m = (random.normal(size=shape).astype(np.float32) for _ in range(3))
    u = np.abs(m) + np.float32(0.1)
    touched = random.random(rows) < 0.3
    g[~touched] = 0

    def columns(pieces):
        optimizer = AdaMax()
        made = of_adamax(optimizer, [*map(tf.constant, (g, w, m, u))], tf.constant(touched))
        return stats.columns(optimizer, [made], Reducer(False, pieces))[0].numpy()

    got = dict(zip(COLUMNS, columns(True), strict=True))
    for name, whole in zip(COLUMNS, columns(False), strict=True):
        assert got[name] == pytest.approx(whole, rel=1e-4), name  # half a million float32 terms
    assert got["moved"] == touched.sum() * width
    moving = (m / (u + 1e-7))[touched]
    assert got["update_l2"] == pytest.approx(np.linalg.norm(moving.astype(float)), rel=1e-4)
