"""What the panel costs on small log directories: its size, the first paint of the demo, the pointer, a window moved.

    python tests/bench/panel.py [--logdir RUNS] [--openings N]

Trains the demo's runs into a temporary directory unless a log directory is given, starts a real TensorBoard and opens
it in a real Chromium (`chromium` on PATH, or what CHROMIUM names) without a GPU, with nothing cached. What misses its
target has a cross behind it.

- First paint: from the start of the plugin's own frame to the browser's first contentful paint in it, and to the
  animation frame after the one that has the heat map.
- The pointer: from a move over the heat map to the next animation frame's end, all charts of a layer being drawn and in
  view of a page 1,500 pixels high, with three runs in each.
- The window: as in large.py, with the same charts.
"""

import argparse
import gzip
import subprocess
import sys
import tempfile
from pathlib import Path

import browsed
from served import Server

STATIC = Path(__file__).parents[2] / "tb_plugin/static"
# the targets
BUNDLE_KB = 120.0
PAINT_MS = 500.0
REDRAW_MS = 50.0
MOVES = 60

FIRST_PAINT = """() => performance.getEntriesByName('first-contentful-paint')[0].startTime"""
#: Moves the pointer across the heat map, one move a frame, and times each to the end of the frame that shows it.
POINT = """async moves => {
    const plot = document.querySelector('.heat .plot');
    const {left, top, width, height} = plot.getBoundingClientRect();
    const ended = () => new Promise(done => requestAnimationFrame(() => {
        const {port1, port2} = new MessageChannel();
        port1.onmessage = done;
        port2.postMessage(null);
    }));
    const times = [];
    for (let move = 0; move < moves; move++) {
        await ended();
        const began = performance.now();
        const clientX = left + width * ((move + 0.5) / moves), clientY = top + height * 0.4;
        plot.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, clientX, clientY}));
        await ended();
        times.push(performance.now() - began);
    }
    return times;
}"""


def bundle() -> None:
    """Prints what the panel's two files take, as TensorBoard sends them."""
    sizes = {
        name: len(gzip.compress((STATIC / name).read_bytes())) / 1e3
        for name in ("index.js", "index.css")
    }
    total = sum(sizes.values())
    told = ", ".join(f"{name} {size:.1f}" for name, size in sizes.items())
    say(
        f"bundle, gzipped (at most {BUNDLE_KB:g} kB)", f"{total:.1f} kB ({told})", total > BUNDLE_KB
    )


def openings(address: str, count: int) -> None:
    """Prints how long the first paint takes."""
    paints, maps = [], []
    with browsed.browser() as chromium:
        browsed.opening(chromium, address)  # the server's first answer is not the page's
        for _ in range(count):
            with browsed.opened(chromium, address) as frame:
                paints.append(frame.evaluate(FIRST_PAINT))
                maps.append(frame.evaluate("window.bench.drawn"))
    say("first contentful paint", browsed.spread(paints))
    say(f"first heat map (at most {PAINT_MS:g} ms)", browsed.spread(maps), max(maps) > PAINT_MS)


def moving(address: str) -> None:
    """Prints what the pointer and a moved window cost with all charts of a layer in view."""
    with browsed.browser() as chromium, browsed.opened(chromium, address) as frame:
        layer = frame.locator("#layer")
        layer.select_option(index=1)
        frame.locator("[data-testid=curves] figure canvas").first.wait_for()
        browsed.settle(frame)
        say("pointer moved, to the frame's end", browsed.spread(frame.evaluate(POINT, MOVES)))
    with browsed.browser() as chromium:
        moves = browsed.moves(chromium, address)
    late = max(moves.redraws) > REDRAW_MS
    say(f"pan or zoom redrawn (at most {REDRAW_MS:g} ms)", browsed.spread(moves.redraws), late)


def say(name: str, text: str, missed: bool = False) -> None:
    """Prints a figure."""
    print(f"{name}: {text}{' ✗' if missed else ''}", flush=True)


def main() -> None:
    """Runs all of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--logdir", type=Path)
    parser.add_argument("--openings", type=int, default=10)
    arguments = parser.parse_args()
    bundle()
    with tempfile.TemporaryDirectory() as directory:
        logdir = arguments.logdir or Path(directory) / "runs"
        if arguments.logdir is None:
            print("Training the demo's runs (half a minute) …", flush=True)
            command = [sys.executable, "-m", "adamax_tb.cli", "demo", "--logdir", str(logdir)]
            subprocess.run([*command, "--no-serve"], check=True, capture_output=True)
        with Server(logdir, "rustboard") as server:
            openings(server.address, arguments.openings)
            moving(server.address)


if __name__ == "__main__":
    main()
