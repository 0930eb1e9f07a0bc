"""A copy of the checkout to build in: what a build makes does not get in the way of other tests."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: What no clone has.
MADE = (
    ".*",
    "build",
    "dist",
    "runs",
    "output",
    "static",
    "node_modules",
    "__pycache__",
    "*.egg-info",
)


def copied(directory):
    """Returns a copy of the checkout, without anything that was built there, at `directory`."""
    return Path(shutil.copytree(ROOT, directory, ignore=shutil.ignore_patterns(*MADE)))
