"""Installs the wheel beside the oldest and the newest versions that it allows, and runs `smoke.py` there.

    make compatibility

Each set of versions gets a new environment, outside the checkout, that is removed afterwards: 1.5 GB and some minutes
each. It prints a table, keeps it in RESULTS.md, and exits with 1 if a set fails. `--only oldest` takes one set.
"""

import argparse
import datetime
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from clone import copied  # noqa: E402  beside `tests/conftest.py`, where pytest finds it by itself

ROOT = HERE.parent.parent
#: In the table, in this order.
SHOWN = (
    "tensorflow",
    "keras",
    "tensorboard",
    "numpy",
    "protobuf",
    "orjson",
    "google-crc32c",
    "pillow",
    "setuptools",
)
TIMEOUT_S = 1500


@dataclass(frozen=True, slots=True)
class Versions:
    """A set of versions to install: of Python, and requirements that narrow what the wheel asks for."""

    name: str
    python: str
    pins: tuple[str, ...]


def lowest():
    """Returns the lower bounds of the wheel's dependencies as pins: "keras>=3.10,<4" is "keras==3.10.*"."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = []
    for requirement in project["dependencies"]:
        name, bounds = requirement.split(">=")
        pins.append(f"{name}=={bounds.split(',')[0]}.*")
    return tuple(pins)


#: TensorBoard before 2.21 imports pkg_resources, which setuptools has no more from 82 on, and starts with no older one.
OLD_TENSORBOARD = "setuptools<82"
SETS = (
    Versions("oldest", "3.11", (*lowest(), OLD_TENSORBOARD)),
    Versions(
        "between",
        "3.12",
        ("tensorflow==2.19.*", "keras==3.12.*", "tensorboard==2.19.*", OLD_TENSORBOARD),
    ),
    Versions("newest", "3.13", ()),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one set: the versions that pip chose, and the first line of what failed, "" if nothing did."""

    versions: Versions
    installed: dict[str, str]
    failed: str
    took_s: float


def run(*command, cwd, timeout=TIMEOUT_S):
    """Returns a finished process, its output as text; errors go into the output."""
    environment = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "KERAS_BACKEND")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )


def must(*command, cwd):
    """Returns the output of a command; ends with it if the command fails."""
    done = run(*command, cwd=cwd)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}")
    return done.stdout


def interpreter(version):
    """Returns a Python of `version` on the PATH or of pyenv, this very one if it is; None if there is none."""
    if platform.python_version().startswith(f"{version}."):
        return sys.executable
    found = [shutil.which(f"python{version}")]
    if pyenv := shutil.which("pyenv"):
        prefix = run(pyenv, "prefix", version, cwd=ROOT).stdout.strip()
        found.append(f"{prefix}/bin/python")
    for path in filter(None, found):
        if Path(path).exists() and f"Python {version}." in run(path, "--version", cwd=ROOT).stdout:
            return path
    return None


def tried(versions, wheel, directory):
    """Returns the `Outcome` of a set, or None where its Python is missing."""
    python = interpreter(versions.python)
    if python is None:
        return None
    began = time.perf_counter()
    environment = directory / versions.name
    must(python, "-m", "venv", environment, cwd=directory)
    inside = environment / "bin" / "python"
    install = (inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    done = run(*install, wheel, *versions.pins, cwd=directory)
    listed = run(inside, "-m", "pip", "list", "--format", "freeze", cwd=directory).stdout
    installed = dict(line.lower().split("==") for line in listed.split() if "==" in line)
    if not done.returncode:
        print(
            f"{versions.name}: " + ", ".join(f"{n} {installed.get(n)}" for n in SHOWN), flush=True
        )
        done = run(inside, "-m", "pip", "check", cwd=directory)
    if not done.returncode:
        done = run(inside, HERE / "smoke.py", cwd=directory)
    if done.returncode:
        print(done.stdout, flush=True)
    failed = (done.stdout.strip().splitlines() or ["no output"])[-1] if done.returncode else ""
    shutil.rmtree(environment)
    return Outcome(versions, installed, failed, time.perf_counter() - began)


def table(outcomes):
    """Returns the outcomes as a table in Markdown."""
    head = ["", "Python", *SHOWN, "result"]
    rows = [
        [
            outcome.versions.name,
            outcome.versions.python,
            *(outcome.installed.get(name, "") for name in SHOWN),
            f"fails: {outcome.failed}" if outcome.failed else "passes",
        ]
        for outcome in outcomes
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def results(outcomes):
    """Returns RESULTS.md."""
    parts = ", ".join(f"`{name}`" for name in part_names())
    return f"""# Versions that work

As `make compatibility` left it on {datetime.date.today()}, on Linux, CPU: the wheel in a new environment for each row,
installed by pip with everything it asks for, `pip check`, then [smoke.py](smoke.py) outside the checkout.

{table(outcomes)}

*Oldest* takes the lower bounds of `pyproject.toml`, *newest* what pip chooses. TensorBoard before 2.21 does not
start beside setuptools 82 or newer, with or without this package: then `pip install '{OLD_TENSORBOARD}'`. What is run:
{parts}.
"""


def part_names():
    """Returns the names of the parts of smoke.py, in order."""
    text = (HERE / "smoke.py").read_text()
    listed = text[text.index("PARTS = (") :]
    return [
        name.strip()
        for name in listed[len("PARTS = (") : listed.index(")")].split(",")
        if name.strip()
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[versions.name for versions in SETS])
    only = parser.parse_args().only
    with tempfile.TemporaryDirectory() as directory:
        where = Path(directory)
        must(sys.executable, "-m", "build", "--outdir", where, copied(where / "clone"), cwd=where)
        (wheel,) = where.glob("*.whl")
        outcomes = []
        for versions in SETS:
            if only in (None, versions.name):
                outcome = tried(versions, wheel, where)
                if outcome is None:
                    print(f"{versions.name}: there is no Python {versions.python} here", flush=True)
                else:
                    outcomes.append(outcome)
    print(table(outcomes))
    if only is None:
        (HERE / "RESULTS.md").write_text(results(outcomes))
    if not outcomes or any(outcome.failed for outcome in outcomes):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
