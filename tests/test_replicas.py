"""Replicas that disagree: how it is measured between devices and processes, and what the rule says of it."""

import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from synthetic import ADAMAX, LAYERS, write_run

from adamax_tb import diagnose, read_runs
from adamax_tb.columns import COLUMNS
from adamax_tb.replicas import ASKED, KEPT, MUTE, SILENT, Replicas, spread
from adamax_tb.schema import NOT_RECORDED, recorded
from adamax_tb.sentinel import HEADER, Drained, Updates

SEVERAL = ADAMAX | {"replicas", "workers"}
STEPS = np.arange(1, 41)


def disagreement(tmp_path, weights, gradients=None, has=SEVERAL):
    """What the rule finds in a run whose replicas are so far apart, (T,) for the first layer."""
    shape = (len(STEPS), len(LAYERS))
    stats = {"replica_spread": np.zeros(shape, np.float32)}
    stats["replica_spread"][:, 0] = weights
    stats["replica_spread"][~recorded(np.asarray(weights, np.float32))] = NOT_RECORDED
    if "workers" in has:
        stats["replica_gradient_spread"] = np.zeros(shape, np.float32)
        stats["replica_gradient_spread"][:, 0] = 0 if gradients is None else gradients
    write_run(tmp_path, STEPS, stats, has=has)
    return [f for f in diagnose(read_runs(tmp_path)["."]) if f.rule == "replicas-disagree"]


def from_step(step, value):
    return np.where(step <= STEPS, value, 0.0)


# The rule


@pytest.mark.parametrize("apart", [0.0, 1e-6, 9.9e-6])
def test_replicas_that_agree_to_rounding_are_no_finding(apart, tmp_path):
    assert not disagreement(tmp_path, np.full(len(STEPS), apart))


def test_a_run_of_one_replica_is_no_finding(tmp_path):
    write_run(tmp_path, STEPS)
    run = read_runs(tmp_path)["."]
    assert "replica_spread" not in run.statistics
    assert not diagnose(run)


def test_replicas_that_were_never_compared_are_no_finding(tmp_path):
    assert not disagreement(tmp_path, np.full(len(STEPS), NOT_RECORDED))


def test_a_copy_that_changes_is_critical_from_that_step_and_says_where_to_look(tmp_path):
    (found,) = disagreement(tmp_path, from_step(17, 0.02), has=ADAMAX | {"replicas"})
    assert (found.severity, found.layer) == ("critical", "dense_1/kernel")
    assert (found.first_step, found.last_step) == (17, 40)
    assert (
        "were equal at step 16 and differ since step 17: their norms are 2 % apart" in found.message
    )
    assert "between steps 16 and 17" in found.suggestion
    assert found.evidence["spread"] == pytest.approx(0.02)
    assert found.evidence["layers"] == 1


def test_between_processes_a_change_is_told_late_and_so_not_dated_to_the_record(tmp_path):
    (found,) = disagreement(tmp_path, from_step(17, 0.02))
    assert "were equal at first and differ since step 17 or shortly before" in found.message
    assert "gradients that they apply are the same: something else" in found.message
    assert "some records before step 17" in found.suggestion


def test_replicas_that_never_agreed_began_with_different_weights(tmp_path):
    (found,) = disagreement(tmp_path, np.full(len(STEPS), 0.3))
    assert found.first_step == 1
    assert "compared for the first time" in found.message
    assert "began with different weights" in found.message
    assert "set_random_seed" in found.suggestion


def test_gradients_that_are_not_reduced_are_the_cause_that_is_named(tmp_path):
    (found,) = disagreement(tmp_path, np.full(len(STEPS), 0.3), np.full(len(STEPS), 0.5))
    assert "by up to 50 %: these are not reduced over the processes" in found.message
    assert "DataParallel" in found.suggestion
    assert "strategy.scope()" in found.suggestion
    assert found.evidence["gradient_spread"] == 0.5


def test_where_gradients_are_not_compared_nothing_is_said_of_them(tmp_path):
    (found,) = disagreement(tmp_path, from_step(5, 0.1), has=ADAMAX | {"replicas"})
    assert "gradient" not in found.message
    assert "gradient_spread" not in found.evidence


def test_replicas_that_agree_again_are_a_warning(tmp_path):
    (found,) = disagreement(tmp_path, np.where((STEPS > 10) & (STEPS <= 20), 0.1, 0.0))
    assert (found.severity, found.first_step, found.last_step) == ("warning", 11, 20)
    assert found.message.endswith("At step 21 they are equal again.")


def test_the_first_comparison_counts_where_records_lie_between_that_have_none(tmp_path):
    sparse = np.full(len(STEPS), NOT_RECORDED)
    sparse[[5, 11]], sparse[[20, 33]] = 0, 0.1
    (found,) = disagreement(tmp_path, sparse, has=ADAMAX | {"replicas"})
    assert "were equal at step 12 and differ since step 21" in found.message


def test_a_copy_that_is_not_finite_while_others_are_is_told_as_that(tmp_path):
    (found,) = disagreement(tmp_path, from_step(30, np.inf))
    assert "some are not finite and others are" in found.message


def test_the_layer_that_is_farthest_apart_at_first_is_named(tmp_path):
    shape = (len(STEPS), len(LAYERS))
    apart = np.zeros(shape, np.float32)
    apart[9:, 1], apart[9:, 2], apart[20:, 3] = 0.01, 0.02, 0.5
    write_run(tmp_path, STEPS, {"replica_spread": apart}, has=ADAMAX | {"replicas"})
    (found,) = diagnose(read_runs(tmp_path)["."])
    assert found.layer == "dense_2/kernel"
    assert found.evidence["layers"] == 3
    assert found.evidence["largest_spread"] == 0.5


# Comparing


def test_the_spread_is_a_part_of_the_largest():
    norms = np.array([[3.0, 0.0, 5.0], [4.0, 0.0, 5.0], [3.5, 0.0, 5.0]], np.float32)
    assert spread(norms).tolist() == [0.25, 0, 0]
    assert spread(norms[:1]).tolist() == [0, 0, 0]


def test_what_is_not_finite_everywhere_agrees_and_what_is_somewhere_does_not():
    norms = np.array([[np.nan, np.nan, np.inf, np.inf], [np.nan, 1.0, np.inf, 1.0]], np.float32)
    assert spread(norms).tolist() == [0, np.inf, 0, np.inf]


def test_what_was_not_recorded_of_one_is_not_compared():
    norms = np.array([[1.0, 2.0], [NOT_RECORDED, 2.0]], np.float32)
    assert recorded(spread(norms)).tolist() == [False, True]


class Texts(dict):
    """A store that all processes see at once, as TensorFlow has it; it counts the questions."""

    asked = 0

    def put(self, key, value):
        self.delete(key)
        self[key] = value

    def get(self, key, wait_s=0.0):
        self.asked += 1
        until = time.monotonic() + wait_s
        while key not in self and time.monotonic() < until:
            time.sleep(0.001)
        return dict.get(self, key)

    def delete(self, key):
        for below in [k for k in [*self] if k == key or k.startswith(f"{key}/")]:
            self.pop(below, None)


class Gone(Texts):
    def put(self, key, value=None):
        raise ConnectionError

    get = put


def drained(steps, weight=1.0, gradient=1.0, layers=2):
    """Records of `steps`, whose weights and gradients have these norms."""
    columns = np.zeros((len(steps), len(COLUMNS), layers), np.float32)
    columns[:, COLUMNS.index("weight_l2")] = weight
    columns[:, COLUMNS.index("gradient_l2")] = gradient
    steps = np.asarray(steps, np.int64)
    rows = np.zeros((len(steps), layers), np.float32)
    updates = Updates(steps, rows, np.zeros((len(steps), len(HEADER)), np.float32))
    return Drained(updates, updates, steps, rows, columns)


def processes(count=2, store=None):
    store = Texts() if store is None else store
    made = [Replicas(count, i, store=store, name="0/adam") for i in range(count)]
    for each in made:
        each.begin()
    return made


def seen(chief, steps, **norms):
    """(R,) of weights and gradients, as the chief finds them."""
    found = chief.statistics(drained(steps, **norms))
    return [found[name][:, 0] for name in ("replica_spread", "replica_gradient_spread")]


def test_what_another_process_tells_is_compared_with_the_same_step():
    chief, other = processes()
    other.tell(drained([10, 20], weight=0.75, gradient=0.5))
    weights, gradients = seen(chief, [10, 20, 30])
    assert np.nan_to_num(weights, nan=-1).tolist() == [-1, 0.25, -1]
    assert np.nan_to_num(gradients, nan=-1).tolist() == [-1, 0.5, -1]
    assert not recorded(weights)[[0, 2]].any()


def test_what_is_told_too_late_stands_in_the_next_record_and_what_is_told_early_waits():
    chief, other = processes()
    seen(chief, [10, 20])
    other.tell(drained([20], weight=0.5))
    assert np.nan_to_num(seen(chief, [30, 40])[0], nan=-1).tolist() == [0.5, -1]
    other.tell(drained([60], weight=0.25))
    assert np.isnan(seen(chief, [50])[0]).all()
    other.tell(drained([70], weight=0.9))  # does not push aside what waits
    assert np.nan_to_num(seen(chief, [60])[0], nan=-1).tolist() == [0.75]


def test_the_same_news_is_compared_once():
    chief, other = processes()
    other.tell(drained([10], weight=0.5))
    assert seen(chief, [10])[0] == 0.5
    assert np.isnan(seen(chief, [20])[0]).all()


def test_nothing_is_compared_across_a_restart():
    chief, other = processes()
    other.tell(drained([10], weight=0.5))
    chief.begin()  # an earlier checkpoint was loaded: step 10 is made once more
    assert np.isnan(seen(chief, [10])[0]).all()
    other.begin()
    other.tell(drained([20], weight=0.5))
    assert seen(chief, [20])[0] == 0.5


def test_processes_that_watch_different_layers_are_not_compared():
    chief, other = processes()
    other.tell(drained([10], weight=0.5, layers=3))
    assert np.isnan(seen(chief, [10])[0]).all()


def test_the_store_holds_one_text_per_process_and_none_at_the_end():
    store = Texts()
    chief, *others = processes(3, store)
    for step in range(1, 50):
        for other in others:
            other.tell(drained([step]))
        seen(chief, [step])
    assert len(store) == 2
    chief.end()
    assert not store


def test_a_store_that_is_gone_leaves_the_record_going():
    chief, other = processes(store=Gone())
    other.tell(drained([10]))
    assert np.isnan(seen(chief, [10])[0]).all()
    other.tell(drained([20]))
    assert np.isnan(seen(chief, [20])[0]).all()


def test_each_of_many_processes_is_asked_in_turn_and_few_at_a_time():
    store = Texts()
    chief, *others = processes(12, store)
    found = []
    for step in range(1, 8):
        for i, other in enumerate(others):
            other.tell(drained([step], weight=0.5 if i == 10 else 1.0))
        before = store.asked
        found.append(seen(chief, [step])[0][0])
        assert store.asked - before == ASKED
    assert 0.5 in found  # the last one


def test_a_process_that_is_silent_is_asked_less_often():
    store = Texts()
    chief, _ = processes(2, store)
    for step in range(1, 10 * SILENT + 1):
        seen(chief, [step])
    assert store.asked <= 2 * SILENT + 10


def test_a_process_that_is_mute_is_asked_no_more():
    store = Texts()
    chief, _ = processes(2, store)
    for step in range(1, 20 * MUTE):
        seen(chief, [step])
    assert store.asked == MUTE


def test_the_chief_forgets_old_records():
    chief, _ = processes()
    seen(chief, range(1, 2 * KEPT))
    assert len(chief._own) == KEPT


@pytest.mark.parametrize(
    ("made", "has"),
    [
        (Replicas(), set()),
        (Replicas(copies=2), {"replicas"}),
        (Replicas(2, 0, store=Texts()), {"replicas", "workers"}),
        (Replicas(2, 0), set()),
        (Replicas(2, 0, copies=2), {"replicas"}),
    ],
)
def test_only_what_can_be_compared_is_recorded(made, has):
    assert made.has == has
    assert set(made.statistics(drained([1]))) == {
        {"replicas": "replica_spread", "workers": "replica_gradient_spread"}[x] for x in has
    }
    assert made.is_chief


# Several devices in one process, which must be set up before TensorFlow starts

MIRRORED = """
    import sys
    import keras
    import numpy as np
    import tensorflow as tf
    import adamax_tb

    (cpu, *_) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = keras.Sequential([
            keras.Input((6,)),
            keras.layers.Dense(8, "tanh", name="hidden"),
            keras.layers.Dense(1, name="out"),
        ])
        model.compile(adamax_tb.AdaMax(0.01), "mse", jit_compile=False)

    class Assigned(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations.numpy() == 63:
                bias = self.model.get_layer("hidden").bias.value
                strategy.experimental_local_results(bias)[1].assign_add(tf.ones(8))

    random = np.random.default_rng(0)
    x, y = random.normal(size=(640, 6)).astype("f"), random.normal(size=(640, 1)).astype("f")
    for name, more in (("well", []), ("sick", [Assigned()])):
        health = adamax_tb.OptimizerHealth(f"{sys.argv[1]}/{name}", every=5)
        model.fit(x, y, batch_size=16, verbose=0, callbacks=[health, *more])
"""


def test_a_copy_assigned_on_one_device_is_found_at_the_next_record_and_told(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MIRRORED), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert finished.returncode == 0, finished.stderr
    runs = read_runs(tmp_path)
    well = runs["well"].stat("replica_spread")
    assert recorded(well).all()
    assert (well == 0).all()
    sick = runs["sick"]
    assert "replica_gradient_spread" not in sick.statistics
    (found,) = [f for f in diagnose(sick) if f.rule == "replicas-disagree"]
    assert (found.layer, found.severity) == ("sequential/hidden/bias", "critical")
    assert found.first_step == 65
    assert "replicas-disagree (critical)" in finished.stderr
