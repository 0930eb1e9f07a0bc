"""A real TensorBoard application without a port, and what its routes answer, decoded as http_api.md says."""

import struct
import time
from dataclasses import dataclass

import numpy as np
from tensorboard import program
from tensorboard.backend import application
from tensorboard.plugins.core.core_plugin import CorePluginLoader
from werkzeug.test import Client

from tb_plugin.plugin import OptimizerHealthLoader

BASE = "/data/plugin/optimizer_health"


def open_board(loader, *flags, reload_interval=0, plugins=()):
    """Returns a TensorBoard of "rustboard" or "python" with these plugins and ours, and a client of it."""
    board = program.TensorBoard(plugins=[CorePluginLoader(), OptimizerHealthLoader(), *plugins])
    task = "blocking" if reload_interval == 0 else "auto"
    loaders = {
        "rustboard": ["--load_fast=true"],
        "python": ["--load_fast=false", f"--reload_task={task}"],
    }
    board.configure(
        ["tensorboard", f"--reload_interval={reload_interval}", *loaders[loader], *flags]
    )
    provider, multiplexer = board._make_data_provider()
    return board, Client(
        application.TensorBoardWSGIApp(
            board.flags, board.plugin_loaders, provider, board.assets_zip_provider, multiplexer
        )
    )


def get_json(client, route, base=BASE):
    response = client.get(f"{base}/{route}")
    assert response.status_code == 200, response.text
    return response.json


def wait_for(client, since, done):
    """Asks for what changed since a revision until a run is as wanted; returns that answer."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = get_json(client, f"runs?since={since}")
        if any(done(run) for run in answer["runs"]):
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within 30 s: {answer}")


def get_table(client, route, base=BASE, **query):
    """Returns the steps and values of a table with a record a row."""
    response = client.get(f"{base}/{route}", query_string=query)
    assert response.status_code == 200, response.text
    data = response.data
    magic, rows, columns, per = struct.unpack_from("<4sIII", data)
    assert (magic, per) == (b"AOH1", 0)
    steps = np.frombuffer(data, "<f8", rows, 16)
    values = np.frombuffer(data, "<f4", rows * columns, 16 + 8 * rows).reshape(rows, columns)
    assert len(data) == 16 + 8 * rows + 4 * rows * columns
    return steps, values


@dataclass
class Reduced:
    per: int
    first: np.ndarray
    last: np.ndarray
    high: np.ndarray
    low: np.ndarray
    mean: np.ndarray | None
    marks: np.ndarray


def get_reduced(client, route, **query):
    """Returns a table whose rows stand for several records."""
    response = client.get(f"{BASE}/{route}", query_string=query)
    assert response.status_code == 200, response.text
    data = response.data
    magic, rows, columns, per, planes, reserved = struct.unpack_from("<4sIIIII", data)
    assert (magic, reserved) == (b"AOH1", 0)
    assert per > 0
    at = 24

    def taken(dtype, *shape):
        nonlocal at
        values = np.frombuffer(data, dtype, int(np.prod(shape)), at).reshape(shape)
        at += values.nbytes
        return values

    first, last = taken("<f8", rows), taken("<f8", rows)
    high, low = taken("<f4", rows, columns), taken("<f4", rows, columns)
    mean = taken("<f4", rows, columns) if planes & 1 else None
    marks = taken("u1", rows, columns) if planes & 2 else np.zeros((rows, columns), np.uint8)
    assert at == len(data)
    return Reduced(per, first, last, high, low, mean, marks)
