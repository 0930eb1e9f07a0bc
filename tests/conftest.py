"""What tests share: the demo's runs, a real TensorBoard and a real browser."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import contextlib
import logging
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import hypothesis
import pytest

# no test is one of how fast the machine is today
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(autouse=True)
def no_faults_logged(request):
    """Where warnings are errors, as here, a fault that nobody expects is logged: it fails the test.

    A test that takes `caplog` looks for itself.
    """
    told = []

    class Errors(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage())

    handler = Errors(logging.ERROR)
    logging.getLogger("adamax_tb").addHandler(handler)
    yield
    logging.getLogger("adamax_tb").removeHandler(handler)
    assert "caplog" in request.fixturenames or not told, told


@pytest.fixture(scope="session")
def demo_logdir(tmp_path_factory):
    """The runs of `adamax-tb demo`, trained by the real command in a process of its own."""
    logdir = tmp_path_factory.mktemp("demo") / "runs"
    command = [sys.executable, "-m", "adamax_tb.cli", "demo", "--logdir", str(logdir), "--no-serve"]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return logdir


@pytest.fixture(scope="session")
def chromium():
    """A real browser."""
    from playwright import sync_api

    names = (os.environ.get("CHROMIUM", ""), *CHROMIUM_NAMES)
    path = next(filter(None, map(shutil.which, filter(None, names))), None)
    if path is None:
        pytest.fail(
            "The browser tests need Chromium. On Debian: apt-get install chromium; elsewhere put it on PATH or set "
            "CHROMIUM to its path."
        )
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


#: As TensorBoard runs where TensorFlow is not installed: it starts in a second instead of eight.
WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorboard.compat.notf"] = type(sys)("notf")
from tensorboard.main import run_main
run_main()
"""


@contextlib.contextmanager
def serving(logs):
    """Gives `start(logdir, *flags)`, which starts a real TensorBoard and returns its address; ends them all.

    With `tensorflow=True` it loads TensorFlow, as TensorBoard does where that is installed.
    """
    processes = []

    def start(logdir, *flags, tensorflow=False):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = logs / f"tensorboard-{port}.log"
        how = ["-m", "tensorboard.main"] if tensorflow else ["-c", WITHOUT_TENSORFLOW]
        command = [sys.executable, *how, "--logdir", str(logdir)]
        command += ["--host", "127.0.0.1", "--port", str(port), *flags]
        with log.open("w") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        processes.append(process)
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{address}/", timeout=5).close()
            except urllib.error.HTTPError:  # it answers, elsewhere: --path_prefix
                return address
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"TensorBoard does not start:\n{log.read_text()}")
                time.sleep(0.2)
            else:
                return address

    start.processes = processes
    yield start
    for process in processes:
        process.terminate()
        process.wait(20)


@pytest.fixture
def serve(tmp_path):
    """Starts real TensorBoards: `serve(logdir, *flags)` returns an address."""
    with serving(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def serve_all(tmp_path_factory):
    """As `serve`, for all tests of a module."""
    with serving(tmp_path_factory.mktemp("served")) as start:
        yield start


@pytest.fixture(scope="session")
def demo_address(demo_logdir, tmp_path_factory):
    """A TensorBoard of the demo's runs, for tests that only look at it."""
    with serving(tmp_path_factory.mktemp("served")) as start:
        yield start(demo_logdir)


@pytest.fixture(params=["rustboard", "python"])
def open_logdir(request):
    """`open_logdir(logdir, *flags)` returns a client of a TensorBoard that has loaded it."""
    from board import open_board

    boards = []

    def start(logdir, *flags, **options):
        where = [] if logdir is None else ["--logdir", str(logdir)]
        board, client = open_board(request.param, *where, *flags, **options)
        boards.append(board)
        return client

    yield start
    for board in boards:
        if handle := getattr(board._ingester, "_stdin_handle", None):
            handle.close()
