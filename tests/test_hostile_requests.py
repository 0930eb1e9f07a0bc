"""Whatever is asked of a route, the answer is one that http_api.md describes, and soon."""

import gzip
import struct
from pathlib import Path

import hostile_bytes as hostile
import numpy as np
import pytest
from board import BASE, get_json, open_board
from hypothesis import example, given, settings
from synthetic import LAYERS, write_run

CORPUS = Path(__file__).parent / "corpus"
QUERIES = [
    tuple(line.split("?", 1))
    for path in sorted(CORPUS.glob("*.query"))
    for line in path.read_text().split("\n")
]
#: What a refusal says, at most.
WORDS_BYTES = 1000


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    return served(tmp_path_factory.mktemp("hostile"))


def served(logdir):
    """Returns a client of a server with a run of 3,000 records and a flight record."""
    steps = np.arange(1, 3001)
    flight = {"steps": range(2900, 3001)}
    write_run(logdir / "healthy", steps, only=["gradient_norm", "u_mean"], flight=flight)
    _, client = open_board("python", "--logdir", str(logdir))
    assert get_json(client, "runs")["names"] == ["healthy"]
    return client


def assert_answered(client, route, query, headers=None):
    """Asks, and returns the status of an answer that is sound; the environment is set as a socket would have it."""
    environ = {"QUERY_STRING": query}
    for name, value in (headers or {}).items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    response = client.get(f"{BASE}/{route}", environ_overrides=environ)
    body = response.data
    if response.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    assert response.status_code in (200, 400, 404), response.text
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    mimetype = response.mimetype
    if response.status_code != 200:
        assert len(body) < WORDS_BYTES
        words = hostile.strict_json(body)["error"]
        assert mimetype == "application/json"
        if response.status_code == 400:
            assert any(f"'{name}'" in words for name in hostile.ROUTES[route]), words
    elif mimetype == "application/octet-stream":
        assert_table(body)
    elif mimetype == "application/json":
        hostile.strict_json(body)
    else:
        assert mimetype in ("text/html", "text/csv", "application/vnd.apache.parquet")
    return response.status_code


def assert_table(body):
    """Checks that a binary table is as long as its head says."""
    magic, rows, columns, per = struct.unpack_from("<4sIII", body)
    assert magic == b"AOH1"
    if per == 0:
        assert len(body) == 16 + 8 * rows + 4 * rows * columns
    else:
        (planes,) = struct.unpack_from("<I", body, 16)
        cell = 8 + 4 * (planes & 1) + (planes >> 1)
        assert len(body) == 24 + 16 * rows + cell * rows * columns


@pytest.mark.parametrize(("route", "query"), QUERIES, ids=range(len(QUERIES)))
def test_a_query_of_the_corpus_is_answered(client, route, query):
    assert_answered(client, route, query)


@settings(
    max_examples=400,
    derandomize=True,
    database=None,
)
@given(hostile.queries(), hostile.headers)
@example(("statistic", "run=healthy&name=gradient_norm"), {"Range": "bytes=0-3"})
@example(("statistic", "run=healthy&name=gradient_norm"), {"Accept-Encoding": "gzip;q=0"})
@example(("runs", ""), {"If-None-Match": "*"})
def test_any_query_and_any_header_are_answered(client, asked, headers):
    assert_answered(client, *asked, headers)


@pytest.mark.parametrize("route", sorted(hostile.ROUTES))
def test_a_megabyte_in_a_parameter_is_refused_in_a_few_words(client, route):
    given = {"run": "healthy", "name": "loss", "format": "csv"}
    for name in hostile.ROUTES[route]:
        others = "".join(f"{n}={v}&" for n, v in given.items() if n != name)
        status = assert_answered(client, route, f"{others}{name}={'x' * 1_000_000}")
        assert status == 200 if name == "since" else status in (400, 404)


def test_rows_are_never_more_than_records_however_many_pixels(client):
    query = "run=healthy&name=gradient_norm&pixels=2147483648"
    response = client.get(f"{BASE}/statistic?{query}")
    assert struct.unpack_from("<4sII", response.data)[1:] == (3000, len(LAYERS))


@pytest.mark.parametrize("route", sorted(hostile.ROUTES))
def test_only_get_and_head_are_answered(client, route):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        response = client.open(f"{BASE}/{route}", method=method)
        assert response.status_code == 405
        assert response.headers["Allow"] == "GET, HEAD"
