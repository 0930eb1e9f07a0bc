"""The server needs TensorBoard and no TensorFlow, on every Python that is supported: in an environment of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import write_run

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.11", "3.12", "3.13")
NEEDS = ("tensorboard>=2.21", "google-crc32c", "orjson")

LOOK = """
import importlib.util, json, sys

sys.path[:0] = [{root!r}, {tests!r}]
assert importlib.util.find_spec("tensorflow") is None
from board import get_json, get_table, open_board
from adamax_tb import cli, read_runs

answers = {{}}
for loader in ("python", "rustboard"):
    board, client = open_board(loader, "--logdir", {logdir!r})
    (run,) = get_json(client, "runs")["runs"]
    steps, _ = get_table(client, "statistic", run="a", name="u_mean")
    listed = client.get("/data/plugins_listing").json["optimizer_health"]
    answers[loader] = [run["verdict"], len(steps), listed["enabled"]]
    if loader == "rustboard":
        board._ingester._stdin_handle.close()
answers["check"] = cli.main(["check", {logdir!r}])
answers["export"] = cli.main(["export", {logdir!r}, "--format", "csv", "-o", {out!r}])
answers["records"] = len(read_runs({logdir!r})["a"].steps)
print(json.dumps(answers))
"""


def interpreter(version):
    """Returns a Python of `version`, of those on the PATH or pyenv's; None if there is none."""
    found = [shutil.which(f"python{version}")]
    if pyenv := shutil.which("pyenv"):
        done = subprocess.run([pyenv, "prefix", version], capture_output=True, text=True)
        found.append(f"{done.stdout.strip()}/bin/python" if done.returncode == 0 else None)
    for path in filter(None, found):
        command = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.stdout.strip() == version:
            return path
    return None


@pytest.mark.parametrize("version", VERSIONS)
def test_runs_are_served_checked_and_exported_without_tensorflow(tmp_path, version):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"There is no Python {version} here.")
    write_run(tmp_path / "logs" / "a", range(1, 41))
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([python, "-m", "venv", tmp_path / "venv"], check=True, env=env)
    own = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NEEDS]
    subprocess.run(install, check=True, env=env, timeout=300)
    code = LOOK.format(
        root=str(ROOT),
        tests=str(ROOT / "tests"),
        logdir=str(tmp_path / "logs"),
        out=str(tmp_path / "runs.csv"),
    )
    done = subprocess.run([own, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        '{"python": ["healthy", 40, true], "rustboard": ["healthy", 40, true], '
        '"check": 0, "export": 0, "records": 40}'
    )
    assert (tmp_path / "runs.csv").read_text().count("\n") == 1 + 40 * 4
