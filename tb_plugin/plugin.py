"""The TensorBoard plugin: its loader and its routes, which `http_api.md` describes.

TensorBoard imports this module when it starts, so nothing heavy is imported here and nothing here may fail: an
exception would keep TensorBoard from starting.
"""

import argparse
import functools
import gzip
import json
import logging
import os
import re
import shlex
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorboard import errors
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from adamax_tb.memory import MEMORY_HELP, default_memory, memory_size

if TYPE_CHECKING:
    from tb_plugin.data import Served
    from tb_plugin.table import Columns, Window

# As in adamax_tb.schema, which is too heavy for TensorBoard's start; a test compares the two.
PLUGIN_NAME = "optimizer_health"
TAB_NAME = "Optimizer health"
MEMORY_FLAG = "optimizer_health_memory"
#: How long `runs` waits for the first reading, unless it is told.
WAIT_S = 30.0
_QUOTED = 100
#: What no address can hold: a byte that is no UTF-8, as Python has it in names of files.
_UNSENT = re.compile("[\ud800-\udfff]")

_STATIC = Path(__file__).parent / "static"
_ASSETS = {
    "/index.js": "text/javascript",
    "/index.css": "text/css",
    "/index.js.map": "application/json",
}
_log = logging.getLogger("tensorboard.optimizer_health")


class OptimizerHealthLoader(base_plugin.TBLoader):
    """Makes the plugin, defines its flag, and keeps TensorBoard from holding our data a second time."""

    def define_flags(self, parser: argparse.ArgumentParser) -> None:
        """Adds --optimizer_health_memory."""
        try:
            parser.add_argument(
                f"--{MEMORY_FLAG}",
                metavar="SIZE",
                type=memory_size,
                default=None,
                help=MEMORY_HELP,
            )
        except Exception:
            _log.exception("--%s cannot be defined; the plugin takes the default", MEMORY_FLAG)

    def fix_flags(self, flags: Any) -> None:
        """Has TensorBoard hold one sample of our data, and follow every event file of a directory.

        It would otherwise hold 10 or 100 random records: the plugin reads all of them from the files. And where it has
        no RustBoard, it would follow only the last file of a directory: what Keras's callback or tf.summary goes on
        writing beside our file would not be shown. What the user says is respected, and changes nothing in our tab.
        """
        samples = getattr(flags, "samples_per_plugin", None)
        if isinstance(samples, dict):
            samples.setdefault(PLUGIN_NAME, 1)
        if getattr(flags, "reload_multifile", False) is None:  # not said
            flags.reload_multifile = True

    def load(self, context: base_plugin.TBContext) -> base_plugin.TBPlugin | None:
        """Returns the plugin, or None (and a log line) when it cannot work here."""
        try:
            return OptimizerHealthPlugin(context)
        except Exception:
            _log.exception(
                "The optimizer health plugin cannot be loaded; TensorBoard goes on without it."
            )
            return None


class OptimizerHealthPlugin(base_plugin.TBPlugin):
    """Serves the panel and the data it shows. Its routes only read."""

    plugin_name = PLUGIN_NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        super().__init__(context)
        self._flags = context.flags
        self._logdir = context.logdir
        self._lock = threading.Lock()
        self._running: _Running | None = None
        # reading begins now, but importing what reads must not hold up TensorBoard's start
        threading.Thread(target=self._start, name="optimizer health start", daemon=True).start()

    def _start(self) -> "_Running":
        with self._lock:
            if self._running is None:
                self._running = _Running(self._flags, self._logdir)
            return self._running

    def get_plugin_apps(self) -> dict[str, Any]:
        """Returns route → WSGI application."""
        apps = {
            "/runs": _route(self._runs),
            "/statistic": _route(self._statistic),
            "/layer": _route(self._layer),
            "/flight": _route(self._flight),
            "/export": _route(self._export),
            "/rule": _route(_rule),
        }
        for name, mimetype in _ASSETS.items():
            apps[name] = _route(_asset(name[1:], mimetype))
        return apps

    def is_active(self) -> bool:
        """Returns whether there are runs with our data, so that others need no tab."""
        return self._running is not None and bool(self._running.source.state().runs)

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Returns where the panel starts and what its tab is called."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name=TAB_NAME)

    def _served(self, request: wrappers.Request) -> "Served":
        name = _argument(request, "run")
        source = self._start().source
        served = _run_named(name, source.state().runs)
        if served is None:  # it may be there when the first reading has ended
            served = _run_named(name, source.state(WAIT_S).runs)
        if served is None:
            raise errors.NotFoundError(
                f"There is no run {_quoted(name)} with optimizer health data."
            )
        return served

    def _runs(self, request: wrappers.Request) -> wrappers.Response:
        running = self._start()
        state = running.source.state(_number(request, "wait_s", WAIT_S, 0, 600))
        return _json(request, running.documents.runs(state, request.args.get("since")))

    def _statistic(self, request: wrappers.Request) -> wrappers.Response:
        from adamax_tb.schema import STEP_STATS
        from tb_plugin.table import statistic_columns, step_columns

        served, name = self._served(request), _argument(request, "name")
        if name in STEP_STATS:
            return _table(request, served, step_columns(name))
        if name not in served.run.statistics:
            raise errors.NotFoundError(f"Run {served.run.name!r} has no statistic {_quoted(name)}.")
        return _table(request, served, statistic_columns(served.run.statistics.index(name)))

    def _layer(self, request: wrappers.Request) -> wrappers.Response:
        from tb_plugin.table import layer_columns

        served, name = self._served(request), _argument(request, "name")
        if name not in served.run.layers:
            raise errors.NotFoundError(f"Run {served.run.name!r} has no layer {_quoted(name)}.")
        return _table(request, served, layer_columns(served.run.layers.index(name)))

    def _flight(self, request: wrappers.Request) -> wrappers.Response:
        import numpy as np

        from tb_plugin.table import exact_table

        run = self._served(request).run
        if run.flight is None:
            raise errors.NotFoundError(f"Run {run.name!r} has no flight record.")
        columns = np.column_stack([run.flight.gradient_norm, run.flight.loss])
        return _binary(request, exact_table(run.flight.steps, columns))

    def _export(self, request: wrappers.Request) -> wrappers.Response:
        from adamax_tb.export import FORMATS

        served, name = self._served(request), _argument(request, "format")
        run = served.run
        if name not in FORMATS:
            raise errors.InvalidArgumentError(
                f"The query parameter 'format' must be one of {', '.join(FORMATS)}, not {_quoted(name)}."
            )
        if served.run.summarized_until is not None:
            message = (
                f"Older steps of {run.name!r} are kept as summaries only (--{MEMORY_FLAG}). Export it from the files: "
                f"adamax-tb export LOGDIR --run={shlex.quote(run.name)} --format {name}"
            )
            return _json(request, {"error": message}, 409)
        try:
            chunks = iter(FORMATS[name].chunks([run]))
            first = next(chunks, b"")  # raises where a package is missing
        except ImportError as error:
            raise errors.InvalidArgumentError(str(error)) from error
        file = re.sub(r"[^A-Za-z0-9.-]+", "_", run.name).strip("_.")[:100] or "run"
        return wrappers.Response(
            (chunk for part in ([first], chunks) for chunk in part),
            content_type=FORMATS[name].mimetype,
            headers={
                "Content-Disposition": f'attachment; filename="{file}{FORMATS[name].extension}"',
                "X-Content-Type-Options": "nosniff",
            },
        )


class _Running:
    """What serves, once it was imported: the runs as they are read, and the answers made of them."""

    def __init__(self, flags: Any, logdir: str | None) -> None:
        from adamax_tb.checksum import compile_tensorboards_checksum
        from tb_plugin.data import RunSource
        from tb_plugin.documents import Documents

        compile_tensorboards_checksum()
        memory = getattr(flags, MEMORY_FLAG, None)
        self.source = RunSource(
            roots=_roots(flags, logdir),
            reload_interval_s=float(getattr(flags, "reload_interval", 5.0)),
            memory_bytes=default_memory() if memory is None else memory,
        )
        self.documents = Documents(self.source)
        self.source.start()


def _roots(flags: Any, logdir: str | None) -> Mapping[str, str | None]:
    """Returns directory → group of runs, as `--logdir` and `--logdir_spec` say."""
    single = getattr(flags, "logdir", "") or ""
    spec = getattr(flags, "logdir_spec", "") or ""
    if spec and not single:
        from tensorboard.backend.event_processing.data_ingester import _parse_event_files_spec

        roots: Mapping[str, str | None] = _parse_event_files_spec(spec)
        return roots
    path = single or logdir
    return {os.path.expanduser(path): None} if path else {}


def _rule(request: wrappers.Request) -> wrappers.Response:
    from adamax_tb.rules import RULE_NAMES
    from tb_plugin.rule_page import POLICY, THEMES, rule_page

    name, theme = _argument(request, "name"), request.args.get("theme")
    if name not in RULE_NAMES:
        raise errors.NotFoundError(
            f"There is no rule {_quoted(name)}. There are: {', '.join(RULE_NAMES)}."
        )
    if theme not in (None, *THEMES):
        raise errors.InvalidArgumentError(
            f"The query parameter 'theme' must be one of {', '.join(THEMES)}, not {_quoted(theme)}."
        )
    response = http_util.Respond(request, rule_page(name, theme), "text/html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


Handler = Callable[[wrappers.Request], wrappers.Response]


def _route(handler: Handler) -> Any:
    """Returns a WSGI application that answers GET and HEAD, and turns exceptions into JSON errors."""

    @wrappers.Request.application
    def application(request: wrappers.Request) -> wrappers.Response:
        response = answer(request)
        # no other site's page may embed it
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    def answer(request: wrappers.Request) -> wrappers.Response:
        if request.method not in ("GET", "HEAD"):
            response = _json(request, {"error": "Only GET and HEAD are answered."}, 405)
            response.headers["Allow"] = "GET, HEAD"
            return response
        try:
            return handler(request)
        except errors.PublicError as error:
            return _json(request, {"error": str(error)}, error.http_code)
        except Exception as error:
            _log.exception("Cannot answer %s", request.path)
            return _json(request, {"error": f"The data could not be read: {error}"}, 500)

    return application


def _asset(name: str, mimetype: str) -> Handler:
    def serve(request: wrappers.Request) -> wrappers.Response:
        path = _STATIC / name
        if not path.is_file():
            raise errors.NotFoundError(f"{name} is missing: the panel is built by `pip install`.")
        packed = _packed(path, path.stat().st_mtime_ns)
        return http_util.Respond(request, packed, mimetype, content_encoding="gzip")

    return serve


@functools.lru_cache(maxsize=2 * len(_ASSETS))
def _packed(path: Path, _changed_ns: int) -> bytes:
    """Returns a file as gzip has it: packed once, not for each who asks; again when it has changed."""
    return gzip.compress(path.read_bytes(), mtime=0)


def _run_named(name: str, runs: Mapping[str, "Served"]) -> "Served | None":
    """Returns the run of this name, None if there is none.

    A browser sends a replacement character for each byte of a directory's name that is no UTF-8.
    """
    if name in runs or "\ufffd" not in name:
        return runs.get(name)
    return next((r for known, r in runs.items() if _UNSENT.sub("\ufffd", known) == name), None)


def _quoted(text: str) -> str:
    """Returns what somebody asked for in quotes, no more of it than can be read."""
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…")


def _argument(request: wrappers.Request, name: str) -> str:
    value = request.args.get(name)
    if not value:
        raise errors.InvalidArgumentError(f"The query parameter {name!r} is missing.")
    return value


def _number(
    request: wrappers.Request, name: str, default: float, least: float, most: float
) -> float:
    text = request.args.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise errors.InvalidArgumentError(
            f"The query parameter {name!r} must be a number from {least:g} to {most:g}, not {_quoted(text)}."
        )
    return value


def _count(request: wrappers.Request, name: str) -> int | None:
    if name not in request.args:
        return None
    value = _number(request, name, 0, 1, 2**31)
    if value != int(value):
        raise errors.InvalidArgumentError(
            f"The query parameter {name!r} must be a whole number, not {_quoted(request.args[name])}."
        )
    return int(value)


def _window(request: wrappers.Request) -> "Window":
    from tb_plugin.table import Window

    pixels, per = _count(request, "pixels"), _count(request, "per")
    if pixels is not None and per is not None:
        raise errors.InvalidArgumentError("'pixels' and 'per' are not taken together.")
    if per is not None and per & (per - 1):
        raise errors.InvalidArgumentError(
            f"The query parameter 'per' must be a power of two, not {per}."
        )
    endless = float("inf")
    return Window(
        first=_number(request, "first", -endless, -endless, endless),
        last=_number(request, "last", endless, -endless, endless),
        pixels=pixels,
        per=per,
    )


def _table(request: wrappers.Request, served: "Served", columns: "Columns") -> wrappers.Response:
    from tb_plugin.table import encoded

    return _binary(request, encoded(served.blocks, columns, _window(request)))


def _json(request: wrappers.Request, document: Any, code: int = 200) -> wrappers.Response:
    return http_util.Respond(
        request, json.dumps(document, allow_nan=False), "application/json", code
    )


def _binary(request: wrappers.Request, parts: Iterable[bytes]) -> wrappers.Response:
    # run lengths only: floats do not repeat, and looking for repetitions takes three times as long
    packer = zlib.compressobj(level=1, wbits=31, strategy=zlib.Z_RLE)
    packed = b"".join([*map(packer.compress, parts), packer.flush()])
    return http_util.Respond(request, packed, "application/octet-stream", content_encoding="gzip")
