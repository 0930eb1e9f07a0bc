"""What the panel costs on large log directories: loading, memory, opening the tab, panning and zooming.

    python tests/bench/large.py [--directory D] [--logdir large|many|both] [--loader rustboard|python|python-no-tf|all]

Makes the log directories with logdirs.py if they are not there, and for each and each of TensorBoard's loaders starts a
real TensorBoard and opens it in a real Chromium (`chromium` on PATH, or what CHROMIUM names), with nothing cached.
Prints a table for each log directory, a figure a row, and behind a cross what misses its target.

What is measured, and how:
- Loading: TensorBoard's own loader by what it logs about its first reading; the panel's by its route `runs`, asked five
  times a second, its rate by the bytes that it says it has read.
- Memory: what is resident of all of TensorBoard's processes, looked at ten times a second for the peak. "empty" is the
  same TensorBoard on an empty log directory, most of it TensorFlow.
- Opening: from the start of the page, or of the plugin's own frame in it, to the animation frame after the one that has
  the heat map.
- Panning and zooming: by drag, wheel and keyboard, by the panel's own measures `optimizer-health:redraw` and `:paint`,
  and from the browser's event to the end of the painting that follows.
"""

import argparse
import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import browsed
import numpy as np
from logdirs import DIRECTORY, EVERY, NAN, SIZES, SPIKE, SPIKES, Size, make, size_bytes
from served import LOADERS, Server, Table

OPENINGS = 5
REQUESTS = 50
BOUND_MB = 400
SETTLE_S = 8
# the targets
RATE_MB_S = 20.0
MEMORY_RATIO = 1.5
TAB_MS = 2000.0
REDRAW_MS = 50.0


@dataclass(frozen=True)
class Figure:
    """One number, or a few of a kind, in words, and whether the target is missed."""

    name: str
    text: str
    missed: bool = False


Figures = Iterator[Figure]


@dataclass(frozen=True)
class Case:
    """What is measured: a log directory under one loader."""

    logdir: Path
    size: Size
    loader: str

    @property
    def megabytes(self) -> float:
        """The size of the event files."""
        return size_bytes(self.logdir) / 1e6


def loading(case: Case, server: Server) -> Figures:
    """Waits until everything is loaded and judged."""
    reached: dict[str, float] = {}
    read: list[tuple[float, float]] = []
    runs: dict[str, Any] = {}
    revision: str | None = None

    def note() -> bool:
        nonlocal revision
        if server.loaded_s() is not None:
            reached.setdefault("own", server.loaded_s())
        if "judged" not in reached:
            since = {} if revision is None else {"since": revision}
            answer = server.runs(wait_s=0, **since)
            revision = answer["revision"]
            runs.update((run["name"], run) for run in answer["runs"])
            if answer["loading"] is not None:
                read.append((server.elapsed_s, answer["loading"]["loaded_bytes"] / 1e6))
            elif sum(run["records"] for run in runs.values()) == case.size.runs * case.size.records:
                reached.setdefault("panel", server.elapsed_s)
                if all(run["verdict"] is not None for run in runs.values()):
                    reached["judged"] = server.elapsed_s
        return len(reached) == 3

    server.wait(note, every_s=0.2)
    own_rate = case.megabytes / reached["own"]
    began_s, began_mb = read[0] if read else (server.up_s, 0.0)
    rate = (case.megabytes - began_mb) / max(1e-3, reached["panel"] - began_s)
    yield Figure("event files", f"{case.megabytes:,.0f} MB")
    yield Figure("TensorBoard answers, after its start", f"{server.up_s:.1f} s")
    yield Figure(
        f"TensorBoard's own loader (≥ {RATE_MB_S:.0f} MB/s)",
        f"{reached['own']:.1f} s, {own_rate:,.0f} MB/s",
        own_rate < RATE_MB_S,
    )
    yield Figure(
        f"the panel's reader (≥ {RATE_MB_S:.0f} MB/s)",
        f"{rate:,.0f} MB/s" if read else f"done {reached['panel'] - server.up_s:.1f} s after that",
        bool(read) and rate < RATE_MB_S,
    )
    yield Figure("the panel has all records, after the start", f"{reached['panel']:.1f} s")
    yield Figure("the panel has judged them", f"{reached['judged']:.1f} s")


def memory(case: Case, server: Server) -> Figures:
    """Says what the server took to load and what it keeps."""
    time.sleep(SETTLE_S)
    loaded, peak = server.memory_bytes(), server.peak_bytes
    with tempfile.TemporaryDirectory() as logdir, Server(Path(logdir), case.loader) as other:
        other.runs()
        time.sleep(SETTLE_S)
        empty = other.memory_bytes()
    yield Figure("memory, empty", f"{empty / 1e6:,.0f} MB")
    yield held(case, "memory at its peak, times the files", peak, limit=np.inf)
    yield held(case, f"memory, loaded, times the files (≤ {MEMORY_RATIO})", loaded)
    yield held(case, "… of that, not there when empty", loaded - empty)


def used(case: Case, server: Server) -> Figures:
    """Says what the server holds after it has answered all that."""
    yield held(case, f"memory, used, times the files (≤ {MEMORY_RATIO})", server.memory_bytes())


def held(case: Case, name: str, held_bytes: float, limit: float = MEMORY_RATIO) -> Figure:
    """Returns memory, and how many times the size of the event files that is."""
    ratio = held_bytes / 1e6 / case.megabytes
    return Figure(name, f"{held_bytes / 1e6:,.0f} MB, {ratio:.2f}", ratio > limit)


def openings(case: Case, server: Server) -> Figures:
    """Opens the tab again and again, with nothing cached."""
    with browsed.browser() as chromium:
        opened = [browsed.opening(chromium, server.address) for _ in range(OPENINGS)]
    seconds = lambda values: (  # noqa: E731
        f"{np.median(values) / 1e3:.2f} s (max {max(values) / 1e3:.2f})"
    )
    tabs = [opening.tab for opening in opened]
    yield Figure("opening TensorBoard's page", seconds([opening.page for opening in opened]))
    yield Figure(f"opening the tab (≤ {TAB_MS / 1e3:g} s)", seconds(tabs), max(tabs) > TAB_MS)
    for route in ("index.js", "runs", "statistic"):
        ends = [opening.answered[route] for opening in opened if route in opening.answered]
        if ends:
            yield Figure(f"… of that, until `{route}` is there", seconds(ends))


def moving(case: Case, server: Server) -> Figures:
    """Pans and zooms."""
    with browsed.browser() as chromium:
        moves = browsed.moves(chromium, server.address)
    yield Figure(
        f"a pan or zoom, redrawn (≤ {REDRAW_MS:.0f} ms)",
        browsed.spread(moves.redraws),
        not moves.redraws or max(moves.redraws) > REDRAW_MS,
    )
    yield Figure("… of that, painted", browsed.spread(moves.paints))
    yield Figure("… from the browser's event to the pixels", browsed.spread(moves.events))
    yield Figure("… refined, from the gesture on", browsed.spread(moves.refined))


def latencies(case: Case, server: Server) -> Figures:
    """Asks the routes that the panel asks."""
    runs = server.runs()["runs"]
    asked = [runs[i % len(runs)] for i in range(REQUESTS)]

    def spread(name: str, ask: Callable[[int, dict[str, Any]], Any]) -> Figure:
        taken = []
        for i, run in enumerate(asked):
            start = time.perf_counter()
            ask(i, run)
            taken.append(1e3 * (time.perf_counter() - start))
        middle, late = np.percentile(taken, (50, 99))
        return Figure(f"`{name}`, p50 / p99", f"{middle:.0f} / {late:.0f} ms")

    def statistic(i: int, run: dict[str, Any]) -> None:
        name = run["statistics"][i % len(run["statistics"])]
        server.answer("statistic", run=run["name"], name=name, pixels=1024)

    def layer(i: int, run: dict[str, Any]) -> None:
        name = run["layers"][7 * i % len(run["layers"])]["name"]
        server.answer("layer", run=run["name"], name=name, pixels=1024)

    yield spread("runs", lambda i, run: server.runs())
    yield spread("statistic?pixels=1024", statistic)
    yield spread("layer?pixels=1024", layer)


def places(case: Case, server: Server) -> Figures:
    """Looks for what the generator hid, in what the heat map of the first run is drawn from."""
    run = case.size.names()[0]
    table = server.table("statistic", run=run, name="gradient_norm", pixels=1024)
    spikes = sum(found(table, *case.size.at(place)) for place in SPIKES)
    record, layer = case.size.at(NAN)
    row = table.row((record + 1) * EVERY)
    nan = bool(table.marks is not None and table.marks[row, layer] & 1)
    text = f"{spikes} of {len(SPIKES)}, NaN {'found' if nan else 'lost'}"
    yield Figure(
        "spikes of one record, in the heat map's data", text, spikes < len(SPIKES) or not nan
    )


def found(table: Table, record: int, layer: int) -> bool:
    """Returns whether the row of a record stands out from the layer's others, by the order of `SPIKE`."""
    row = table.row((record + 1) * EVERY)
    return bool(table.high[row, layer] > SPIKE / 20 * np.median(table.high[:, layer]))


def summaries(case: Case, server: Server) -> Figures:
    """Says what a server that may not keep everything has kept, and whether it says so."""
    time.sleep(SETTLE_S)
    yield Figure("memory", f"{server.memory_bytes() / 1e6:,.0f} MB")
    runs = server.runs()["runs"]
    until = [run["summarized_until"] for run in runs]
    summarized = sum(step is not None for step in until)
    said = sum("optimizer_health_memory" in " ".join(run["notes"]) for run in runs)
    yield Figure(
        "summarised runs, and a note",
        f"{summarized} and {said} of {len(runs)}; the first until step {until[0]}",
        summarized == 0 or said != summarized,
    )


Section = Callable[[Case, Server], Figures]
WHOLE: tuple[Section, ...] = (loading, memory, openings, moving, latencies, places, used)
BOUND: tuple[Section, ...] = (loading, summaries, openings, moving, latencies, places)


#: What is no different with less memory, or a detail.
NOT_AGAIN = ("event files", "TensorBoard", "opening TensorBoard", "…")


def figures(case: Case) -> Figures:
    """Measures everything, with all the memory it takes and with less."""
    with Server(case.logdir, case.loader) as server:
        for section in WHOLE:
            yield from attempted(section, case, server)
    with Server(case.logdir, case.loader, f"--optimizer_health_memory={BOUND_MB}MB") as server:
        for section in BOUND:
            for figure in attempted(section, case, server):
                if not figure.name.startswith(NOT_AGAIN):
                    yield Figure(f"with {BOUND_MB} MB: {figure.name}", figure.text, figure.missed)


def attempted(section: Section, case: Case, server: Server) -> Figures:
    """Measures one thing; that it cannot is a result, too."""
    try:
        yield from section(case, server)
    except Exception as error:
        yield Figure(section.__name__, f"{type(error).__name__}: {error}"[:200], missed=True)


def measured(case: Case) -> dict[str, Figure]:
    """Returns the figures of one case by name, printing each as it comes."""
    results: dict[str, Figure] = {}
    for figure in figures(case):
        results[figure.name] = figure
        print(f"{case.loader}: {figure.name}: {figure.text}", flush=True)
    return results


def table(columns: dict[str, dict[str, Figure]]) -> str:
    """Returns the figures as a table in Markdown."""
    names = dict.fromkeys(itertools.chain.from_iterable(columns.values()))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        cells = [column.get(name) for column in columns.values()]
        texts = ["-" if f is None else " ".join(f.text.split()) + " ✗" * f.missed for f in cells]
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--directory", type=Path, default=DIRECTORY)
    parser.add_argument("--logdir", choices=[*SIZES, "both"], default="both")
    parser.add_argument("--loader", choices=[*LOADERS, "all"], default="all")
    options = parser.parse_args()
    for name in SIZES if options.logdir == "both" else [options.logdir]:
        logdir = make(options.directory, name)
        loaders = LOADERS if options.loader == "all" else [options.loader]
        columns = {loader: measured(Case(logdir, SIZES[name], loader)) for loader in loaders}
        print(f"\n### {name}\n\n{table(columns)}\n", flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
