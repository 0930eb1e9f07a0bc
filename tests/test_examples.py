"""The examples and README's snippets run as written."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_existing_script_trains_and_is_healthy(tmp_path):
    script = ROOT / "examples" / "existing_script.py"
    subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, check=True, capture_output=True, timeout=120
    )
    check = [sys.executable, "-m", "adamax_tb.cli", "check", "runs"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "adam: healthy (Adam, 4 layers" in done.stdout
