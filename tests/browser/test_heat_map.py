"""The heat map: its rows and blocks, its colours, what the pointer and the keys do, and two runs compared."""

import base64
import io
import itertools

import numpy as np
import pytest
from panel import Panel
from PIL import Image
from playwright.sync_api import expect
from synthetic import LAYERS, write_run

from adamax_tb.schema import NOT_RECORDED


def pairs(*layers):
    return [f"{layer}/{variable}" for layer in layers for variable in ("kernel", "bias")]


STEPS = np.arange(10, 401, 10)
NAN_STEP = 150
NAN_LAYER = "gpt/block_1/mlp/up/bias"
RESTART = 261
LARGER, SMALLER = "gpt/block_0/attention/query/kernel", "gpt/block_0/attention/key/kernel"
#: What the shorter run lacks, and what it alone has.
LACKED, ALONE = "gpt/block_1/attention/value/kernel", "extra/kernel"
#: The rows of both, all blocks open.
ROWS = [
    "gpt/embedding/embeddings",
    *(
        f"gpt/block_{block}{rest}"
        for block in range(2)
        for rest in (
            "",
            "/attention",
            *(f"/attention/{name}" for name in pairs("query", "key", "value")),
            "/mlp",
            *(f"/mlp/{name}" for name in pairs("up", "down")),
        )
    ),
    *(f"gpt/{name}" for name in pairs("logits")),
]

#: Colours: of the highest and the lowest number, of what is no number on a log scale with the ink of its pattern, and
#: of a difference: ten times smaller, none, ten times larger.
HIGHEST, LOWEST = "#fde725", "#440154"
SPECIALS = {
    "NaN": ("#ff1fa8", "#2a0018", lambda x, y: (x + y) % 4 == 0),
    "+∞": ("#e3170a", "#ffffff", lambda x, y: (x - y) % 4 == 0),
    "−∞": ("#00c8ff", "#001c3a", lambda x, y: (x % 4 == 0) & (y % 4 != 2)),
    "0": ("#c3ccd1", "#78909c", lambda x, y: (x % 4 == 1) & (y % 4 == 1)),
}
BLUE, GREY, BROWN = "#1b5cb6", "#e8e7e4", "#9a4431"


def transformer(blocks=2):
    """The variables of a made-up model: two blocks of attention and a perceptron each."""
    inner = ("attention/query", "attention/key", "attention/value", "mlp/up", "mlp/down")
    layers = [("gpt/embedding/embeddings", (100, 8))]
    for block, layer in itertools.product(range(blocks), inner):
        layers.append((f"gpt/block_{block}/{layer}/kernel", (8, 8)))
        layers.append((f"gpt/block_{block}/{layer}/bias", (8,)))
    return [*layers, ("gpt/logits/kernel", (8, 100)), ("gpt/logits/bias", (100,))]


def norms_of(layers, steps, **of_layer):
    """Returns gradient norms: 1, but for those of the layers that are named."""
    norms = np.ones((len(steps), len(layers)), np.float32)
    for at, (name, _) in enumerate(layers):
        norms[:, at] = of_layer.get(name, 1)
    return norms


def restarts(*at):
    """Returns step statistics by which the moments were cleared before these updates."""
    recorded = {step: -(-step // 10) * 10 for step in at}
    counts = np.isin(STEPS, list(recorded.values()))
    since = np.zeros(len(STEPS))
    for step, record in recorded.items():
        since[record == STEPS] = record - step
    return {"restarts": counts, "since_restart": since}


def write_runs(logdir):
    """Writes the runs of this module.

    `long`, of 400 steps, has a NaN in one variable and a restart; `short`, of 200 steps, lacks one of its variables and
    has another with the largest value of all. `odd` holds all that is no number, and `spiky` two spikes between records
    and two restarts. The norms of `grows` are ten times as large every 100 steps, the same in all layers. `deep` has
    more rows than have room for their names, `late` more and higher steps than others.
    """
    layers = transformer()
    norms = norms_of(layers, STEPS, **{LARGER: 10, SMALLER: 0.1})
    norms[STEPS == NAN_STEP, [name for name, _ in layers].index(NAN_LAYER)] = np.nan
    nonfinite = np.isnan(norms).astype(np.float32)
    write_run(
        logdir / "long",
        STEPS,
        {"gradient_norm": norms, "nonfinite": nonfinite},
        layers=layers,
        step_stats=restarts(RESTART),
    )
    fewer = [(name, shape) for name, shape in layers if name != LACKED] + [(ALONE, (2, 2))]
    short = STEPS[STEPS <= 200]
    write_run(
        logdir / "short",
        short,
        {"gradient_norm": norms_of(fewer, short, **{ALONE: 1000})},
        layers=fewer,
    )
    odd = norms_of(LAYERS, STEPS)
    odd[:, 0] = 0.123
    odd[5:10, 1] = np.nan
    odd[15:20, 1] = np.inf
    odd[25:30, 1] = -np.inf
    odd[5:10, 2] = 0
    odd[15:20, 2] = NOT_RECORDED
    odd[0, 3] = 0.001
    write_run(logdir / "odd", STEPS, {"gradient_norm": odd, "gradient_norm_peak": odd})
    peaks = norms_of(LAYERS, STEPS)
    peaks[STEPS == 210, 0] = 1e4
    peaks[STEPS == 310, 2] = np.inf
    write_run(logdir / "spiky", STEPS, {"gradient_norm_peak": peaks}, step_stats=restarts(111, 251))
    grown = norms_of(LAYERS, STEPS) * 10 ** (STEPS[:, None] / 100 - 2)
    write_run(logdir / "grows", STEPS, {"gradient_norm": grown.astype(np.float32)})
    late = np.arange(1_990_001, 1_993_001)
    write_run(logdir / "late", late, {"gradient_norm": norms_of(LAYERS, late)})
    deep = transformer(blocks=11)
    write_run(logdir / "deep", STEPS[:5], {"gradient_norm": norms_of(deep, STEPS[:5])}, layers=deep)


@pytest.fixture(scope="module")
def page(chromium, serve_all, tmp_path_factory):
    logdir = tmp_path_factory.mktemp("heat")
    write_runs(logdir)
    return Panel(chromium, serve_all(logdir), height=2000).wait()


@pytest.fixture
def panel(page):
    """The module's one page, as wide and as light as at first."""
    page.page.set_viewport_size({"width": 1280, "height": 2000})
    yield page
    page.dark(False)
    page.page.mouse.move(1, 1)
    assert page.complaints == []
    page.complaints.clear()


def narrow(panel):
    """Makes the page so narrow that two maps lie below one another."""
    panel.page.set_viewport_size({"width": 1000, "height": 2000})


FRESH = itertools.count()


def show(panel, run, **view):
    """Makes the page show what an address says, all else as at first; returns when it does."""
    said = {"run": run, **view, "fresh": next(FRESH)}
    words = "".join(f"&p.optimizer_health.{name}={value}" for name, value in said.items())
    panel.page.evaluate("hash => { location.hash = hash }", f"optimizer_health{words}")
    # what the page does not know leaves the address when the view has come and rested
    panel.page.wait_for_function("!location.hash.includes('fresh=')")
    panel.drawn(run=run, compared=view.get("with", ""), zoom=view.get("steps", ""))


def rows(panel):
    """Returns the titles of the rows, from the top; of few enough that each has its label."""
    titles = panel.heatmap.get_by_role("treeitem").evaluate_all("all => all.map(row => row.title)")
    return [title.split(", ")[0] for title in titles]


def item(panel, title):
    return panel.heatmap.locator(f'[role=treeitem][title^="{title}"]').first


def window(panel):
    """Returns the first and the last step that are shown."""
    zoom = panel.heatmap.get_attribute("data-zoom")
    return tuple(map(int, zoom.split("-"))) if zoom else (1, 400)


def pixels(panel, nth=0):
    """Returns a map's canvas as it is painted: rows, columns, and red, green, blue, opacity."""
    canvas = panel.heatmap.locator(".plot canvas").nth(nth)
    url = canvas.evaluate("canvas => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA"))


def cell(image, titles, title, step):
    """Returns the pixels of one record's cell, and where its left upper one is."""
    height, width, _ = image.shape
    row = titles.index(title)
    top, bottom = (round(at * height / len(titles)) for at in (row, row + 1))
    left, right = (round(at / 400 * width) for at in (step - 10, step))
    return image[top:bottom, left:right], (left, top)


def paper(image, titles, title, step):
    """Returns the colour of a cell as #rrggbb, the commonest of its pixels; None of one that is transparent."""
    part, _ = cell(image, titles, title, step)
    colors, counts = np.unique(part.reshape(-1, 4), axis=0, return_counts=True)
    return hex_of(colors[counts.argmax()])


def hex_of(pixel):
    return "#" + bytes(pixel[:3].tolist()).hex() if pixel[3] else None


def near(color, other):
    """Tells whether two colours differ by less than an eye sees."""
    one, two = (
        np.frombuffer(bytes.fromhex(each[1:]), np.uint8).astype(int) for each in (color, other)
    )
    return np.abs(one - two).max() <= 4


def place(panel, titles, title, step, nth=0):
    """Returns where a cell is on the page."""
    box = panel.heatmap.locator(".plot").nth(nth).bounding_box()
    first, last = window(panel)
    x = box["x"] + box["width"] * (step - first + 0.5) / (last - first + 1)
    return x, box["y"] + box["height"] * (titles.index(title) + 0.5) / len(titles)


def hover(panel, titles, title, step, nth=0):
    """Moves the pointer to a cell; returns the lines of the tooltip."""
    panel.page.mouse.move(*place(panel, titles, title, step, nth))
    return panel.heatmap.locator(".tip").inner_text().splitlines()


def drag(panel, start, end):
    """Drags over the heat map from one step to another."""
    panel.page.mouse.move(*place(panel, ROWS, ROWS[0], start))
    panel.page.mouse.down()
    panel.page.mouse.move(*place(panel, ROWS, ROWS[0], end), steps=3)
    panel.page.mouse.up()


def both_themes(panel, name):
    """Leaves pictures to be looked at."""
    panel.screenshot(f"{name}-light")
    panel.dark()
    panel.screenshot(f"{name}-dark")
    panel.dark(False)


def test_the_rows_are_the_layers_in_the_models_order_under_their_blocks(panel):
    show(panel, "long")
    assert rows(panel) == ROWS
    levels = panel.heatmap.get_by_role("treeitem").evaluate_all(
        "all => all.map(row => Number(row.ariaLevel))"
    )
    assert levels == [1, *[1, 2, 3, 3, 3, 3, 3, 3, 2, 3, 3, 3, 3] * 2, 1, 1]
    assert item(panel, "gpt/block_1").get_attribute("aria-label") == "gpt/block_1, 10 variables"


def test_another_run_and_statistic_are_chosen_and_layers_clicked(panel):
    show(panel, "long")
    panel.select("odd")
    panel.heatmap.locator("#statistic").select_option("u_mean")
    panel.drawn(run="odd", statistic="u_mean", layer="")
    kernel, bias, *_ = titles = [name for name, _ in LAYERS]
    panel.page.mouse.click(*place(panel, titles, kernel, 195))
    panel.drawn(layer=kernel, step=200)
    panel.frame.locator(f'[data-testid=curves][data-layer="{kernel}"]').wait_for()
    item(panel, bias).click(modifiers=["Control"])
    chosen = panel.heatmap.locator("[aria-selected=true]")
    expect(chosen).to_have_count(2)
    item(panel, bias).click()
    expect(chosen).to_have_count(1)
    panel.drawn(layer=bias, step=200)


def test_a_closed_block_is_one_row_that_shows_what_is_most_alarming_in_it(panel):
    show(panel, "long")
    item(panel, "gpt/block_0").locator(".chevron").click()
    panel.frame.locator('[role=treeitem][title^="gpt/block_0,"][aria-expanded=false]').wait_for()
    outer = [title for title in ROWS if not title.startswith("gpt/block_0/")]
    assert rows(panel) == outer
    assert paper(pixels(panel), outer, "gpt/block_0", 300) == HIGHEST
    item(panel, "gpt/block_1").locator(".chevron").click()
    panel.frame.locator('[role=treeitem][title^="gpt/block_1,"][aria-expanded=false]').wait_for()
    closed = [title for title in outer if not title.startswith("gpt/block_1/")]
    assert rows(panel) == closed
    image = pixels(panel)
    assert paper(image, closed, "gpt/block_1", NAN_STEP) == SPECIALS["NaN"][0]
    assert paper(image, closed, "gpt/block_1", NAN_STEP + 10) not in (None, SPECIALS["NaN"][0])
    tip = hover(panel, closed, "gpt/block_1", NAN_STEP)
    assert tip[0] == "gpt/block_1 (10 variables)"
    assert tip[-1] == "Gradient norm: NaN in mlp/up/bias, 1 in 9 variables"
    tip = hover(panel, closed, "gpt/block_0", 300)
    assert tip[-1] == (
        "Gradient norm: 0.1 to 10 in 10 variables, largest in attention/query/kernel"
    )
    both_themes(panel, "blocks")
    item(panel, "gpt/block_0").locator(".chevron").click()
    panel.frame.locator('[title="gpt/block_0/mlp/up/kernel"]').wait_for()
    assert rows(panel) == [title for title in ROWS if not title.startswith("gpt/block_1/")]


def test_blocks_are_closed_and_opened_by_keys_and_by_buttons_and_the_address_holds_them(panel):
    show(panel, "long")
    item(panel, "gpt/embedding").focus()
    for key in ("ArrowDown", "ArrowLeft", "ArrowDown", "ArrowRight", "ArrowLeft"):
        panel.page.keyboard.press(key)
    inside = ("gpt/block_0/", "gpt/block_1/attention/")
    assert rows(panel) == [title for title in ROWS if not title.startswith(inside)]
    focused = panel.frame.locator("[role=treeitem]:focus")
    assert focused.get_attribute("title") == "gpt/block_1/attention, 6 variables"
    for key in ("ArrowRight", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowUp", "ArrowRight"):
        panel.page.keyboard.press(key)
    assert rows(panel) == ROWS
    assert focused.get_attribute("title") == "gpt/block_0, 10 variables"
    close = panel.heatmap.get_by_role("button", name="Close all blocks")
    close.click()
    few = ["gpt/embedding/embeddings", "gpt/block_0", "gpt/block_1", *ROWS[-2:]]
    panel.frame.locator('[title^="gpt/block_0/"]').first.wait_for(state="detached")
    assert rows(panel) == few
    assert close.is_disabled()
    item(panel, "gpt/block_1").locator(".chevron").click()
    panel.page.wait_for_function("location.hash.includes('closed=')")
    panel.page.wait_for_timeout(300)  # the address follows when the view has rested
    panel.page.reload()
    panel.wait()
    assert rows(panel) == [*few[:3], "gpt/block_1/attention", "gpt/block_1/mlp", *few[3:]]
    panel.heatmap.get_by_role("button", name="Open all blocks").click()
    panel.frame.locator('[title="gpt/block_0/mlp/up/kernel"]').wait_for()
    assert rows(panel) == ROWS


def test_kernel_and_bias_share_a_row_if_one_wants(panel):
    show(panel, "long")
    panel.heatmap.get_by_label("Kernel and bias together").check()
    together = [
        title.removesuffix("/kernel") for title in ROWS if not title.endswith(("/bias", "ddings"))
    ]
    item(panel, "gpt/block_0/mlp/up, 2 variables").wait_for()
    assert rows(panel) == ["gpt/embedding", *together]
    titles = rows(panel)
    assert paper(pixels(panel), titles, "gpt/block_1/mlp/up", NAN_STEP) == SPECIALS["NaN"][0]


def test_what_is_no_number_is_told_by_colour_pattern_and_words(panel):
    show(panel, "odd")
    titles = [name for name, _ in LAYERS]
    assert rows(panel) == titles
    image = pixels(panel)
    found = {
        "NaN": (titles[1], 80),
        "+∞": (titles[1], 180),
        "−∞": (titles[1], 280),
        "0": (titles[2], 80),
    }
    for words, where in found.items():
        part, (left, top) = cell(image, titles, *where)
        color, ink, pattern = SPECIALS[words]
        y, x = np.indices(part.shape[:2])
        inked = pattern(x + left, y + top)
        assert {hex_of(pixel) for pixel in part[inked]} == {ink}, words
        assert {hex_of(pixel) for pixel in part[~inked]} == {color}, words
        tip = hover(panel, titles, *where)
        assert tip[1:] == [f"step {where[1]}", f"Gradient norm: {words}"]
    assert paper(image, titles, titles[2], 180) is None
    assert hover(panel, titles, titles[2], 180)[-1] == "Gradient norm: not recorded"
    legend = panel.heatmap.locator(".legend .marks").inner_text().split("\n")
    assert legend == ["0", "NaN", "+∞", "−∞", "not recorded"]
    both_themes(panel, "odd")


def test_a_spike_between_two_records_is_seen_above_them_and_named_with_its_steps(panel):
    show(panel, "spiky")
    titles = [name for name, _ in LAYERS]
    image = pixels(panel)
    part, _ = cell(image, titles, titles[0], 210)
    assert {hex_of(pixel) for pixel in part[:6].reshape(-1, 4)} == {HIGHEST}
    own = paper(image, titles, titles[1], 200)
    assert own != HIGHEST
    assert {hex_of(pixel) for pixel in part[9:].reshape(-1, 4)} == {own}
    part, _ = cell(image, titles, titles[2], 310)
    assert {hex_of(pixel) for pixel in part[:6].reshape(-1, 4)} == {"#e3170a", "#ffffff"}
    for title, step in ((titles[0], 200), (titles[0], 220), (titles[1], 210)):
        part, _ = cell(image, titles, title, step)
        assert {hex_of(pixel) for pixel in part.reshape(-1, 4)} == {own}
    assert hover(panel, titles, titles[0], 210)[1:] == [
        "step 210",
        "Gradient norm: 1",
        "Spike: up to 10,000 between steps 200 and 210",
    ]
    both_themes(panel, "spikes")
    tip = hover(panel, titles, titles[2], 310)
    assert tip[-1] == "Spike: up to ∞ between steps 300 and 310"
    assert "spike between two records" in panel.heatmap.locator(".legend").inner_text()


def test_restarts_are_marked_in_the_heat_map_and_named(panel):
    show(panel, "spiky")
    plot = panel.heatmap.locator(".plot").bounding_box()
    for marks, middle in ((".restart", 1), (".event", 6)):
        boxes = [mark.bounding_box() for mark in panel.heatmap.locator(marks).all()]
        places = [(box["x"] + middle - plot["x"]) / plot["width"] for box in boxes]
        assert places == pytest.approx([110 / 400, 250 / 400], abs=0.002)  # two of some 900 pixels
    assert "2 restarts" in panel.heatmap.locator(".legend").inner_text()
    label = panel.heatmap.locator(".plot canvas").get_attribute("aria-label")
    assert label.endswith("restarted at step 111, 251")
    titles = [name for name, _ in LAYERS]
    assert hover(panel, titles, titles[0], 115)[1] == "step 120, restarted at 111"


def test_a_findings_mark_stands_at_its_step_and_leads_to_it(panel):
    show(panel, "long", closed="gpt/block_0/,gpt/block_1/", steps="100-300")
    strip = panel.heatmap.locator(".events")
    mark = strip.get_by_role("button", name="nonfinite")
    words = f"critical: nonfinite in {NAN_LAYER} since step {NAN_STEP}"
    assert mark.get_attribute("aria-label") == words
    plot = panel.heatmap.locator(".plot").bounding_box()
    box = mark.bounding_box()
    part = (box["x"] + 6 - plot["x"]) / plot["width"]
    assert part == pytest.approx((NAN_STEP - 99.5) / 201, abs=0.002)
    assert panel.frame.locator("article.finding.current").count() == 0
    mark.click()
    panel.drawn(layer=NAN_LAYER, step=NAN_STEP, statistic="nonfinite", zoom="100-300")
    assert panel.frame.locator("article.finding.current").get_attribute("data-layer") == NAN_LAYER
    panel.frame.locator(f'[data-testid=curves][data-layer="{NAN_LAYER}"]').wait_for()
    assert item(panel, NAN_LAYER).get_attribute("aria-selected") == "true"
    assert item(panel, "gpt/block_0").get_attribute("aria-expanded") == "false"
    across, down = (
        panel.heatmap.locator(each).bounding_box() for each in (".cross-row", ".cross-column")
    )
    x, y = place(panel, rows(panel), NAN_LAYER, NAN_STEP - 5)
    assert down["x"] < x < down["x"] + down["width"]
    assert across["y"] < y < across["y"] + across["height"]


def test_marks_are_gone_through_by_keys(panel):
    show(panel, "long")
    stops = panel.heatmap.locator(".event[tabindex='0']")
    assert stops.count() == 1
    stops.focus()
    panel.page.keyboard.press("ArrowRight")
    focused = panel.frame.locator(".event:focus")
    assert focused.get_attribute("aria-label") == f"restart at step {RESTART}"
    assert panel.heatmap.get_attribute("data-step") == ""
    panel.page.keyboard.press("Enter")
    panel.drawn(step=RESTART, layer="", statistic="gradient_norm")
    panel.page.keyboard.press("ArrowLeft")
    panel.page.keyboard.press("Enter")
    panel.drawn(step=NAN_STEP, layer=NAN_LAYER, statistic="nonfinite")
    assert window(panel) == (1, 400)


def line_of(panel, selector, inside):
    """Returns the part of a plot's width at which a line stands in it."""
    line, box = (panel.frame.locator(each).first.bounding_box() for each in (selector, inside))
    return (line["x"] + line["width"] / 2 - box["x"]) / box["width"]


LOSS = "figure[data-statistic=loss]"


def test_the_pointer_is_followed_by_tooltip_profile_and_every_chart(panel):
    show(panel, "long")
    panel.frame.locator(f"{LOSS} canvas").wait_for()
    assert hover(panel, ROWS, SMALLER, 215) == [
        f"{SMALLER} (8 × 8)",
        "step 220",
        "Gradient norm: 0.1",
    ]
    profile = panel.heatmap.locator(".profile canvas")
    told = profile.get_attribute("aria-label")
    assert told.startswith("Gradient norm over depth at step 220: 1 in gpt/embedding/embeddings")
    assert "NaN" not in told
    assert "at step 220" in panel.heatmap.locator(".profile-name").inner_text()
    assert "step 220" in panel.frame.locator(f"{LOSS} .readout").inner_text()
    middle = (215.5 - 1) / 400
    assert line_of(panel, ".plot .hover-step", ".plot") == pytest.approx(middle, abs=0.002)
    brushed = (220 - 9.5) / 391  # the brush begins with the first record
    assert line_of(panel, ".track .hovered", ".track") == pytest.approx(brushed, abs=0.003)
    hover(panel, ROWS, SMALLER, NAN_STEP)
    assert profile.get_attribute("aria-label").endswith("NaN in 1 row")
    over = panel.frame.locator(f"{LOSS} .u-over")
    over.hover(position={"x": over.bounding_box()["width"] * (310 - 9.5) / 391, "y": 20})
    panel.heatmap.locator(".profile canvas[aria-label*='at step 310:']").wait_for()
    assert line_of(panel, ".plot .hover-step", ".plot") == pytest.approx(305 / 400, abs=0.002)
    assert panel.heatmap.locator(".tip").count() == 0
    panel.page.mouse.move(1, 1)
    panel.heatmap.locator(".hover-step").wait_for(state="detached")
    assert f"at step {NAN_STEP}:" in profile.get_attribute("aria-label")  # of the first finding
    show(panel, "short")
    assert "at step 200:" in profile.get_attribute("aria-label")  # it has none: the last


def test_the_last_record_is_pointed_at_up_to_the_profile(panel):
    show(panel, "long")
    box = panel.heatmap.locator(".plot").bounding_box()
    for short in (1, 0.5, 0.1):
        panel.page.mouse.move(1, 1)
        panel.page.mouse.move(box["x"] + box["width"] - short, box["y"] + 40)
        assert "step 400" in panel.heatmap.locator(".tip").inner_text(timeout=2000)


def ends(panel):
    """Returns the steps at both ends of the loss chart's plot."""
    over = panel.frame.locator(f"{LOSS} .u-over")
    steps = []
    for x in (1, over.bounding_box()["width"] - 2):
        over.hover(position={"x": x, "y": 20})  # when the page has come to rest
        words = panel.frame.locator(f"{LOSS} .readout .at").inner_text()
        steps.append(int(words.split()[1]))
    panel.page.mouse.move(1, 1)
    return tuple(steps)


def brushed(panel):
    """Returns the first and the last step of the brush."""
    handles = panel.frame.locator(".track .handle")
    return tuple(int(handle.get_attribute("aria-valuenow")) for handle in handles.all())


def axis_of(panel):
    """Returns the loss chart's labels of the steps, as they are painted."""
    canvas = panel.frame.locator(f"{LOSS} canvas")
    return canvas.evaluate(
        "c => c.getContext('2d').getImageData(0, c.height - 24, c.width, 24).data.join()"
    )


def test_a_drag_zooms_the_map_the_brush_and_all_charts(panel):
    show(panel, "long")
    panel.frame.locator(f"{LOSS} canvas").wait_for()
    axis = axis_of(panel)
    assert ends(panel) == (10, 400)
    drag(panel, 105, 195)
    panel.drawn(zoom="101-200")
    assert brushed(panel) == (101, 200)
    assert ends(panel) == (110, 200)  # the records in the window
    assert axis_of(panel) != axis
    labels = panel.heatmap.locator(".axis div span").all_inner_texts()
    assert {100 <= int(label) <= 200 for label in labels} == {True}
    image = pixels(panel)
    left, right = (int(image.shape[1] * (step - 100) / 100 + 0.5) for step in (140, 150))
    row = ROWS.index(NAN_LAYER)
    line = image[round((row + 0.5) * image.shape[0] / len(ROWS))]
    nan = [hex_of(pixel) in SPECIALS["NaN"][:2] for pixel in line]
    assert (nan.index(True), len(nan) - nan[::-1].index(True)) == (left, right)
    assert hover(panel, ROWS, NAN_LAYER, NAN_STEP)[1:] == ["step 150", "Gradient norm: NaN"]
    panel.page.mouse.dblclick(*place(panel, ROWS, ROWS[0], 150))
    panel.drawn(zoom="")
    assert brushed(panel) == (10, 400)
    assert ends(panel) == (10, 400)
    assert axis_of(panel) == axis


def test_wheel_and_keys_move_the_window_of_all_charts(panel):
    show(panel, "long")
    panel.frame.locator(f"{LOSS} canvas").wait_for()
    mouse, keyboard = panel.page.mouse, panel.page.keyboard
    mouse.move(*place(panel, ROWS, ROWS[0], 300))
    keyboard.down("Control")
    mouse.wheel(0, -200)
    keyboard.up("Control")
    panel.frame.locator("[data-testid=heatmap]:not([data-zoom=''])").wait_for()
    near, far = window(panel)
    assert far - near + 1 == pytest.approx(400 * np.exp(-0.6), abs=2)
    assert (300 - near) / (far - near) == pytest.approx(0.75, abs=0.02)
    assert brushed(panel) == (near, far)
    keyboard.down("Shift")
    mouse.wheel(0, -150)
    keyboard.up("Shift")
    panel.frame.locator(f"[data-testid=heatmap]:not([data-zoom='{near}-{far}'])").wait_for()
    first, last = window(panel)
    assert first < near
    assert last - first == far - near
    assert brushed(panel) == (first, last)
    records = STEPS[(first <= STEPS) & (last >= STEPS)]
    assert ends(panel) == (records[0], records[-1])
    panel.heatmap.locator(".plot").focus()
    keyboard.press("+")
    assert np.diff(window(panel))[0] + 1 == pytest.approx((last - first + 1) / 1.5, abs=1)
    keyboard.press("0")
    panel.drawn(zoom="")
    assert ends(panel) == (10, 400)


def test_two_runs_beside_each_other_share_rows_steps_and_colours(panel):
    show(panel, "long", **{"with": "short"})
    panel.heatmap.locator(".plot canvas").nth(1).wait_for()
    assert panel.heatmap.locator("h3").all_inner_texts() == ["long", "short"]
    one, two = pixels(panel), pixels(panel, 1)
    assert one.shape == two.shape
    same = paper(one, ROWS, "gpt/embedding/embeddings", 100)
    assert paper(two, ROWS, "gpt/embedding/embeddings", 100) == same
    assert paper(two, ROWS, LARGER, 100) == same
    assert paper(one, ROWS, LARGER, 100) not in (same, HIGHEST)  # that is of a layer not in sight
    assert paper(one, ROWS, SMALLER, 100) == LOWEST
    ticks = panel.heatmap.locator(".map-ramp .tick").all_inner_texts()
    assert ticks[-1] == "1,000"
    assert paper(two, ROWS, LACKED, 100) is None
    assert hover(panel, ROWS, LACKED, 100, nth=1)[-1] == "Gradient norm: not recorded"
    assert paper(one, ROWS, LACKED, 100) == same
    assert {paper(two, ROWS, title, 210) for title in ROWS} == {None}  # it ended
    axes = panel.heatmap.locator(".axis div").all_inner_texts()
    assert axes[0] == axes[1]
    one, two = (plot.bounding_box() for plot in panel.heatmap.locator(".plot").all())
    assert one["y"] == two["y"]
    assert one["width"] == pytest.approx(two["width"], abs=0.1)
    assert one["x"] + one["width"] < two["x"]
    assert panel.heatmap.locator(".labels").count() == 1  # those of the first are of both
    assert hover(panel, ROWS, LARGER, 100, nth=1)[-1] == "Gradient norm: 1"
    lines = [panel.heatmap.locator(f".one-map >> nth={nth} >> .hover-row") for nth in range(2)]
    assert all(line.count() == 1 for line in lines)
    both_themes(panel, "beside")


def test_two_maps_scroll_together(panel):
    narrow(panel)
    show(panel, "long", names=1, **{"with": "short"})
    panel.heatmap.locator(".plot canvas").nth(1).wait_for()
    maps = panel.heatmap.locator(".map")
    for one, other, top in ((0, 1, 40), (1, 0, 15)):
        maps.nth(one).evaluate("(map, top) => map.scrollTo(0, top)", top)
        expect(maps.nth(other)).to_have_js_property("scrollTop", top)
        assert maps.nth(one).evaluate("map => map.scrollTop") == top


def test_the_difference_is_neutral_where_equal_and_has_two_ends(panel):
    show(panel, "long", **{"with": "short", "difference": 1})
    panel.heatmap.get_by_text("smaller").wait_for()
    assert panel.heatmap.locator(".plot").count() == 1
    image = pixels(panel)
    assert near(paper(image, ROWS, "gpt/embedding/embeddings", 100), GREY)
    assert near(paper(image, ROWS, LARGER, 100), BROWN)
    assert near(paper(image, ROWS, SMALLER, 100), BLUE)
    assert paper(image, ROWS, NAN_LAYER, NAN_STEP) == SPECIALS["NaN"][0]
    assert paper(image, ROWS, LACKED, 100) is None
    assert paper(image, ROWS, LARGER, 210) is None
    legend = panel.heatmap.locator(".legend").inner_text()
    assert panel.heatmap.locator(".map-ramp").inner_text().split("\n") == [
        "10 times smaller",
        "equal",
        "10 times larger",
    ]
    assert "in long than in short" in " ".join(legend.split())
    for title, step, words in (
        (LARGER, 100, ["10 times larger than in short", "10", "1"]),
        (SMALLER, 100, ["10 times smaller than in short", "0.1", "1"]),
        ("gpt/logits/kernel", 100, ["equal", "1", "1"]),
        (NAN_LAYER, NAN_STEP, ["NaN only in long", "NaN", "1"]),
        (LACKED, 100, ["not recorded in both", "1", "not recorded"]),
        (LARGER, 300, ["not recorded in both", "10", "not recorded"]),
    ):
        told = dict(line.split(": ") for line in hover(panel, ROWS, title, step)[2:])
        assert list(told.items()) == list(zip(("Difference", "long", "short"), words, strict=True))
    both_themes(panel, "difference")
    hover(panel, ROWS, LARGER, 100)
    panel.heatmap.get_by_role("radio", name="beside each other").check()
    panel.heatmap.locator(".plot canvas").nth(1).wait_for()
    assert ramp(panel)[-1] == "1,000"


def test_the_compared_runs_marks_lead_to_their_places_in_the_selected_run(panel):
    narrow(panel)
    show(panel, "short", **{"with": "long"})
    panel.heatmap.locator(".plot canvas").nth(1).wait_for()
    axes = panel.heatmap.locator(".axis div").all_inner_texts()
    assert axes[0] == axes[1]
    assert "350" in axes[0]  # also the shorter run's has the steps of both
    panel.page.mouse.move(*place(panel, ["any row"], "any row", 145))
    both = panel.heatmap.locator(".profile canvas").first.get_attribute("aria-label")
    assert "long over depth at step 150" in both
    assert both.endswith("NaN in 1 row")  # not in those of the open blocks around it
    panel.heatmap.get_by_role("button", name="nonfinite").click()
    panel.drawn(run="short", layer=NAN_LAYER, step=NAN_STEP, statistic="nonfinite")
    assert panel.heatmap.locator(".cross-row").count() == 2


def test_the_profile_is_there_where_it_has_room(panel):
    show(panel, "long", layers=NAN_LAYER, step=300)
    profile = panel.heatmap.locator(".profile")
    for width, wanted in ((1900, 150), (1140, 150), (900, 110), (720, None)):
        panel.page.set_viewport_size({"width": width, "height": 1600})
        if wanted is None:
            profile.wait_for(state="detached")
            continue
        panel.frame.locator(f".profile[style*='{wanted}px']").wait_for()
        right = panel.heatmap.locator(".map").bounding_box()
        box = profile.bounding_box()
        assert box["x"] + box["width"] <= right["x"] + right["width"]
        ticks = [tick.bounding_box() for tick in panel.heatmap.locator(".profile-axis span").all()]
        assert len(ticks) >= 2
        assert ticks[0]["x"] >= box["x"] - 1
        assert ticks[-1]["x"] + ticks[-1]["width"] <= box["x"] + box["width"] + 4
        if width == 900:
            both_themes(panel, "narrow")


def ramp(panel):
    """Returns the ticks of the legend."""
    return panel.heatmap.locator(".map-ramp .tick").all_inner_texts()


def test_colours_fit_the_window_when_it_has_rested(panel):
    titles = [name for name, _ in LAYERS]
    show(panel, "grows", steps="101-200")
    assert (ramp(panel)[0], ramp(panel)[-1]) == ("0.1", "100")
    legend = panel.heatmap.locator(".legend .unit")
    assert "fitted" not in legend.inner_text()
    panel.heatmap.get_by_label("Fit colours to the window").check()
    panel.heatmap.get_by_text("fitted to the steps shown").wait_for()
    assert {0.1 < float(tick) < 1.01 for tick in ramp(panel)} == {True}, ramp(panel)

    def ends():
        row = pixels(panel)[5]
        return hex_of(row[2]), hex_of(row[-3])

    assert ends() == (LOWEST, HIGHEST)
    both_themes(panel, "fitted")
    panel.heatmap.locator(".plot").focus()
    panel.page.keyboard.press("ArrowRight")
    panel.drawn(zoom="111-210")
    assert ends() != (LOWEST, HIGHEST)  # not with each step of a pan
    panel.page.wait_for_timeout(500)
    assert ends() == (LOWEST, HIGHEST)
    assert hover(panel, titles, titles[0], 205)[-1] == "Gradient norm: 1.258925"
    panel.page.keyboard.press("0")
    panel.drawn(zoom="")
    expect(legend).not_to_contain_text("fitted")
    assert ramp(panel)[-1] == "100"


def test_the_colours_of_a_difference_fit_the_window_too(panel):
    show(panel, "grows", steps="101-200", fit=1, difference=1, **{"with": "odd"})
    words = panel.heatmap.locator(".map-ramp .to")
    expect(words).to_contain_text("8.1 times larger")  # at step 200, of 0.123
    panel.heatmap.get_by_label("Fit colours to the window").uncheck()
    expect(words).to_contain_text("810 times larger")  # at step 400


def values_of_profile(panel):
    return panel.heatmap.locator(".profile-axis span").all_inner_texts()


def test_the_profiles_axis_fits_its_step_and_noise_is_no_trend(panel):
    titles = [name for name, _ in LAYERS]
    show(panel, "grows", step=200)
    assert values_of_profile(panel) == ["0.1", "1", "10"]
    show(panel, "grows", step=400)
    assert values_of_profile(panel) == ["10", "100", "1,000"]
    hover(panel, titles, titles[0], 200)
    expect(panel.heatmap.locator(".profile-axis span").first).to_have_text("0.1")
    title = panel.heatmap.locator(".profile-axis").get_attribute("title")
    assert title.startswith("Gradient norm (")
    assert "log scale" in title


def test_a_row_of_the_profile_is_told(panel):
    narrow(panel)
    show(panel, "long", step=220, **{"with": "short"})
    box = panel.heatmap.locator(".profile").first.bounding_box()
    row = (ROWS.index(SMALLER) + 0.5) / len(ROWS)
    panel.page.mouse.move(box["x"] + 30, box["y"] + box["height"] * row)
    tip = panel.heatmap.locator(".tip").inner_text().splitlines()
    assert tip == [
        f"{SMALLER} (8 × 8)",
        "step 220",
        "Gradient norm of long: 0.1",
        "Gradient norm of short: 1, at step 200",  # its last
    ]
    assert panel.heatmap.locator(".hover-row").count() == 2
    panel.screenshot("profile-tip")
    panel.page.mouse.move(1, 1)
    panel.heatmap.locator(".tip").wait_for(state="detached")
    assert panel.heatmap.locator(".hover-row").count() == 0


def selected(panel):
    """Returns the titles of the rows that are selected."""
    chosen = panel.heatmap.locator("[aria-selected=true]")
    return chosen.evaluate_all("all => all.map(row => row.title)")


def test_a_click_with_a_modifier_adds_a_cells_layer_and_takes_it_away(panel):
    titles = [name for name, _ in LAYERS]
    show(panel, "grows")
    click, keyboard = panel.page.mouse.click, panel.page.keyboard
    click(*place(panel, titles, titles[0], 195))
    panel.drawn(layer=titles[0], step=200)
    for key, title in (("Control", titles[1]), ("Shift", titles[2])):
        keyboard.down(key)
        click(*place(panel, titles, title, 95))
        keyboard.up(key)
    expect(panel.heatmap.locator("[aria-selected=true]")).to_have_count(3)
    panel.drawn(layer=titles[0], step=200)
    keyboard.down("Control")
    click(*place(panel, titles, titles[1], 95))
    keyboard.up("Control")
    expect(panel.heatmap.locator("[aria-selected=true]")).to_have_count(2)
    assert selected(panel) == [titles[0], titles[2]]
    assert "with Ctrl or Shift adds its layer" in panel.heatmap.locator(".gestures").inner_text()


def test_the_selection_is_cleared_by_a_second_click_or_escape(panel):
    titles = [name for name, _ in LAYERS]
    show(panel, "grows", layers=titles[1], step=193)
    panel.page.mouse.click(*place(panel, titles, titles[0], 195))
    panel.drawn(layer=titles[0], step=200)
    panel.page.mouse.click(*place(panel, titles, titles[0], 192))
    panel.drawn(layer="", step="")
    show(panel, "grows", layers=titles[1], step=193, steps="101-300")
    panel.page.wait_for_timeout(600)  # no double click
    panel.page.mouse.click(*place(panel, titles, titles[1], 195))
    panel.drawn(layer="", step="", zoom="101-300")  # the step lies in that record
    show(panel, "grows", layers=titles[1], step=193, steps="101-300")
    panel.heatmap.locator(".plot").focus()
    panel.page.keyboard.press("Escape")
    panel.drawn(layer=titles[1], step=193, zoom="")
    panel.page.keyboard.press("Escape")
    panel.drawn(layer="", step="", zoom="")
    item(panel, titles[2]).click()
    panel.drawn(layer=titles[2])
    panel.page.keyboard.press("Escape")
    panel.drawn(layer="")


@pytest.mark.parametrize("before", [{}, {"layers": LAYERS[0][0], "step": 200}])
def test_a_double_click_shows_all_and_selects_nothing(panel, before):
    titles = [name for name, _ in LAYERS]
    show(panel, "grows", steps="101-300", **before)
    for title in titles[:2]:
        panel.page.mouse.dblclick(*place(panel, titles, title, 195))
        panel.drawn(zoom="", layer=before.get("layers", ""), step=before.get("step", ""))


def test_the_keys_place_is_told_beside_it(panel):
    titles = [name for name, _ in LAYERS]
    show(panel, "grows")
    panel.heatmap.locator(".plot").focus()
    tip = panel.heatmap.locator(".tip")
    assert tip.count() == 0
    for key in ("ArrowDown", "ArrowDown", "Shift+ArrowLeft"):
        panel.page.keyboard.press(key)
    panel.drawn(layer=titles[1], step=390)
    expect(tip).to_contain_text("step 390")
    assert tip.inner_text().splitlines()[0].startswith(f"{titles[1]} (")
    x, y = place(panel, titles, titles[1], 385)
    box = tip.bounding_box()
    assert abs(box["x"] + box["width"] - x) < 40
    assert abs(box["y"] - y) < 40 or abs(box["y"] + box["height"] - y) < 40
    panel.screenshot("keys-tip")
    panel.page.mouse.move(*place(panel, titles, titles[2], 105))
    expect(tip).to_contain_text("step 110")
    panel.page.keyboard.press("ArrowUp")
    expect(tip).to_contain_text("step 390")
    item(panel, titles[0]).focus()
    expect(tip).not_to_contain_text("step 390")


def test_a_label_tells_its_path_from_the_block_that_is_named_above_it(panel):
    show(panel, "deep")
    labels = panel.heatmap.get_by_role("treeitem").evaluate_all(
        "all => all.map(row => [row.title.split(', ')[0], row.innerText])"
    )
    assert 20 < len(labels) < 60  # of 146
    above = ["gpt"]
    for title, words in labels:
        if "…" not in words:
            assert title.endswith(f"/{words}")
            around = title.removesuffix(f"/{words}")
            assert around in above
            assert max((one for one in above if title.startswith(f"{one}/")), key=len) == around
        above.append(title)
    both_themes(panel, "deep")


@pytest.mark.parametrize("width", [1280, 900])
def test_no_step_is_cut_off_above_the_profile(panel, width):
    panel.page.set_viewport_size({"width": width, "height": 2000})
    show(panel, "late")
    head = panel.heatmap.locator(".profile-head").bounding_box()
    name = panel.heatmap.locator(".profile-name")
    assert name.inner_text().split()[:2] == ["at", "steps"]
    assert name.inner_text().endswith("–1,993,000")
    number, button = (
        panel.heatmap.locator(f".profile-head {each}").bounding_box()
        for each in (".profile-name span", ".export-button")
    )
    assert number["height"] < (20 if width == 1280 else 30)  # lines
    assert head["x"] <= number["x"]
    assert number["x"] + number["width"] <= head["x"] + head["width"] + 1
    above = number["y"] >= button["y"] + button["height"] - 6
    assert above or number["x"] + number["width"] <= button["x"]
    panel.screenshot(f"late-{width}")


def test_a_jump_is_over_when_the_runs_were_away_for_a_moment(chromium, serve_all, tmp_path):
    write_runs(tmp_path)
    panel = Panel(chromium, serve_all(tmp_path), height=700, view="&p.optimizer_health.run=long")
    panel.wait()
    away = False

    def answer(route):
        told = route.fetch()
        body = told.json()
        if away:
            body |= {"runs": [], "names": [], "revision": "away"}
        route.fulfill(response=told, json=body)

    panel.page.route("**/optimizer_health/runs*", answer)
    panel.frame.get_by_role("button", name=f"Show at step {NAN_STEP}").click()
    panel.drawn(step=NAN_STEP, layer=NAN_LAYER)
    panel.page.wait_for_timeout(1000)  # it scrolls smoothly
    scrolled = "() => document.scrollingElement.scrollTop"
    frame = panel.page.frames[1]
    assert frame.evaluate(scrolled) > 100
    item(panel, "gpt/block_1/mlp").locator(".chevron").click()
    frame.evaluate("() => document.scrollingElement.scrollTo(0, 0)")
    away = True
    panel.heatmap.wait_for(state="detached", timeout=40_000)
    away = False
    panel.heatmap.wait_for(timeout=40_000)
    panel.drawn(step=NAN_STEP, layer=NAN_LAYER)
    panel.page.wait_for_timeout(1000)
    assert frame.evaluate(scrolled) == 0
    assert item(panel, "gpt/block_1/mlp").get_attribute("aria-expanded") == "false"
    assert panel.complaints == []
    panel.page.unroute_all(behavior="ignoreErrors")
    panel.page.close()
