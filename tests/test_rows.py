"""Gradients of embeddings: rows that repeat count once, and `lazy_rows` moves the touched rows alone."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracle import adamax, max_update
from stock import STOCK_FAILS

from adamax_tb import AdaMax, rows

ROWS, WIDTH = 7, 3


def slices(indices, values, rows=ROWS):
    values = np.asarray(values, np.float32)
    return tf.IndexedSlices(values, np.asarray(indices, np.int64), (rows, *values.shape[1:]))


def random_batches(steps, seed=0):
    """Returns for each step the rows of a batch, some of them twice, and a gradient for each."""
    random = np.random.default_rng(seed)
    batches = []
    for _ in range(steps):
        indices = random.integers(0, ROWS - 1, random.integers(1, 5))  # the last row never comes
        batches.append((indices, random.normal(size=(len(indices), WIDTH)).astype(np.float32)))
    return batches


def dense(batches):
    """Returns (T, ROWS, WIDTH) summed gradients, and (T, ROWS, 1), which rows were touched."""
    gradients = np.zeros((len(batches), ROWS, WIDTH))
    touched = np.zeros((len(batches), ROWS, 1), bool)
    for t, (indices, values) in enumerate(batches):
        np.add.at(gradients[t], indices, values)
        touched[t, indices] = True
    return gradients, touched


def applied(optimizer, batches, jit_compile=False, dtype="float32"):
    """Yields the table after each batch."""
    table = keras.Variable(np.ones((ROWS, WIDTH)), dtype=dtype)
    optimizer.build([table])

    @tf.function(jit_compile=jit_compile, reduce_retracing=True)
    def step(indices, values):
        optimizer.apply([tf.IndexedSlices(values, indices, (ROWS, WIDTH))], [table])

    for indices, values in batches:
        step(tf.constant(indices), tf.constant(values, dtype))
        yield table.numpy()


def test_summed_gives_every_slice_its_rows_sum():
    got = rows.summed(slices([5, 2, 5], [[1.0], [3.0], [-0.75]]))
    np.testing.assert_array_equal(got.values, [[0.25], [3.0], [0.25]])
    np.testing.assert_array_equal(got.indices, [5, 2, 5])


def test_counted_once_is_the_same_gradient_with_the_norm_of_the_dense_one():
    given = slices([5, 2, 5, 2], [[1.0], [3.0], [-0.75], [0.0]])
    got = rows.counted_once(given)
    np.testing.assert_array_equal(got.values, [[0.25], [3.0], [0.0], [0.0]])
    np.testing.assert_array_equal(tf.convert_to_tensor(got), tf.convert_to_tensor(given))


@pytest.mark.parametrize("epsilon", [1e-7, 0.0])  # the fused kernel and the other way
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", [AdaMax, functools.partial(AdaMax, lazy_rows=True), STOCK_FAILS])
def test_rows_of_an_embedding_that_repeat_count_once_with_their_sum(kind, epsilon, jit_compile):
    table = keras.Variable(np.zeros((4, 1), np.float32))
    optimizer = kind(0.01, epsilon=epsilon)
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


@pytest.mark.parametrize("kind", [AdaMax, STOCK_FAILS])
def test_an_embedding_with_repeated_rows_trains_as_its_one_hot_matrix_does(kind):
    ids = np.array([[0, 1, 1, 3], [2, 2, 2, 0]] * 4)
    weights = np.random.default_rng(3).normal(size=(5, 2)).astype(np.float32)
    embedding = keras.layers.Embedding(5, 2)
    matrix = keras.layers.Dense(2, use_bias=False)
    lookup = keras.Sequential([keras.Input((4,), dtype="int32"), embedding])
    product = keras.Sequential([keras.Input((4, 5)), matrix])
    target = 3 * np.random.default_rng(4).normal(size=(8, 4, 2)).astype(np.float32)
    one_hot = np.eye(5, dtype=np.float32)[ids]
    for model, x in ((lookup, ids), (product, one_hot)):
        model.set_weights([weights])
        model.compile(kind(0.05), "mse")
        model.fit(x, target, batch_size=2, epochs=2, shuffle=False, verbose=0)
    # sums of the same eight numbers in another order
    np.testing.assert_allclose(
        lookup.get_weights()[0], product.get_weights()[0], rtol=1e-5, atol=2e-6
    )
    np.testing.assert_array_equal(lookup.get_weights()[0][4], weights[4])  # never looked up


# float32 rounds some ten operations a step to 6e-8; weights near 1 moved by lr = 0.01
CLOSE = {"rtol": 0, "atol": 3e-6}


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("lazy_rows", [False, True])
def test_the_steps_are_those_of_the_paper_for_all_rows_or_the_touched_ones(lazy_rows, jit_compile):
    batches = random_batches(40)
    gradients, touched = dense(batches)
    optimizer = AdaMax(0.01, beta_2=0.99, lazy_rows=lazy_rows)
    got = applied(optimizer, batches, jit_compile)
    expected = adamax(
        gradients, 0.01, beta_2=0.99, w=np.ones(()), touched=touched if lazy_rows else None
    )
    for table, step in zip(got, expected, strict=True):
        np.testing.assert_allclose(table, step.w, **CLOSE)
    optimizer.settle_rows()
    np.testing.assert_allclose(optimizer._m[0], step.m, **CLOSE)
    np.testing.assert_allclose(optimizer._u[0], step.u, rtol=1e-5)  # 40 roundings


def test_lazy_rows_leave_untouched_rows_bit_for_bit_as_they_were():
    batches = [([3], [[1.0] * WIDTH])] + [([0], [[1.0] * WIDTH])] * 20
    first, *_, last = applied(AdaMax(0.01, lazy_rows=True), batches)
    np.testing.assert_array_equal(first[3], last[3])
    first, *_, last = applied(AdaMax(0.01), batches)
    # the paper's recurrence drifts on: by lr · Σ 0.9^k, with m_hat and u changing little on the way
    assert (first[3] - last[3] > 0.015).all()


def test_u_and_m_of_a_row_decay_for_the_updates_it_missed():
    far = 3001
    one = [[1.0] * WIDTH]
    batches = [([3], one)] + [([0], one)] * (far - 2) + [([3], np.float32(one) * 1e-4)]
    optimizer = AdaMax(0.01, lazy_rows=True)
    *_, before, after = applied(optimizer, batches)
    u = optimizer._u[0].numpy()[3]
    # 0.999**3000; float32 holds it to 6e-8
    np.testing.assert_allclose(u, 0.999 ** (far - 1), rtol=1e-6)
    np.testing.assert_allclose(optimizer._m[0].numpy()[3], 1e-5, rtol=1e-6)  # 0.1 · 1e-4
    np.testing.assert_allclose(before[3] - after[3], 0.01 * 1e-5 / u, rtol=0, atol=1.2e-7)


def test_no_lazy_update_exceeds_the_bound_however_long_a_row_was_away():
    one = np.ones((1, WIDTH), np.float32)
    batches = [([3], one)] + [([0], one)] * 5000 + [([3], one * 1e-6)] * 30
    before = np.ones((ROWS, WIDTH))
    for t, table in enumerate(applied(AdaMax(0.01, lazy_rows=True), batches), start=1):
        # the weights are near 1, which float32 holds to 6e-8
        assert np.abs(table - before).max() <= max_update(t, 0.01, 0.9, 0.999) + 1.2e-7
        before = table


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_lazy_rows_of_another_type_follow_the_paper(dtype):
    batches = random_batches(20)
    gradients, touched = dense([(i, np.asarray(tf.cast(v, dtype), float)) for i, v in batches])
    *_, got = applied(AdaMax(0.01, lazy_rows=True), batches, dtype=dtype)
    *_, step = adamax(gradients, 0.01, w=np.ones(()), touched=touched)
    # 20 roundings of weights near 1, to 11 or 8 bits
    digits = {"float16": 20 * 2**-11, "bfloat16": 20 * 2**-8, "float64": 1e-8}
    np.testing.assert_allclose(got.astype(float), step.w, rtol=0, atol=digits[dtype])


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", [AdaMax, functools.partial(AdaMax, lazy_rows=True), STOCK_FAILS])
@pytest.mark.parametrize(
    "clipping", [{"clipnorm": 0.1}, {"clipvalue": 0.1}, {"global_clipnorm": 0.1}]
)
def test_clipping_sees_the_sum_of_a_row_that_repeats(clipping, kind, jit_compile):
    batches = [([2, 2, 4], [[1.0], [-0.75], [0.0]])]
    table = keras.Variable(np.zeros((ROWS, 1), np.float32))
    optimizer = kind(0.01, **clipping)
    optimizer.build([table])
    (indices, values) = batches[0]
    step = tf.function(
        lambda: optimizer.apply([slices(indices, values)], [table]), jit_compile=jit_compile
    )
    step()
    # the gradient's only entry is 0.25: all three clip it to 0.1, stock to less or more
    np.testing.assert_allclose(optimizer._u[0].numpy()[:, 0], [0, 0, 0.1, 0, 0, 0, 0], rtol=1e-6)
    if optimizer.rows is not None:  # Keras's own clipping by the global norm would touch every row
        assert optimizer.rows.count(0) is not None


def embedded(optimizer, **settings):
    """Returns a classifier of token sequences that has a table of 50 rows."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(50, 4),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **settings)
    return model


def tokens(count=64):
    random = np.random.default_rng(5)
    ids = random.integers(0, 20, (count, 6)).astype(np.int32)  # rows 20 to 49 never come
    return ids, (ids.sum(axis=1) % 2).astype(np.int32)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_fit_lazy_rows_are_the_default_when_every_row_comes_in_every_batch(jit_compile):
    ids, labels = tokens(200)
    trained = []
    for lazy_rows in (False, True):
        model = embedded(AdaMax(0.01, lazy_rows=lazy_rows), jit_compile=jit_compile)
        start = model.get_weights()[0]
        model.fit(ids, labels, batch_size=100, epochs=5, verbose=0, shuffle=False)
        trained.append(model.get_weights()[0])
    assert np.abs(trained[0][:20] - start[:20]).max() > 0.02
    np.testing.assert_allclose(
        trained[0], trained[1], rtol=0, atol=1e-5
    )  # 10 steps of other rounding
    np.testing.assert_array_equal(trained[1][20:], start[20:])


@pytest.mark.parametrize("settings", [{"steps_per_execution": 4}, {"run_eagerly": True}], ids=str)
def test_however_a_step_is_run_lazy_rows_come_out_the_same(settings):
    ids, labels = tokens()
    results = []
    for each in ({}, settings):
        model = embedded(AdaMax(0.01, lazy_rows=True), jit_compile=False, **each)
        model.fit(ids, labels, batch_size=8, epochs=2, verbose=0, shuffle=False)
        results.append(model.get_weights()[0])
    np.testing.assert_allclose(*results, rtol=0, atol=1e-6)  # 16 steps, in another order of sums


def test_in_fit_lazy_rows_work_with_loss_scaling_and_clipping():
    ids, labels = tokens()
    plain, scaled = (
        embedded(optimizer)
        for optimizer in (
            AdaMax(0.01, lazy_rows=True, global_clipnorm=0.05),
            keras.optimizers.LossScaleOptimizer(AdaMax(0.01, lazy_rows=True, global_clipnorm=0.05)),
        )
    )
    for model in (plain, scaled):
        model.fit(ids, labels, batch_size=8, epochs=2, verbose=0, shuffle=False)
        inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        assert inner.rows.count(0) is not None
    # scaled by a power of two and back: nothing is rounded that was not before
    np.testing.assert_allclose(plain.get_weights()[0], scaled.get_weights()[0], rtol=0, atol=1e-6)


def test_a_dense_gradient_of_a_lazy_variable_moves_all_rows():
    batches = random_batches(10)
    optimizer = AdaMax(0.01, lazy_rows=True)
    list(applied(optimizer, batches))
    (table,) = optimizer._trainable_variables
    gradients, touched = dense(batches)
    last = np.random.default_rng(7).normal(size=(1, ROWS, WIDTH)).astype(np.float32)
    optimizer.apply([tf.constant(last[0])], [table])
    again = ([1], np.ones((1, WIDTH), np.float32))
    optimizer.apply([slices(*again)], [table])
    more, more_touched = dense([again])
    steps = adamax(
        np.concatenate([gradients, last, more]),
        0.01,
        w=np.ones(()),
        touched=[*touched, np.ones((ROWS, 1), bool), *more_touched],
    )
    *_, step = steps
    np.testing.assert_allclose(table.numpy(), step.w, **CLOSE)


@pytest.mark.parametrize("embedding_first", [True, False])
def test_a_row_misses_only_the_updates_that_its_variable_had(embedding_first):
    """Two functions take turns; without a gradient a variable is left alone, and its rows with it."""
    tables = [keras.Variable(np.ones((3, 1), np.float32)) for _ in range(2)]
    optimizer = AdaMax(0.01, lazy_rows=True)
    optimizer.build(tables)

    def stepping(table):
        @tf.function
        def step(row):
            optimizer.apply([tf.IndexedSlices(tf.ones([1, 1]), row, (3, 1))], [table])

        return step

    steps = [stepping(table) for table in tables]
    order = [0, 1] if embedding_first else [1, 0]
    rows_of = {0: [0, 1, 1, 1], 1: [0, 0, 0, 0]}
    for t in range(4):
        for which in order:
            steps[which](tf.constant([rows_of[which][t]]))
    optimizer.settle_rows()
    # three updates of its own after the one it was in
    np.testing.assert_allclose(optimizer._m[0].numpy()[0], 0.1 * 0.9**3, rtol=1e-6)
    np.testing.assert_allclose(optimizer._u[0].numpy()[0], 0.999**3, rtol=1e-6)


def test_a_variable_that_was_dense_in_an_earlier_trace_stays_dense_and_says_so():
    table = keras.Variable(np.ones((3, 1), np.float32))
    optimizer = AdaMax(0.01, lazy_rows=True)
    optimizer.build([table])
    dense_step = tf.function(lambda: optimizer.apply([tf.ones([3, 1])], [table]))
    sparse_step = tf.function(lambda: optimizer.apply([slices([0], [[1.0]], 3)], [table]))
    dense_step()
    with pytest.warns(UserWarning, match="traced before"):
        sparse_step()
    dense_step()
    gradients = [np.ones((3, 1)), np.float32([[1], [0], [0]]), np.ones((3, 1))]
    *_, step = adamax(gradients, 0.01, w=np.ones((3, 1)))
    np.testing.assert_allclose(table.numpy(), step.w, **CLOSE)


@pytest.mark.parametrize("lazy_rows", [False, True])
@pytest.mark.parametrize("clipping", [{}, {"clipnorm": 1e4}])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rows_of_half_precision_are_added_up_in_float32(dtype, clipping, lazy_rows):
    table = keras.Variable(np.zeros((3, 1)), dtype=dtype)
    optimizer = AdaMax(0.01, lazy_rows=lazy_rows, **clipping)
    optimizer.build([table])
    gradient = tf.IndexedSlices(tf.ones([3000, 1], dtype), tf.zeros([3000], tf.int32), (3, 1))
    optimizer.apply([gradient], [table])
    assert optimizer._u[0].numpy()[0, 0] == 3000  # bfloat16 would stop at 256, float16 at 2048


def test_the_state_of_lazy_rows_goes_through_set_weights():
    batches = random_batches(10)
    first, second = (AdaMax(0.01, lazy_rows=True) for _ in range(2))
    *_, _ = applied(first, batches)
    *_, _ = applied(second, random_batches(10, seed=1))  # at the same update, with rows left behind
    first.settle_rows()
    second.set_weights([v.numpy() for v in first.variables])
    (target,) = second._trainable_variables
    target.assign(first._trainable_variables[0])
    for optimizer in (first, second):
        (table,) = optimizer._trainable_variables
        for indices, values in batches:
            optimizer.apply([slices(indices, values)], [table])
    np.testing.assert_array_equal(first._trainable_variables[0].numpy(), target.numpy())


@pytest.mark.parametrize("argument", ["gradient_accumulation_steps"])
def test_lazy_rows_with_accumulation_is_refused_by_name(argument):
    with pytest.raises(ValueError, match=argument):
        AdaMax(lazy_rows=True, **{argument: 2})


def test_a_lazy_step_takes_memory_for_the_rows_it_touches_only():
    """No tensor of the step is as large as the table."""
    table = keras.Variable(np.zeros((1000, 4), np.float32))
    optimizer = AdaMax(lazy_rows=True)
    optimizer.build([table])

    @tf.function(autograph=False)
    def step(values):
        optimizer.apply([tf.IndexedSlices(values, tf.constant([3, 5]), (1000, 4))], [table])

    def largest(graph):
        """Of what a step computes; a branch that is not taken costs nothing."""
        sizes = [
            output.shape.num_elements() or 0
            for op in graph.get_operations()
            for output in op.outputs
            if output.shape.rank is not None
        ]
        return max(sizes)

    assert largest(step.get_concrete_function(tf.ones((2, 4))).graph) == 8
    optimizer.rows = None
    assert (
        largest(tf.function(step.python_function).get_concrete_function(tf.ones((2, 4))).graph)
        == 4000
    )
