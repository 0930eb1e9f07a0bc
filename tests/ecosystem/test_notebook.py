"""`examples/quickstart.ipynb` runs from top to bottom, and its last picture is the panel itself."""

import base64
import functools
import http.server
import io
import json
import os
import sysconfig
import threading
from pathlib import Path

import nbclient
import nbformat
import pytest
from PIL import Image

ENDED = """
import time

while manager.get_all():
    time.sleep(0.2)
"""
NOTEBOOK = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook, all but its last cell run by a real kernel, the client of that kernel, and where it ran."""
    directory = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as environment:
        # %tensorboard starts what the shell would
        path = sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"]
        environment.setenv("PATH", path)
        environment.setenv("TMPDIR", str(directory))  # where TensorBoards know each other by
        client = nbclient.NotebookClient(
            notebook, timeout=240, resources={"metadata": {"path": str(directory)}}
        )
        with client.setup_kernel():
            for i, cell in enumerate(notebook.cells[:-1]):
                client.execute_cell(cell, i)
            yield notebook, client, directory


def outputs_of(notebook, name):
    """Returns the data of a cell's outputs, by kind of content."""
    (cell,) = [cell for cell in notebook.cells if cell.id == name]
    return [output.data for output in cell.outputs if "data" in output]


def test_the_notebook_is_committed_without_outputs():
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    assert [cell["id"] for cell in notebook["cells"]]
    for cell in notebook["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("name", ["plot", "plot-other", "curves"])
def test_a_plot_is_shown_once_as_a_picture(executed, name):
    notebook, _, _ = executed
    (data,) = outputs_of(notebook, name)
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.width > 600
    assert len(picture.convert("RGB").getcolors(maxcolors=1 << 24)) > 50


def test_the_findings_are_printed(executed):
    notebook, _, _ = executed
    (cell,) = [cell for cell in notebook.cells if cell.id == "findings"]
    printed = "".join(output.text for output in cell.outputs)
    assert "relu: no finding" in printed
    assert "critical: vanishing-gradient in digits/dense_1/kernel, step 1 on" in printed


def test_the_panel_is_in_the_page_until_the_last_cell_ends_its_server(executed, chromium):
    notebook, client, directory = executed
    (data,) = [data for data in outputs_of(notebook, "panel") if "text/html" in data]
    (directory / "page.html").write_text(f"<!doctype html>{data['text/html']}", encoding="utf-8")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = chromium.new_page(viewport={"width": 1200, "height": 900})
        page.goto(f"http://localhost:{server.server_port}/page.html")
        board = page.frame_locator("iframe")
        panel = board.frame_locator("iframe")
        panel.get_by_text("Critical since step 1: vanishing-gradient").wait_for(timeout=60_000)
        panel.get_by_text("Layers × steps").wait_for()
        assert page.locator("iframe").bounding_box()["height"] == 800
        output = Path(__file__).parents[1] / "browser" / "output"
        output.mkdir(exist_ok=True)
        page.screenshot(path=output / "notebook.png")

        client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1)
        page.close()
        server.shutdown()
    notebook.cells.append(nbformat.v4.new_code_cell(ENDED))
    client.timeout = 30
    client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1)
