"""The wheel that `pip install .` makes: both packages, the panel, the command, the entry point."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "-w",
        str(out),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("adamax_tb-*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_both_packages_and_the_built_panel(wheel):
    names = set(wheel.namelist())
    for name in (
        "adamax_tb/schema_pb2.py",
        "adamax_tb/callback.py",
        "adamax_tb/check.schema.json",
        "adamax_tb/report.css",
        "tb_plugin/plugin.py",
        "adamax_tb/rules/pages/nonfinite.md",
        "adamax_tb/rules/pages/nonfinite.svg",
        "adamax_tb/rules/pages/measured.json",
        "tb_plugin/http_api.md",
        "tb_plugin/rule_page.css",
        "tb_plugin/static/index.js",
        "tb_plugin/static/index.css",
    ):
        assert name in names
    assert not [name for name in names if "node_modules" in name or name.startswith("tests/")]
    assert b"render" in wheel.read("tb_plugin/static/index.js")


def test_the_wheel_declares_its_command_and_entry_point(wheel):
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    text = wheel.read(entry_points).decode()
    assert "adamax-tb = adamax_tb.cli:main" in text
    assert "optimizer_health = tb_plugin.plugin:OptimizerHealthLoader" in text


def test_the_panel_carries_the_notices_of_what_it_bundles(wheel):
    (notices,) = (name for name in wheel.namelist() if name.endswith("static/NOTICES.txt"))
    text = wheel.read(notices).decode()
    for package in ("preact", "uplot"):
        assert package in text.lower()
    assert text.count("Permission is hereby granted") == 2
