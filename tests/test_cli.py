"""The `adamax-tb` command as a process."""

import json
import os
import socket
import subprocess
import sys
import sysconfig

import numpy as np
import pytest
from synthetic import write_run

from adamax_tb import cli


def adamax_tb(*arguments):
    command = [sys.executable, "-m", "adamax_tb.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_check_names_the_sick_runs_of_the_demo_with_the_right_rule(demo_logdir):
    done = adamax_tb("check", demo_logdir, "--json")
    assert done.returncode == 1, done.stderr
    runs = {run["name"]: run for run in json.loads(done.stdout)["runs"]}
    assert set(runs) == {"healthy", "exploding", "vanishing"}
    assert runs["healthy"]["findings"] == []
    for name, rule in (("exploding", "exploding-gradient"), ("vanishing", "vanishing-gradient")):
        first = runs[name]["findings"][0]
        assert (first["rule"], first["severity"]) == (rule, "critical")
        assert first["suggestion"]
        assert first["evidence"]
    assert runs["exploding"]["findings"][0]["first_step"] > 100
    assert runs["vanishing"]["findings"][0]["layer"] == "digits/dense_1/kernel"


def test_check_says_it_in_words(demo_logdir):
    done = adamax_tb("check", demo_logdir)
    assert done.returncode == 1
    assert "exploding: critical" in done.stdout
    assert "healthy: healthy" in done.stdout
    assert "What to do: " in done.stdout


@pytest.mark.parametrize(
    ("fraction", "learned", "fail_on", "code"),
    [
        (0, True, "warning", 0),
        (1, False, "critical", 1),
        (1, False, "never", 0),
        (0.75, False, "warning", 1),
        (0.75, False, "critical", 0),
        (1, True, "warning", 0),
    ],
)
def test_the_exit_code_follows_the_worst_finding(tmp_path, fraction, learned, fail_on, code):
    dead = np.zeros((50, 4), np.float32)
    dead[:, :2] = fraction
    loss = np.linspace(2, 0.1, 50) if learned else np.full(50, 2.3)
    write_run(tmp_path / "a", range(1, 51), {"dead_units": dead}, loss)
    assert adamax_tb("check", tmp_path, "--fail-on", fail_on).returncode == code


def test_a_taken_port_is_told_before_anything_is_trained(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = adamax_tb("demo", "--logdir", tmp_path / "runs", "--port", port)
    assert done.returncode == 2
    assert f"PORT={port + 1}" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_too_short_to_judge_says_so(tmp_path):
    write_run(tmp_path / "a", [1])
    done = adamax_tb("check", tmp_path)
    assert "1 record, steps 1 to 1" in done.stdout
    assert "too few to judge" in done.stdout


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path):
    write_run(tmp_path / "good", [1])
    write_run(tmp_path / "bad", [1], layers=(("d/kernel", (2, 2)), ("d/kernel", (2, 2))))
    done = adamax_tb("check", tmp_path)
    assert done.returncode == 2
    assert "good: healthy" in done.stdout
    assert "'bad' cannot be read" in done.stderr


def test_check_of_nothing_exits_2_and_names_the_argument(tmp_path):
    for logdir in (tmp_path, tmp_path / "missing"):
        done = adamax_tb("check", logdir)
        assert done.returncode == 2
        assert "`logdir`" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["demo", "--port", "0"], ["demo", "--port", "x"], ["nonsense"], []]
)
def test_bad_usage_exits_2(arguments):
    done = adamax_tb(*arguments)
    assert done.returncode == 2
    assert "usage: adamax-tb" in done.stderr


def test_a_terminals_escape_codes_in_a_name_are_written_out(tmp_path):
    write_run(tmp_path / "a\x1b[31mred", [1])
    done = adamax_tb("check", tmp_path)
    assert "\x1b" not in done.stdout
    assert "\\x1b[31mred" in done.stdout


def test_the_demo_names_the_tensorboard_of_its_own_installation(tmp_path, monkeypatch):
    scripts = sysconfig.get_path("scripts")
    monkeypatch.setenv("PATH", scripts)
    assert cli._tensorboard() == "tensorboard"
    other = tmp_path / "tensorboard"
    other.write_text("#!/bin/sh")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{scripts}")
    assert os.path.samefile(cli._tensorboard(), os.path.join(scripts, "tensorboard"))
