"""The plugin inside a real TensorBoard application, under both loaders, without a port."""

import json
import struct
import time

import numpy as np
import pytest
from synthetic import LAYERS, write_run
from tensorboard import program
from tensorboard.backend import application
from tensorboard.plugins.core.core_plugin import CorePluginLoader
from werkzeug.test import Client

from adamax_tb import diagnose, read_runs
from adamax_tb.rules import finding_json
from tb_plugin.plugin import OptimizerHealthLoader

BASE = "/data/plugin/optimizer_health"


@pytest.fixture(params=["rustboard", "python"])
def open_logdir(request):
    """`open_logdir(logdir, *flags)` returns a client of a TensorBoard that has loaded it."""
    boards = []

    def start(logdir, *flags):
        board = program.TensorBoard(plugins=[CorePluginLoader(), OptimizerHealthLoader()])
        loader = {
            "rustboard": ["--load_fast=true"],
            "python": ["--load_fast=false", "--reload_task=blocking"],
        }[request.param]
        board.configure(
            ["tensorboard", "--logdir", str(logdir), "--reload_interval=0", *loader, *flags]
        )
        provider, multiplexer = board._make_data_provider()
        boards.append(board)
        client = Client(
            application.TensorBoardWSGIApp(
                board.flags, board.plugin_loaders, provider, board.assets_zip_provider, multiplexer
            )
        )
        while request.param == "rustboard" and not loaded(client):
            pass
        return client

    yield start
    for board in boards:
        if handle := getattr(board._ingester, "_stdin_handle", None):
            handle.close()


def loaded(client):
    """RustBoard loads in the background and does not say when it is done: waits until nothing changes."""
    before = client.get(f"{BASE}/runs").data
    time.sleep(0.25)
    return client.get(f"{BASE}/runs").data == before


def get_json(client, route):
    response = client.get(f"{BASE}/{route}")
    assert response.status_code == 200, response.text
    return response.json


def get_table(client, route, **query):
    response = client.get(f"{BASE}/{route}", query_string=query)
    assert response.status_code == 200, response.text
    data = response.data
    magic, rows, columns, reserved = struct.unpack_from("<4sIII", data)
    assert (magic, reserved) == (b"AOH1", 0)
    steps = np.frombuffer(data, "<f8", rows, 16)
    values = np.frombuffer(data, "<f4", rows * columns, 16 + 8 * rows).reshape(rows, columns)
    assert len(data) == 16 + 8 * rows + 4 * rows * columns
    return steps, values


def test_every_one_of_3000_recorded_steps_comes_back(tmp_path, open_logdir):
    values = np.random.default_rng(0).normal(size=(3000, len(LAYERS))).astype(np.float32)
    write_run(tmp_path / "long", range(1, 3001), {"u_mean": values})
    client = open_logdir(tmp_path)
    (run,) = get_json(client, "runs")["runs"]
    assert (run["records"], run["first_step"], run["last_step"]) == (3000, 1, 3000)
    steps, served = get_table(client, "statistic", run="long", name="u_mean")
    np.testing.assert_array_equal(steps, np.arange(1, 3001))
    np.testing.assert_array_equal(served, values)


def test_the_users_own_sample_count_is_respected(tmp_path, open_logdir):
    write_run(tmp_path / "long", range(1, 301))
    client = open_logdir(tmp_path, "--samples_per_plugin=optimizer_health=50")
    (run,) = get_json(client, "runs")["runs"]
    assert run["records"] == 50


def test_the_plugin_and_the_reader_see_the_same_run(tmp_path, open_logdir):
    norms = np.ones((50, len(LAYERS)), np.float32)
    norms[20, 1], norms[30, 2] = np.nan, np.inf
    write_run(tmp_path / "a", range(1, 51), {"gradient_norm": norms, "gradient_norm_peak": norms})
    write_run(tmp_path / "a", range(41, 46), {"gradient_norm": np.full((5, 4), 2, np.float32)})
    client = open_logdir(tmp_path)
    expected = read_runs(tmp_path)["a"]
    (run,) = get_json(client, "runs")["runs"]
    assert run["findings"] == [finding_json(f) for f in diagnose(expected)]
    assert [layer["name"] for layer in run["layers"]] == list(expected.layers)
    assert [tuple(layer["shape"]) for layer in run["layers"]] == list(expected.shapes)
    for name in expected.statistics:
        steps, served = get_table(client, "statistic", run="a", name=name)
        np.testing.assert_array_equal(steps, expected.steps)
        np.testing.assert_array_equal(served.view(np.uint32), expected.stat(name).view(np.uint32))
    steps, served = get_table(client, "layer", run="a", name="dense_2/kernel")
    assert served.shape == (len(expected.steps), len(expected.statistics))
    for i, name in enumerate(expected.statistics):
        np.testing.assert_array_equal(served[:, i], expected.stat(name)[:, 2])
    _, loss = get_table(client, "statistic", run="a", name="loss")
    np.testing.assert_array_equal(loss[:, 0], expected.loss)


def test_runs_is_json_even_when_the_run_ended_in_nan(tmp_path, open_logdir):
    loss = np.full(30, np.nan)
    loss[0] = 2
    counts = np.ones((30, len(LAYERS)), np.float32)
    write_run(tmp_path / "a", range(1, 31), {"nonfinite": counts}, loss)
    response = open_logdir(tmp_path).get(f"{BASE}/runs")
    (run,) = json.loads(response.data, parse_constant=pytest.fail)["runs"]
    assert run["verdict"] == "critical"
    assert (run["first_loss"], run["last_loss"]) == (2.0, "NaN")


def test_a_flight_record_is_announced_and_served(tmp_path, open_logdir):
    steps = np.r_[3:6, 8:11]
    norms = np.arange(24, dtype=np.float32).reshape(6, len(LAYERS))
    norms[5, 1], norms[5, 2] = np.nan, np.inf
    loss = np.array([5, 4, 3, 2, 1, np.nan], np.float32)
    flight = {"steps": steps, "gradient_norm": norms, "loss": loss, "reason": "exception"}
    write_run(tmp_path / "a", range(1, 11), flight=flight)
    write_run(tmp_path / "b", range(1, 11))
    client = open_logdir(tmp_path)
    a, b = get_json(client, "runs")["runs"]
    assert a["flight"] == {"first_step": 3, "last_step": 10, "updates": 6, "reason": "exception"}
    assert b["flight"] is None
    served_steps, served = get_table(client, "flight", run="a")
    np.testing.assert_array_equal(served_steps, steps)
    np.testing.assert_array_equal(served, np.column_stack([norms, loss]))


def test_what_recording_took_and_loss_scaling_did_is_told(tmp_path, open_logdir):
    numbers = {
        "overhead": [np.nan, 0.5, 0.25, np.nan],
        "loss_scale": [8, 4, 1, 1],
        "skipped_steps": [0, 1, 2, np.nan],
        "nonfinite_steps": [0, 1, 0, 0],
    }
    write_run(tmp_path / "a", range(1, 5), step_stats=numbers)
    write_run(tmp_path / "b", range(1, 5))
    write_run(tmp_path / "c", range(1, 5), step_stats={"loss_scale": np.ones(4)})
    client = open_logdir(tmp_path)
    names = ("overhead", "loss_scale", "loss_scaled", "skipped_steps")
    told = [[run[name] for name in names] for run in get_json(client, "runs")["runs"]]
    assert told == [[0.25, 1.0, True, 3], [None, None, False, 0], [None, 1.0, False, 0]]
    for name, values in numbers.items():
        _, served = get_table(client, "statistic", run="a", name=name)
        np.testing.assert_array_equal(served[:, 0], np.float32(values))


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("statistic", 400),
        ("statistic?run=a", 400),
        ("statistic?run=b&name=u_mean", 404),
        ("statistic?run=a&name=nonsense", 404),
        ("statistic?run=../a&name=u_mean", 404),
        ("layer?run=a&name=nonsense", 404),
        ("layer?run=a", 400),
        ("flight", 400),
        ("flight?run=a", 404),
        ("flight?run=b", 404),
    ],
)
def test_a_bad_request_gets_an_error_in_words(tmp_path, open_logdir, route, status):
    write_run(tmp_path / "a", [1])
    response = open_logdir(tmp_path).get(f"{BASE}/{route}")
    assert response.status_code == status
    assert len(response.json["error"]) > 10


def test_only_reading_is_answered(tmp_path, open_logdir):
    write_run(tmp_path / "a", [1])
    client = open_logdir(tmp_path)
    for method in ("post", "put", "delete", "patch"):
        assert getattr(client, method)(f"{BASE}/runs").status_code == 405
    head = client.head(f"{BASE}/runs")
    assert (head.status_code, head.data) == (200, b"")


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, b"\x00" * 1000])
def test_a_foreign_logdir_keeps_nothing_from_starting(tmp_path, open_logdir, content):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "events.out.tfevents.1.host").write_bytes(content)
    client = open_logdir(tmp_path)
    assert get_json(client, "runs")["runs"] == []
    listing = client.get("/data/plugins_listing").json
    assert listing["optimizer_health"]["enabled"] is False


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path, open_logdir, monkeypatch):
    from adamax_tb import schema

    write_run(tmp_path / "good", [1])
    monkeypatch.setattr(schema, "VERSION", 99)
    write_run(tmp_path / "newer", [1])
    monkeypatch.undo()
    document = get_json(open_logdir(tmp_path), "runs")
    assert [run["name"] for run in document["runs"]] == ["good"]
    assert [error["run"] for error in document["errors"]] == ["newer"]
    assert "newer adamax-tb" in document["errors"][0]["error"]


def test_the_tab_is_listed_with_our_data_and_its_page_is_served(tmp_path, open_logdir):
    write_run(tmp_path / "a", [1])
    client = open_logdir(tmp_path)
    listing = client.get("/data/plugins_listing").json["optimizer_health"]
    assert (listing["enabled"], listing["tab_name"]) == (True, "Optimizer health")
    script = client.get(f"{BASE}/index.js")
    assert script.status_code == 200
    assert "javascript" in script.content_type
    assert client.get(f"{BASE}/index.css").status_code == 200


def test_a_loader_that_cannot_load_lets_tensorboard_go_on():
    loader = OptimizerHealthLoader()
    loader.fix_flags(object())
    assert loader.load(None) is None
