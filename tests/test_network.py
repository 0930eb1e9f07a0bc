"""Nobody let in: the routes over a real socket, with targets that no client of HTTP would send, and what they touch."""

import json
import socket
from urllib.parse import urlsplit

import pytest
from audited import LISTEN, python
from synthetic import write_run

BASE = "/data/plugin/optimizer_health"
ROUTES = {
    "runs": "",
    "statistic": "run=a&name=u_mean",
    "layer": "run=a&name=dense_1/kernel",
    "flight": "run=a",
    "export": "run=a&format=csv",
    "rule": "name=nonfinite",
    "index.js": "",
    "index.css": "",
    "index.js.map": "",
}
TARGETS = [f"{BASE}/{route}?{query}".rstrip("?") for route, query in ROUTES.items()]
METHODS = (
    *("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"),
    *("PROPFIND", "MKCOL", "BREW", "GETX"),
)
UP = (
    "../",
    "%2e%2e/",
    "..%2f",
    "%2e%2e%2f",
    "%252e%252e%252f",
    "..\\",
    "..%5c",
    "....//",
    "..;/",
    "%c0%ae%c0%ae/",
)
TRAVERSALS = [
    *(f"{BASE}/{8 * up}etc/passwd" for up in UP),
    *(f"{BASE}/{up}plugin.py" for up in UP),
    *(f"{BASE}/index.js/{3 * up}plugin.py" for up in UP),
    *(
        f"{BASE}/{path}"
        for path in ("", "/etc/passwd", "//etc/passwd", "static/index.js", "index.js%00.png")
    ),
    *(f"{BASE}/{path}" for path in ("%00", "file:///etc/passwd", "C:/x", "INDEX.JS", "plugin.py")),
    *(
        f"{BASE}/{path}"
        for path in ("rule/../index.js", "./index.js", "index.js%0d%0aX:%20y", "~root", "*")
    ),
    "/data/plugin/optimizer_health",
    "/data/plugin/../plugin/optimizer_health/index.js",
]
NAMES = (
    *(
        "../a",
        "../../etc",
        "/etc/passwd",
        "a/../a",
        "./a",
        "a/",
        "a%00",
        "%2e%2e%2fa",
        "a%0d%0aX:%20y",
    ),
    *("..%5ca", "%ff%fe", "%ed%b2%80", "a%25"),
)
QUERIES = [
    *(f"{BASE}/statistic?run={name}&name=u_mean" for name in NAMES),
    *(f"{BASE}/statistic?run=a&name={name}" for name in NAMES),
    *(f"{BASE}/layer?run=a&name={name}" for name in NAMES),
    *(f"{BASE}/export?run={name}&format=csv" for name in NAMES),
    *(f"{BASE}/flight?run={name}" for name in NAMES),
    *(
        f"{BASE}/rule?name={name}"
        for name in (*NAMES, "../pages/measured.json", "measured", "__init__")
    ),
]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    logdir = tmp_path_factory.mktemp("network") / "runs"
    flight = {"steps": [3, 4]}
    write_run(logdir / "a", range(1, 21), flight=flight)
    return logdir


@pytest.fixture(scope="module")
def address(serve_all, logdir):
    return serve_all(logdir)


def raw(address, method, target, *headers):
    """What a client that changes nothing of a target is answered: status, headers and body."""
    at = urlsplit(address)
    head = "\r\n".join(
        [f"{method} {target} HTTP/1.1", f"Host: {at.netloc}", "Connection: close", *headers]
    )
    with socket.create_connection((at.hostname, at.port), timeout=30) as connection:
        connection.sendall(head.encode("latin-1") + b"\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    found = [line.partition(":")[::2] for line in lines]
    return int(status.split()[1]), {name.lower(): value.strip() for name, value in found}, body


def test_all_routes_answer_a_client_of_sockets(address):
    for target in TARGETS:
        status, headers, body = raw(address, "GET", target)
        assert (status, bool(body)) == (200, True), target
        assert headers["x-content-type-options"] == "nosniff", target
        assert headers["cross-origin-resource-policy"] == "same-origin", target


def test_no_path_leads_out_of_the_routes(address):
    for target in TRAVERSALS:
        status, _, body = raw(address, "GET", target)
        assert status == 404, target
        assert b"root:" not in body
        assert b"import" not in body


def test_no_name_in_a_query_leads_to_a_file(address):
    for target in QUERIES:
        status, headers, body = raw(address, "GET", target)
        assert status == 404, target
        assert (headers["content-type"], headers["x-content-type-options"]) == (
            "application/json",
            "nosniff",
        )
        assert set(json.loads(body)) == {"error"}
        assert "x" not in headers


def test_only_get_and_head_are_answered(address):
    for target in TARGETS:
        for method in METHODS:
            status, headers, _ = raw(address, method, target, "Content-Length: 0")
            assert (status, headers["allow"]) == (405, "GET, HEAD"), (method, target)


def test_head_has_the_headers_of_get_and_no_body(address):
    for target in (*TARGETS, f"{BASE}/statistic?run=no&name=u_mean"):
        status, headers, body = raw(address, "HEAD", target)
        same = raw(address, "GET", target)
        assert (status, headers["content-type"]) == (same[0], same[1]["content-type"])
        assert body == b"", target


def test_what_is_html_says_what_it_may_load(address):
    for target in TARGETS:
        _, headers, _ = raw(address, "GET", target)
        if headers["content-type"].startswith("text/html"):
            assert headers["content-security-policy"].startswith("default-src 'none'")
    assert raw(address, "GET", f"{BASE}/rule?name=nonfinite")[1]["content-type"].startswith(
        "text/html"
    )


ASK = """
import json
sys.modules["tensorboard.compat.notf"] = type(sys)("notf")  # starts in a second instead of eight
from board import open_board
from werkzeug.test import EnvironBuilder

board, client = open_board("python", "--logdir", {logdir!r})
assert client.get({targets!r}[0]).json["runs"]
listening.append("changes")
for target in {targets!r}:
    for method in ("GET", "HEAD", *{methods!r}):
        client.open(target, method=method, data=b"x=1" if method in ("POST", "PUT") else None)
print(json.dumps(heard))
"""


def state_of(directory):
    paths = sorted(directory.rglob("*"))
    status = [path.lstat() for path in (directory, *paths)]
    return [
        (str(p), s.st_mode, s.st_size, s.st_mtime_ns)
        for p, s in zip((directory, *paths), status, strict=True)
    ]


def test_no_request_writes_anything(logdir):
    before = state_of(logdir)
    asked = [*TARGETS, *QUERIES[::4], *TRAVERSALS[::4]]
    code = LISTEN + ASK.format(logdir=str(logdir), targets=asked, methods=METHODS[:3])
    assert python(code) == []
    assert state_of(logdir) == before
