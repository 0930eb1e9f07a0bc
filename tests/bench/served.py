"""A real TensorBoard for large.py to measure: its process, its log, its memory, and what its routes answer."""

import contextlib
import gzip
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

WITHOUT_TENSORFLOW = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from tensorboard.main import run_main
run_main()
"""
#: name → what starts Python for it, and TensorBoard's flag.
LOADERS: Mapping[str, tuple[list[str], str]] = {
    "rustboard": (["-m", "tensorboard.main"], "--load_fast=true"),
    "python": (["-m", "tensorboard.main"], "--load_fast=false"),
    "python-no-tf": (["-c", WITHOUT_TENSORFLOW], "--load_fast=false"),
}
#: What a loader logs when it has read everything for the first time; with --verbosity=0 TensorBoard lets it.
LOADED = re.compile(r"Finished load cycle \(([\d.]+)(s|ms|µs)\)|Load took ([\d.]+) (sec)s")
UNITS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6}
ROUTES = "/data/plugin/optimizer_health/"
DEADLINE_S = 1800


class Server:
    """One TensorBoard, running from `with` to its end.

    Args:
        logdir: what it shows.
        loader: one of `LOADERS`.
        flags: further ones for its command line.
    """

    def __init__(self, logdir: Path, loader: str, *flags: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        start, load_fast = LOADERS[loader]
        self._command = [sys.executable, *start, "--logdir", str(logdir), "--host", "127.0.0.1"]
        self._command += ["--port", str(port), load_fast, "--verbosity=0", *flags]
        self._tensorflow = loader != "python-no-tf"
        self.address = f"http://127.0.0.1:{port}"
        self.peak_bytes = 0

    def __enter__(self) -> "Server":
        self._log = tempfile.NamedTemporaryFile("w", suffix=".log")  # see `__exit__`
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            self._command, stdout=self._log, stderr=subprocess.STDOUT, env=environment
        )
        threading.Thread(target=self._watch_memory, daemon=True).start()
        try:
            self._wait_until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._log.close()

    def _wait_until_up(self) -> None:
        self.wait(self._answers)
        self.up_s = self.elapsed_s
        if ("reduced feature set" in self.log) == self._tensorflow:
            raise RuntimeError("TensorBoard is not as it should be: with TensorFlow, or without.")

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.address}/", timeout=5).close()
        except OSError:
            return False
        return True

    def wait(self, holds: Callable[[], bool], every_s: float = 0.1) -> None:
        """Returns as soon as `holds()`.

        Raises:
            RuntimeError: TensorBoard ended.
            TimeoutError: it took longer than `DEADLINE_S`.
        """
        deadline = time.monotonic() + DEADLINE_S
        while not holds():
            if self._process.poll() is not None:
                raise RuntimeError(f"TensorBoard ended:\n{self.log[-5000:]}")
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"TensorBoard took longer than {DEADLINE_S} s:\n{self.log[-5000:]}"
                )
            time.sleep(every_s)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the process was started."""
        return time.monotonic() - self.started

    @property
    def log(self) -> str:
        """What TensorBoard has written so far."""
        return Path(self._log.name).read_text(errors="replace")

    def loaded_s(self) -> float | None:
        """Returns the seconds that TensorBoard's own loader took for its first reading; None if it is still at it."""
        found = LOADED.search(self.log)
        if found is None:
            return None
        number, unit = (group for group in found.groups() if group is not None)
        return float(number) * UNITS[unit]

    def memory_bytes(self) -> int:
        """Returns the resident memory of all its processes."""
        main = psutil.Process(self._process.pid)
        processes = [main, *main.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes)

    def _watch_memory(self) -> None:
        while self._process.poll() is None:
            with contextlib.suppress(psutil.Error):  # ended meanwhile
                self.peak_bytes = max(self.peak_bytes, self.memory_bytes())
            time.sleep(0.1)

    def answer(self, route: str, **query: Any) -> bytes:
        """Returns what one of the plugin's routes answers, as a browser gets it: decompressed."""
        address = f"{self.address}{ROUTES}{route}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
            body = response.read()
            packed = response.headers["Content-Encoding"] == "gzip"
        return gzip.decompress(body) if packed else body

    def runs(self, **query: Any) -> dict[str, Any]:
        """Returns what the route `runs` answers."""
        return json.loads(self.answer("runs", **query))

    def table(self, route: str, **query: Any) -> "Table":
        """Returns what one of the routes that answer tables does."""
        return Table.decoded(self.answer(route, **query))


@dataclass(frozen=True)
class Table:
    """The binary table of http_api.md: T rows of C columns.

    Attributes:
        per: records a row, 0 when the rows are the records themselves.
        first: (T,), the first step of each row.
        last: (T,), its last one.
        high: (T, C), the largest number of its records.
        marks: (T, C), what was not finite in them; None if everything was, or when `per` is 0.
    """

    per: int
    first: np.ndarray
    last: np.ndarray
    high: np.ndarray
    marks: np.ndarray | None

    @classmethod
    def decoded(cls, body: bytes) -> "Table":
        """Returns the table that `body` holds."""
        if body[:4] != b"AOH1":
            raise ValueError(f"This is no table: {body[:100]!r}")
        rows, columns, per = np.frombuffer(body, "<u4", 3, 4).tolist()
        if per == 0:
            steps = np.frombuffer(body, "<f8", rows, 16)
            values = np.frombuffer(body, "<f4", rows * columns, 16 + 8 * rows)
            return cls(per, steps, steps, values.reshape(rows, columns), None)
        planes = int.from_bytes(body[16:20], "little")
        first, last = np.frombuffer(body, "<f8", 2 * rows, 24).reshape(2, rows)
        start, plane = 24 + 16 * rows, 4 * rows * columns
        high = np.frombuffer(body, "<f4", rows * columns, start).reshape(rows, columns)
        start += plane * (3 if planes & 1 else 2)
        marks = None
        if planes & 2:
            marks = np.frombuffer(body, "u1", rows * columns, start).reshape(rows, columns)
        return cls(per, first, last, high, marks)

    def row(self, step: int) -> int:
        """Returns which row holds a step."""
        return int(np.searchsorted(self.last, step))
