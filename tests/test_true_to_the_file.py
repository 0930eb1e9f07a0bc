"""The plugin and `read_runs` give the same runs for the same files, whatever happened to these, under both loaders."""

import shutil
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from board import BASE, get_json, get_table
from synthetic import LAYERS, healthy_stats, table, write_run

from adamax_tb import diagnose, read_runs
from adamax_tb.reader import scan_runs
from adamax_tb.rules import finding_json, verdict
from adamax_tb.schema import STEP_STATS
from adamax_tb.writer import EventWriter

GROWN = (*LAYERS, ("head/kernel", (3, 2)))


def numbers(first, count, layers=LAYERS):
    """Statistics with everything a float can be."""
    values = np.random.default_rng(first).normal(size=(count, len(layers))).astype(np.float32)
    values[count // 2, 0], values[count // 3, 1], values[count // 4, 2] = np.nan, np.inf, -np.inf
    return {"gradient_norm": values, "gradient_norm_peak": values, "u_mean": -values}


def write(directory, first, count, layers=LAYERS, **more):
    return write_run(
        directory, range(first, first + count), numbers(first, count, layers), layers=layers, **more
    )


def resumed(logdir):
    write(logdir / "a", 1, 50, flight={"steps": range(31, 51)})
    write(logdir / "a", 41, 5)


@patch("adamax_tb.rundirectory.fcntl", None)  # as where no directory can be locked
def two_files_at_once(logdir):
    """The older file goes on after the newer one was begun: it is read first, all of it."""
    older = EventWriter(str(logdir / "a"), table())
    newer = EventWriter(str(logdir / "a"), table())
    for writer, first in ((older, 1), (newer, 101), (older, 11), (newer, 111)):
        stats = {**healthy_stats(range(10)), **numbers(first, 10)}
        writer.write(np.arange(first, first + 10), stats, {"loss": np.ones(10)})
        writer.flush()
    older.close()
    newer.close()


def other_layers_after_a_resume(logdir):
    write(logdir / "a", 1, 30)
    write(logdir / "a", 21, 10, GROWN, flight={"steps": range(25, 31)})


def torn(logdir):
    path = Path(write(logdir / "a", 1, 30))
    path.write_bytes(path.read_bytes()[:-7])


def damaged(logdir):
    path = Path(write(logdir / "a", 1, 30))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 255
    path.write_bytes(whole)


def beside_keras_own_files(logdir):
    import tensorflow as tf

    with tf.summary.create_file_writer(str(logdir / "a")).as_default():
        for step in range(5):
            tf.summary.scalar("loss", 1.0, step)
            tf.summary.histogram("weights", [1.0, 2.0], step)
    write(logdir / "a", 1, 20)
    with tf.summary.create_file_writer(str(logdir / "only scalars")).as_default():
        tf.summary.scalar("loss", 1.0, 1)


def names_of_all_kinds(logdir):
    for name in ("run10", "run2", "deep/er", "with space & <b>", "ünï"):
        write(logdir / name, 1, 10)
    write(logdir, 1, 10)


def unreadable_beside_good(logdir):
    write(logdir / "good", 1, 10)
    write_run(logdir / "bad", [1], layers=(("d/kernel", (2, 2)), ("d/kernel", (2, 2))))


FILES = (
    resumed,
    two_files_at_once,
    other_layers_after_a_resume,
    torn,
    damaged,
    beside_keras_own_files,
    names_of_all_kinds,
    unreadable_beside_good,
)
FLAGS = {
    "plain": [],
    "samples": ["--samples_per_plugin=optimizer_health=7"],
    "all samples": ["--samples_per_plugin=optimizer_health=0"],
    "prefix": ["--path_prefix=/some/where"],
}


def assert_served_as_read(client, runs, base=BASE):
    """Compares everything that is served with `runs`, to the bit."""
    document = get_json(client, "runs", base)
    assert document["names"] == list(runs)
    for told in document["runs"]:
        run = runs[told["name"]]
        assert [layer["name"] for layer in told["layers"]] == list(run.layers)
        assert [tuple(layer["shape"]) for layer in told["layers"]] == list(run.shapes)
        assert told["findings"] == [finding_json(f) for f in diagnose(run)]
        assert told["verdict"] == verdict(diagnose(run))
        assert (told["records"], told["last_step"]) == (len(run.steps), run.steps[-1])
        assert set(run.notes) <= set(told["notes"])
        for name in (*run.statistics, *STEP_STATS):
            steps, served = get_table(client, "statistic", base, run=run.name, name=name)
            step_wise = name in STEP_STATS
            values = run.step_stat(name)[:, np.newaxis] if step_wise else run.stat(name)
            np.testing.assert_array_equal(steps, run.steps)
            np.testing.assert_array_equal(served.view(np.uint32), bits(values))
        for i, layer in enumerate(run.layers):
            _, served = get_table(client, "layer", base, run=run.name, name=layer)
            values = np.stack([run.stat(name)[:, i] for name in run.statistics], axis=1)
            np.testing.assert_array_equal(served.view(np.uint32), bits(values))
        if run.flight is not None:
            steps, served = get_table(client, "flight", base, run=run.name)
            np.testing.assert_array_equal(steps, run.flight.steps)
            values = np.column_stack([run.flight.gradient_norm, run.flight.loss])
            np.testing.assert_array_equal(served.view(np.uint32), bits(values))
    return document


def bits(values):
    return np.ascontiguousarray(values).view(np.uint32)


@pytest.mark.parametrize("files", FILES, ids=lambda files: files.__name__)
@pytest.mark.parametrize("flags", FLAGS)
def test_what_is_served_is_what_the_files_hold(tmp_path, open_logdir, files, flags):
    files(tmp_path)
    client = open_logdir(tmp_path, *FLAGS[flags])
    base = f"/some/where{BASE}" if flags == "prefix" else BASE
    runs, errors = scan_runs(tmp_path)
    document = assert_served_as_read(client, runs, base)
    assert {error["run"]: error["error"] for error in document["errors"]} == errors


def settled(client, runs):
    """Waits until the runs named are served, up to their last step and judged; returns nothing."""
    deadline = time.monotonic() + 30
    wanted = {name: (len(run.steps), run.steps[-1]) for name, run in runs.items()}
    while time.monotonic() < deadline:
        told = {
            r["name"]: (r["records"], r["judged_step"]) for r in get_json(client, "runs")["runs"]
        }
        if told == wanted:
            return
        time.sleep(0.2)
    raise AssertionError(f"served: {told}, in the files: {wanted}")


def test_a_directory_that_changes_under_the_server_is_served_as_it_is(tmp_path, open_logdir):
    path = Path(write(tmp_path / "growing", 1, 40))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    write(tmp_path / "moving", 1, 10)
    write(tmp_path / "vanishing", 1, 10)
    first = Path(write(tmp_path / "halved", 1, 10))
    write(tmp_path / "halved", 11, 10)
    client = open_logdir(tmp_path, reload_interval=1)
    settled(client, read_runs(tmp_path))
    time.sleep(2.5)  # until it is seen that the torn file does not grow
    assert_served_as_read(client, read_runs(tmp_path))
    path.write_bytes(whole)
    shutil.move(tmp_path / "moving", tmp_path / "moved")
    shutil.rmtree(tmp_path / "vanishing")
    first.unlink()
    write(tmp_path / "new", 1, 10)
    runs = read_runs(tmp_path)
    assert list(runs) == ["growing", "halved", "moved", "new"]
    settled(client, runs)
    assert_served_as_read(client, runs)
    shutil.rmtree(tmp_path / "new")  # and nothing else
    runs = read_runs(tmp_path)
    settled(client, runs)
    elsewhere = tmp_path.with_name("elsewhere")
    shutil.move(tmp_path, elsewhere)
    settled(client, {})
    assert "no directory" in get_json(client, "runs")["errors"][0]["error"]
    shutil.move(elsewhere, tmp_path)
    settled(client, runs)
    assert_served_as_read(client, runs)


def test_the_groups_of_a_logdir_spec_are_served(tmp_path):
    from board import open_board

    write(tmp_path / "one", 1, 10)
    write(tmp_path / "two" / "deep", 1, 10)
    spec = f"first:{tmp_path / 'one'},second:{tmp_path / 'two'}"
    _, client = open_board("python", "--logdir_spec", spec)
    one, two = read_runs(tmp_path / "one")["."], read_runs(tmp_path / "two")["deep"]
    assert get_json(client, "runs")["names"] == ["first/.", "second/deep"]
    for name, run in (("first/.", one), ("second/deep", two)):
        steps, served = get_table(client, "statistic", run=name, name="u_mean")
        np.testing.assert_array_equal(steps, run.steps)
        np.testing.assert_array_equal(served.view(np.uint32), bits(run.stat("u_mean")))


def test_an_address_that_only_fsspec_knows_is_served(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    from tensorboard.plugins import base_plugin
    from werkzeug.test import Client

    from tb_plugin.plugin import OptimizerHealthPlugin

    write(tmp_path / "a", 1, 30, flight={"steps": range(20, 31)})
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path), "/served", recursive=True)
    # before the plugin reads them, too: in this filesystem all who open a file share one position in it
    runs = read_runs("memory://served")
    # TensorBoard with TensorFlow does not open such addresses; its plugins are asked as they are
    plugin = OptimizerHealthPlugin(base_plugin.TBContext(logdir="memory://served"))
    apps = {f"{BASE}{route}": app for route, app in plugin.get_plugin_apps().items()}
    client = Client(lambda environ, start: apps[environ["PATH_INFO"]](environ, start))
    try:
        assert_served_as_read(client, runs)
    finally:
        memory.rm("/served", recursive=True)
    assert plugin.is_active()
