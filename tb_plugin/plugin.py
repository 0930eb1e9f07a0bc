"""The TensorBoard plugin: its loader and its routes, which `http_api.md` describes.

TensorBoard imports this module when it starts, so nothing heavy is imported here and nothing here may fail: an
exception would keep TensorBoard from starting.
"""

import gzip
import json
import logging
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adamax_tb.schema import Run
    from tb_plugin.data import RunSource

# As in adamax_tb.schema, which is too heavy for TensorBoard's start; a test compares the two.
PLUGIN_NAME = "optimizer_health"
TAB_NAME = "Optimizer health"
MAGIC = b"AOH1"

_STATIC = Path(__file__).parent / "static"
_ASSETS = {
    "/index.js": "text/javascript",
    "/index.css": "text/css",
    "/index.js.map": "application/json",
}
_log = logging.getLogger("tensorboard.optimizer_health")


class OptimizerHealthLoader(base_plugin.TBLoader):
    """Makes the plugin, and has TensorBoard keep every recorded step of it.

    TensorBoard keeps 10 or 100 random points of a plugin's data unless `--samples_per_plugin` says otherwise; a value
    that the user gives is respected.
    """

    def fix_flags(self, flags: Any) -> None:
        """Asks for all samples of our data."""
        samples = getattr(flags, "samples_per_plugin", None)
        if isinstance(samples, dict):
            samples.setdefault(PLUGIN_NAME, 0)

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
        self._data_provider = context.data_provider
        self._source: RunSource | None = None
        self._documents: dict[str, tuple[Run, dict[str, Any]]] = {}

    def get_plugin_apps(self) -> dict[str, Any]:
        """Returns route → WSGI application."""
        apps = {
            "/runs": _route(self._runs),
            "/statistic": _route(self._statistic),
            "/layer": _route(self._layer),
            "/flight": _route(self._flight),
        }
        for name, mimetype in _ASSETS.items():
            apps[name] = _route(_asset(name[1:], mimetype))
        return apps

    def is_active(self) -> bool:
        """Returns False: TensorBoard lists the plugins that have data by itself, and others need no tab."""
        return False

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Returns where the panel starts and what its tab is called."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name=TAB_NAME)

    def _runs_source(self) -> "RunSource":
        from tb_plugin.data import RunSource

        if self._source is None:
            self._source = RunSource(self._data_provider)
        return self._source

    def _run(self, request: wrappers.Request) -> "Run":
        name = _argument(request, "run")
        run = self._runs_source().run(*_caller(request), name)
        if run is None:
            raise errors.NotFoundError(f"There is no run {name!r} with optimizer health data.")
        return run

    def _runs(self, request: wrappers.Request) -> wrappers.Response:
        runs, unreadable = self._runs_source().runs(*_caller(request))
        judged: dict[str, tuple[Run, dict[str, Any]]] = {}
        for name, run in runs.items():
            known, document = self._documents.get(name, (None, {}))
            if known is not run:  # a run that has not grown is the same object, and judged once
                try:
                    document = _run_document(run)
                except Exception as error:
                    _log.exception("Cannot judge run %r", name)
                    unreadable[name] = f"The run cannot be judged: {error!r}"
                    continue
            judged[name] = run, document
        self._documents = judged
        documents = [document for _, document in judged.values()]
        return _json(request, _runs_document(documents, unreadable))

    def _statistic(self, request: wrappers.Request) -> wrappers.Response:
        from adamax_tb.schema import STEP_STATS

        run, name = self._run(request), _argument(request, "name")
        if name in STEP_STATS:
            return _binary(request, _table(run.steps, run.step_stat(name)[:, None]))
        if name not in run.statistics:
            raise errors.NotFoundError(f"Run {run.name!r} has no statistic {name!r}.")
        return _binary(request, _table(run.steps, run.stat(name)))

    def _layer(self, request: wrappers.Request) -> wrappers.Response:
        import numpy as np

        run, name = self._run(request), _argument(request, "name")
        if name not in run.layers:
            raise errors.NotFoundError(f"Run {run.name!r} has no layer {name!r}.")
        index = run.layers.index(name)
        columns = np.stack([run.stat(s)[:, index] for s in run.statistics], axis=1)
        return _binary(request, _table(run.steps, columns))

    def _flight(self, request: wrappers.Request) -> wrappers.Response:
        import numpy as np

        run = self._run(request)
        if run.flight is None:
            raise errors.NotFoundError(f"Run {run.name!r} has no flight record.")
        columns = np.column_stack([run.flight.gradient_norm, run.flight.loss])
        return _binary(request, _table(run.flight.steps, columns))


Handler = Callable[[wrappers.Request], wrappers.Response]


def _route(handler: Handler) -> Any:
    """Returns a WSGI application that answers GET and HEAD, and turns exceptions into JSON errors."""

    @wrappers.Request.application
    def application(request: wrappers.Request) -> wrappers.Response:
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
        return http_util.Respond(request, path.read_bytes(), mimetype)

    return serve


def _caller(request: wrappers.Request) -> tuple[Any, str]:
    """Returns who asks, for which experiment, as data providers want to know."""
    return plugin_util.context(request.environ), plugin_util.experiment_id(request.environ)


def _argument(request: wrappers.Request, name: str) -> str:
    value = request.args.get(name)
    if not value:
        raise errors.InvalidArgumentError(f"The query parameter {name!r} is missing.")
    return value


def _json(request: wrappers.Request, document: Any, code: int = 200) -> wrappers.Response:
    return http_util.Respond(
        request, json.dumps(document, allow_nan=False), "application/json", code
    )


def _binary(request: wrappers.Request, parts: Iterable[bytes]) -> wrappers.Response:
    packed = gzip.compress(b"".join(parts), compresslevel=1, mtime=0)
    return http_util.Respond(request, packed, "application/octet-stream", content_encoding="gzip")


def _table(steps: "NDArray[np.int64]", values: "NDArray[np.float32]") -> tuple[bytes, bytes, bytes]:
    """Returns the binary table of http_api.md: header, steps (T,), values (T, C)."""
    header = MAGIC + struct.pack("<III", *values.shape, 0)
    return header, steps.astype("<f8").tobytes(), values.astype("<f4").tobytes()


def _runs_document(documents: list[dict[str, Any]], unreadable: dict[str, str]) -> dict[str, Any]:
    from adamax_tb.schema import STATS

    return {
        "statistics": [
            {
                "name": s.name,
                "label": s.label,
                "description": s.description,
                "unit": s.unit,
                "scale": s.scale,
            }
            for s in STATS
        ],
        "runs": documents,
        "errors": [{"run": name, "error": reason} for name, reason in unreadable.items()],
    }


def _run_document(run: "Run") -> dict[str, Any]:
    from adamax_tb.rules import diagnose, finding_json, loss_course, notes, verdict
    from adamax_tb.schema import json_number, layer_group

    findings = diagnose(run)
    course = loss_course(run)
    return {
        "name": run.name,
        "optimizer": run.optimizer,
        "hyperparameters": {
            name: json_number(value) for name, value in run.hyperparameters.items()
        },
        "layers": [
            {"name": name, "group": layer_group(name), "shape": list(shape)}
            for name, shape in zip(run.layers, run.shapes, strict=True)
        ],
        "statistics": list(run.statistics),
        "first_step": int(run.steps[0]),
        "last_step": int(run.steps[-1]),
        "records": len(run.steps),
        "restarts": run.restarts.tolist(),
        "restart_count": run.restart_count,
        "first_loss": json_number(course.first) if course.known else None,
        "last_loss": json_number(course.last) if course.known else None,
        "flight": _flight_document(run),
        **_recording_document(run),
        "verdict": verdict(findings),
        "findings": [finding_json(finding) for finding in findings],
        "notes": notes(run),
    }


def _flight_document(run: "Run") -> dict[str, Any] | None:
    flight = run.flight
    if flight is None:
        return None
    return {
        "first_step": int(flight.steps[0]),
        "last_step": int(flight.steps[-1]),
        "updates": len(flight.steps),
        "reason": flight.reasons[-1],
    }


def _recording_document(run: "Run") -> dict[str, Any]:
    import numpy as np

    loss_scale = run.step_stat("loss_scale")
    return {
        "overhead": _latest(run.step_stat("overhead")),
        "loss_scale": _latest(loss_scale),
        "loss_scaled": bool(np.any(np.isfinite(loss_scale) & (loss_scale != 1))),
        "skipped_steps": int(np.nansum(run.step_stat("skipped_steps"), dtype=np.float64)),
    }


def _latest(values: "NDArray[np.float32]") -> float | None:
    """Returns the last finite entry of `values`, (T,), None if there is none."""
    import numpy as np

    finite = values[np.isfinite(values)]
    return float(finite[-1]) if finite.size else None
