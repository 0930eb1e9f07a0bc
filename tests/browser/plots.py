"""A chart of the panel as a test sees it: the pixels of its plot, and the step that its axis shows at a place."""

import base64
import io

import numpy as np

#: The colours of the first runs.
FIRST_RUN, SECOND_RUN = "#425066", "#12b5cb"

INK_BESIDE_THE_PLOT = """plot => {
    const canvas = plot.querySelector('canvas');
    const {width} = canvas.getBoundingClientRect();
    const scale = canvas.width / width;
    const {data} = canvas.getContext('2d').getImageData(0, 0, 50 * scale, canvas.height - 40 * scale);
    return data.filter((value, at) => at % 4 === 3 && value > 0).length;
}"""

PLOT = """figure => {
    const canvas = figure.querySelector('canvas');
    const [box, over] = [canvas, figure.querySelector('.u-over')].map(e => e.getBoundingClientRect());
    const scale = canvas.width / box.width;
    const part = document.createElement('canvas');
    [part.width, part.height] = [over.width * scale, over.height * scale];
    part.getContext('2d').drawImage(canvas, (box.left - over.left) * scale, (box.top - over.top) * scale);
    return part.toDataURL('image/png').split(',')[1];
}"""


def pixels(figure):
    """Returns what is drawn in a chart's plot: (height, width, 4) uint8, red, green, blue and how much it covers."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(figure.evaluate(PLOT))))
    return np.asarray(picture.convert("RGBA"))


def inked(figure, color, least=60):
    """Returns (height, width) bool: where a chart has pixels of `color`.

    Those of a line's antialiased edge and of its band are mixed with the page: only the hue counts, and that they cover
    `least` of 255.
    """
    wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    drawn = pixels(figure)
    near = np.abs(drawn[..., :3].astype(int) - wanted).max(axis=-1) < 12
    return near & (drawn[..., 3] > least)


def reach(figure, color, least=60):
    """Returns where, of the plot's height from the top, the highest and the lowest pixel of `color` are."""
    there = inked(figure, color, least).any(axis=1)
    rows = np.flatnonzero(there)
    return rows[0] / len(there), rows[-1] / len(there)


def hover(figure, part, y=40):
    """Points at a part of the plot's width."""
    over = figure.locator(".u-over")
    over.hover(position={"x": over.bounding_box()["width"] * part, "y": y})


def until(page, holds):
    """Waits until charts have drawn what `holds`: they do so in animation frames."""
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(50)
    assert holds()
