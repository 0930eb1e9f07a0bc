"""The JSON objects of http_api.md: what is known of runs, but for their numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from adamax_tb.rules import finding_json, loss_course, notes, verdict
from adamax_tb.schema import STATS, Run, json_number, layer_group
from tb_plugin.data import RunSource, Served, State


class Documents:
    """Makes the answers of `runs`; what did not change is not made again.

    Args:
        source: where the runs come from.
    """

    def __init__(self, source: RunSource) -> None:
        self._source = source
        self._made: dict[str, tuple[int, dict[str, Any]]] = {}

    def runs(self, state: State, since: str | None) -> dict[str, Any]:
        """Returns all of `state`, or what changed after the revision `since`."""
        known = self._revision(since)
        made = {name: self._document(name, served) for name, served in state.runs.items()}
        self._made = made
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

    def _document(self, name: str, served: Served) -> tuple[int, dict[str, Any]]:
        made = self._made.get(name)
        if made is not None and made[0] == served.revision:
            return made
        return served.revision, _run_document(served, self._source.memory_bytes)


def _run_document(served: Served, memory_bytes: float) -> dict[str, Any]:
    run = served.run
    course = loss_course(run)
    findings = list(served.findings or ())
    records = sum(block.records for block in served.blocks)
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
        "first_step": int(served.blocks[0].first_steps[0]),
        "last_step": int(run.steps[-1]),
        "records": records,
        "summarized_until": served.summarized_until,
        "restarts": run.restarts.tolist(),
        "restart_count": run.restart_count,
        "first_loss": json_number(course.first) if course.known else None,
        "last_loss": json_number(course.last) if course.known else None,
        "flight": _flight_document(run),
        **_recording_document(run),
        "verdict": None if served.findings is None else verdict(findings),
        "judged_step": served.judged_step,
        "findings": [finding_json(finding) for finding in findings],
        "notes": [*notes(run, records), *_memory_note(served, memory_bytes)],
    }


def _memory_note(served: Served, memory_bytes: float) -> list[str]:
    until = served.summarized_until
    if until is None:
        return []
    return [
        f"Up to step {until:,} only summaries of several records are kept, their smallest, largest and mean values: "
        f"all runs together take more than --optimizer_health_memory={memory_bytes / 1e6:.6g}MB. The files hold "
        "everything; start TensorBoard with a larger value to see it."
    ]


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
