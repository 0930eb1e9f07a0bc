"""A training, all commands, and a server with its panel, where there is no network: nobody else is needed or asked."""

import contextlib
import os
import shutil
import subprocess
import sys

import pytest
from audited import LISTEN, python

BASE = "/data/plugin/optimizer_health"
TARGETS = (
    *("index.js", "index.css", "runs", "rule?name=nonfinite", "statistic?run=a&name=u_mean"),
    *("statistic?run=a&name=loss", "export?run=a&format=csv"),
)

#: A training, all commands and a server with its panel, in one process; says whom it spoke to.
WORK = """
import json, urllib.request
listening.append("network")
import numpy as np
import keras
import adamax_tb
from adamax_tb import cli

run = os.path.join({logdir!r}, "a")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
model.compile(optimizer=adamax_tb.AdaMax(1e-3), loss="mse")
health = adamax_tb.OptimizerHealth(run, every=1)
model.fit(np.ones((32, 4)), np.ones((32, 2)), epochs=2, batch_size=4, verbose=0, callbacks=[health])
out = os.path.join({logdir!r}, "out")
codes = [
    cli.main(["check", {logdir!r}, "--fail-on", "never"]),
    cli.main(["report", {logdir!r}, "-o", out + ".html"]),
    *(cli.main(["export", {logdir!r}, "--format", f, "-o", out + "." + f]) for f in ("csv", "json", "parquet")),
]

from tensorboard import program
from tensorboard.plugins.core.core_plugin import CorePluginLoader
from tb_plugin.plugin import OptimizerHealthLoader

board = program.TensorBoard(plugins=[CorePluginLoader(), OptimizerHealthLoader()])
board.configure(["tensorboard", "--logdir", {logdir!r}, "--load_fast=false", "--host=127.0.0.1", "--port=0"])
address = board.launch().rstrip("/")
listening.clear()  # what follows is this test's own client
sizes = [len(urllib.request.urlopen(address + target, timeout=60).read()) for target in {targets!r}]
print(json.dumps({{"codes": codes, "sizes": sizes, "heard": heard}}), flush=True)
os._exit(0)  # the server's thread has no end
"""

#: In a network of its own, without any other machine: first the loopback device is put up.
CUT = """
import fcntl, os, socket, struct, sys
with socket.socket() as s:
    flags = struct.pack("16sh14x", b"lo", 0x1 | 0x40)
    fcntl.ioctl(s, 0x8914, flags)
os.execv(sys.argv[1], sys.argv[1:])
"""


def cut_off():
    """What a command is begun with so that it has no network; None where that is not permitted."""
    if shutil.which("unshare") is None:
        return None
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    prefix = ["unshare", "--net", *user, sys.executable, "-c", CUT]
    with contextlib.suppress(OSError):
        if subprocess.run([*prefix, shutil.which("true")], capture_output=True).returncode == 0:
            return prefix
    return None


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """Whether the network was cut off, and what was done all the same."""
    logdir = tmp_path_factory.mktemp("cut") / "runs"
    targets = [f"{BASE}/{target}" for target in TARGETS]
    code = LISTEN + WORK.format(logdir=str(logdir), targets=targets)
    prefix = cut_off()
    return prefix is not None, python(code, *(prefix or ()))


def test_everything_works_without_a_network(worked):
    cut, done = worked
    if not cut:
        pytest.skip("This system gives no process a network of its own (unshare --net).")
    assert done["codes"] == [0] * 5
    assert min(done["sizes"]) > 100


def test_no_other_machine_is_spoken_to_and_no_name_is_looked_up(worked):
    _, done = worked
    spoken = [what for event, what, _ in done["heard"] if event == "socket.connect"]
    near = ("'127.0.0.1'", "'::1'", "'localhost'")
    assert [what for what in spoken if not any(name in what for name in near)] == []
    ours = [[event, what] for event, what, of_us in done["heard"] if of_us and event != "open"]
    assert ours == []
