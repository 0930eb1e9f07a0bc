"""The JSON objects of http_api.md: what is known of runs, but for their numbers."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamax_tb import levels
from adamax_tb.blocks import Blocks
from adamax_tb.memory import summary_note
from adamax_tb.rules import HISTORY, finding_json, loss_ends, notes, verdict
from adamax_tb.schema import STATS, Run, json_number, layer_group
from tb_plugin import table
from tb_plugin.data import RunSource, Served, State

#: A loss curve has so many rows at most: as many as a picture in a line of text has pixels for.
CURVE_ROWS = 64

#: A run's document, and of which of its revisions.
_Made = tuple[int, dict[str, Any]]


class Documents:
    """Makes the answers of `runs`; what did not change is not made again.

    Args:
        source: where the runs come from.
    """

    def __init__(self, source: RunSource) -> None:
        self._source = source
        self._made: Mapping[str, _Made] = {}
        # for all that ask at once they are made once, and the C library keeps what they took for one thread only
        self._maker = ThreadPoolExecutor(1, "optimizer health documents")

    def runs(self, state: State, since: str | None) -> dict[str, Any]:
        """Returns all of `state`, or what changed after the revision `since`."""
        known = self._revision(since)
        made = self._made
        if not all(_is_of(made.get(name), served) for name, served in state.runs.items()):
            made = self._maker.submit(self._make, state).result()
        documents = []
        for name, served in state.runs.items():
            document = made[name][1]
            if served.revision > known:
                if served.layers_since <= known:
                    document = {key: value for key, value in document.items() if key != "layers"}
                documents.append(document)
        loading = {"loaded_bytes": state.loaded_bytes, "total_bytes": state.total_bytes}
        return {
            "revision": f"{self._source.key}-{state.revision}",
            "reload_interval_s": self._source.reload_interval_s,
            "loading": loading if state.loading else None,
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
            "names": list(state.runs),
            "runs": documents,
            "errors": [{"run": name, "error": reason} for name, reason in state.errors.items()],
        }

    def _revision(self, since: str | None) -> int:
        """Returns the number of the revision `since`; -1 when it is not one of ours."""
        key, _, number = (since or "").rpartition("-")
        ours = key == self._source.key and number.isdecimal() and len(number) < 20
        return int(number) if ours else -1

    def _make(self, state: State) -> Mapping[str, _Made]:
        """Makes the documents that are not made yet; returns all of `state`."""
        memory_bytes, before = self._source.memory_bytes, self._made
        self._made = {
            name: made
            if (made := before.get(name)) is not None and _is_of(made, served)
            else (served.revision, _run_document(served, memory_bytes))
            for name, served in state.runs.items()
        }
        return self._made


def _is_of(made: _Made | None, served: Served) -> bool:
    return made is not None and made[0] == served.revision


def _run_document(served: Served, memory_bytes: float) -> dict[str, Any]:
    run = served.run
    first, last = loss_ends(run)
    known = not np.isnan(first)
    findings = list(served.findings or ())
    return {
        "name": run.name,
        "generation": served.generation,
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
        "records": run.record_count,
        "summarized_until": run.summarized_until,
        "restarts": run.restarts.tolist(),
        "restart_count": run.restart_count,
        "first_loss": json_number(first) if known else None,
        "last_loss": json_number(last) if known else None,
        "loss_curve": _loss_curve(served.blocks if known else ()),
        **_time_document(served),
        "flight": _flight_document(run),
        **_recording_document(run),
        "verdict": _verdict(served),
        "judged_step": served.judged_step,
        "findings": [finding_json(finding) for finding in findings],
        "notes": [*notes(run), *_memory_note(run, memory_bytes)],
    }


def _verdict(served: Served) -> str | None:
    if served.findings is None:
        return None
    said = verdict(list(served.findings))
    return "early" if said == "healthy" and served.run.record_count < HISTORY else said


def _memory_note(run: Run, memory_bytes: float) -> list[str]:
    until = run.summarized_until
    return [] if until is None else [summary_note(until, "--optimizer_health_memory", memory_bytes)]


def _loss_curve(blocks: Blocks) -> dict[str, list[Any]]:
    """Returns the losses of a run in a few rows; without blocks none."""
    if not blocks:
        return {"high": [], "low": [], "marks": []}
    per, rows = table.rows_of_all(blocks, table.step_columns("loss"), CURVE_ROWS)
    _, peaks = table.rows_of_all(blocks, table.step_columns("loss_peak"), CURVE_ROWS)
    high = np.fmax(rows.high, peaks.high)  # what is not recorded is NaN
    odd = levels.NAN | levels.POSITIVE_INFINITY | levels.NEGATIVE_INFINITY
    marks = rows.marks | (peaks.marks & odd)
    # a coarser row of a summary takes the places of all that it stands for: the picture is even in records
    even = np.repeat(np.arange(len(rows.records)), -(-rows.records // per))
    return {
        "high": [_short(value) for value in high[even, 0].tolist()],
        "low": [_short(value) for value in rows.low[even, 0].tolist()],
        "marks": marks[even, 0].tolist(),
    }


def _short(value: float) -> float | None:
    """Returns `value` to four digits, None when it is not finite."""
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _time_document(served: Served) -> dict[str, Any]:
    started, ended = served.started, float(served.run.wall_times[-1])
    if started is None or not (np.isfinite(started) and started > 0 and np.isfinite(ended)):
        return {"started": None, "elapsed_s": 0.0}
    return {"started": round(started, 3), "elapsed_s": round(max(0.0, ended - started), 3)}


def _flight_document(run: Run) -> dict[str, Any] | None:
    flight = run.flight
    if flight is None:
        return None
    return {
        "first_step": int(flight.steps[0]),
        "last_step": int(flight.steps[-1]),
        "updates": len(flight.steps),
        "reason": flight.reasons[-1],
    }


def _recording_document(run: Run) -> dict[str, Any]:
    loss_scale = run.step_stat("loss_scale")
    return {
        "overhead": _latest(run.step_stat("overhead")),
        "loss_scale": _latest(loss_scale),
        "loss_scaled": bool(np.any(np.isfinite(loss_scale) & (loss_scale != 1))),
        "skipped_steps": int(np.nansum(run.step_stat("skipped_steps"), dtype=np.float64)),
    }


def _latest(values: NDArray[np.float32]) -> float | None:
    """Returns the last finite entry of `values`, (T,), None if there is none."""
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if finite.size else None
