"""The panel in a real Chromium, for large.py to measure: how long until it shows something, and moved about in."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from playwright import sync_api

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: As in tests/conftest.py, which needs pytest.
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
VIEWPORT = {"width": 1280, "height": 1500}
HEATMAP = "[data-testid=heatmap]"
#: Runs in every frame before anything else: notes when the heat map is drawn, each level of detail it gets, and what
#: the user did. Two animation frames later the first of them has been shown.
WATCH = """(() => {
    const bench = window.bench = {drawn: null, levels: [], inputs: []};
    const shown = note => requestAnimationFrame(() => requestAnimationFrame(() => note(performance.now())));
    for (const type of ['wheel', 'pointerup', 'keydown', 'dblclick']) {
        const heard = ({timeStamp, key}) => {
            if (key !== 'Shift' && key !== 'Control') bench.inputs.push(timeStamp);
        };
        addEventListener(type, heard, {capture: true, passive: true});
    }
    let drawn = false, level;
    new MutationObserver(() => {
        const map = document.querySelector('[data-testid=heatmap]');
        if (map === null) return;
        if (!drawn && map.dataset.drawn === 'true') {
            drawn = true;
            shown(at => bench.drawn = at);
        }
        if (map.dataset.per !== level) {
            level = map.dataset.per;
            bench.levels.push([performance.now(), level]);
        }
    }).observe(document, {
        subtree: true, childList: true, attributes: true, attributeFilter: ['data-drawn', 'data-per'],
    });
})()"""
READ_OPENING = """() => ({
    origin: performance.timeOrigin,
    drawn: window.bench.drawn,
    fetched: performance.getEntriesByType('resource').map(({name, startTime, responseEnd}) => (
        [name, startTime, responseEnd])),
})"""
READ_MEASURES = """name => performance.getEntriesByName(name).map(({startTime, duration}) => [startTime, duration])"""
QUIET_MS = 400


@dataclass(frozen=True)
class Opening:
    """One opening of TensorBoard at our tab, in milliseconds.

    Attributes:
        page: from the start of the page to the heat map shown.
        tab: the same from the start of the plugin's own frame.
        answered: route → from the start of the frame to the end of its first answer.
    """

    page: float
    tab: float
    answered: dict[str, float]


@dataclass(frozen=True)
class Moves:
    """What panning and zooming took, in milliseconds, a number per redraw, painting or move.

    Attributes:
        events: from each event of the mouse or keyboard to the end of the painting that followed it.
        redraws: the same as the panel itself measures it.
        paints: the making of the pixels.
        refined: from the beginning of a gesture to another level of detail, of those that asked for one.
    """

    events: list[float]
    redraws: list[float]
    paints: list[float]
    refined: list[float]


@contextmanager
def browser() -> Iterator[sync_api.Browser]:
    """Starts Chromium."""
    names = (os.environ.get("CHROMIUM", ""), *CHROMIUM_NAMES)
    path = next(filter(None, map(shutil.which, filter(None, names))), None)
    if path is None:
        raise SystemExit("Chromium is needed: put it on PATH or set CHROMIUM to its path.")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield started
        started.close()


@contextmanager
def opened(chromium: sync_api.Browser, address: str) -> Iterator[sync_api.Frame]:
    """Opens our tab with an empty cache; yields the plugin's frame once the heat map is shown."""
    context = chromium.new_context(viewport=VIEWPORT)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(f"{address}/#optimizer_health", wait_until="commit")
    element = page.wait_for_selector("iframe", state="attached", timeout=60_000)
    frame = element.content_frame()
    frame.wait_for_selector(f"{HEATMAP}[data-drawn=true]", timeout=30_000)
    frame.wait_for_function("window.bench.drawn !== null")
    yield frame
    context.close()


def opening(chromium: sync_api.Browser, address: str) -> Opening:
    """Opens our tab once."""
    with opened(chromium, address) as frame:
        page_origin = frame.page.evaluate("performance.timeOrigin")
        read = frame.evaluate(READ_OPENING)
    answered: dict[str, float] = {}
    for name, _, end in read["fetched"]:
        route = name.rpartition("/")[2].partition("?")[0]
        answered.setdefault(route, end)
    tab = read["drawn"]
    return Opening(tab + read["origin"] - page_origin, tab, answered)


class Hand:
    """The user's, on the heat map of an open panel."""

    def __init__(self, frame: sync_api.Frame) -> None:
        self._page = frame.page
        self._canvas = frame.locator(f"{HEATMAP} canvas").first
        self._plot = self._canvas.locator("..")
        self._canvas.scroll_into_view_if_needed()

    def at(self, part: float) -> None:
        """Moves the pointer to a part of the heat map's width."""
        box = self._canvas.bounding_box()  # what a zoom adds above the map moves it
        self._page.mouse.move(box["x"] + part * box["width"], box["y"] + box["height"] / 2)

    def drag(self, start: float, end: float) -> None:
        """Zooms in to what lies between two parts of the width."""
        self.at(start)
        self._page.mouse.down()
        self.at((start + end) / 2)
        self.at(end)
        self._page.mouse.up()

    def wheel(self, key: str, ticks: int) -> None:
        """Turns the wheel, a `key` held down."""
        self.at(0.4)
        self._page.keyboard.down(key)
        for _ in range(abs(ticks)):
            self._page.mouse.wheel(0, 100 if ticks > 0 else -100)
            self._page.wait_for_timeout(100)
        self._page.keyboard.up(key)

    def press(self, key: str) -> None:
        """Presses a key, the plot having the focus."""
        self._plot.focus()
        self._page.keyboard.press(key)


#: What one round of moves does: each is a zoom or a pan, and leaves something to move about in.
GESTURES: Sequence[Callable[[Hand], Any]] = (
    lambda hand: hand.drag(0.3, 0.7),
    lambda hand: hand.wheel("Shift", 2),
    lambda hand: hand.wheel("Control", -3),
    lambda hand: hand.press("ArrowLeft"),
    lambda hand: hand.drag(0.4, 0.6),
    lambda hand: hand.press("ArrowRight"),
    lambda hand: hand.wheel("Control", 4),
    lambda hand: hand.press("+"),
    lambda hand: hand.drag(0.2, 0.25),
    lambda hand: hand.press("0"),
)


def moves(chromium: sync_api.Browser, address: str, rounds: int = 2) -> Moves:
    """Pans and zooms, one gesture after the other, each when the one before is done."""
    refined = []
    with opened(chromium, address) as frame:
        hand = Hand(frame)
        settle(frame)
        began = frame.evaluate("performance.now()")
        for _ in range(rounds):
            for gesture in GESTURES:
                start = frame.evaluate("performance.now()")
                gesture(hand)
                settle(frame)
                levels = [at for at, _ in frame.evaluate("window.bench.levels") if at > start]
                refined += [at - start for at in levels[-1:]]
        inputs = [at for at in frame.evaluate("window.bench.inputs") if at > began]
        paints = [m for m in measures(frame, "paint") if m[0] > began]
        redraws = [duration for at, duration in measures(frame, "redraw") if at > began]
    return Moves(
        event_times(inputs, [start + duration for start, duration in paints]),
        redraws,
        [duration for _, duration in paints],
        refined,
    )


def event_times(inputs: Sequence[float], painted: Sequence[float]) -> list[float]:
    """Returns, of each of `inputs` that was followed by a painting before the next, the time between the two."""
    ends = [*inputs[1:], float("inf")]
    first = (
        next((at for at in painted if start < at <= end), None)
        for start, end in zip(inputs, ends, strict=True)
    )
    return [at - start for at, start in zip(first, inputs, strict=True) if at is not None]


def measures(frame: sync_api.Frame, name: str) -> list[tuple[float, float]]:
    """Returns start and duration of each of the panel's own measures of a name."""
    return frame.evaluate(READ_MEASURES, f"optimizer-health:{name}")


def settle(frame: sync_api.Frame) -> None:
    """Returns when nothing was painted for `QUIET_MS`."""
    count = -1
    while (now := len(measures(frame, "paint"))) != count:
        count = now
        frame.page.wait_for_timeout(QUIET_MS)


def spread(numbers: Sequence[float]) -> str:
    """Returns median, 95th percentile, largest and number."""
    if not numbers:
        return "-"
    middle, late = np.percentile(numbers, (50, 95))
    return f"{middle:.0f} ms (95 %: {late:.0f}, max {max(numbers):.0f}, of {len(numbers)})"
