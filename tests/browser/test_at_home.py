"""The panel as a part of TensorBoard: its address, colours, prefix, reload, notebooks, and every width of window."""

import http.server
import threading

import numpy as np
import pytest
from panel import Panel
from synthetic import write_run
from views import address_holds

HASH = "p.optimizer_health."


def looked_at(panel):
    """Makes a view of the demo's runs that nobody has at first."""
    panel.select("exploding")
    panel.heatmap.locator("#statistic").select_option("u_mean")
    panel.heatmap.locator("#layer").select_option("digits/dense_3/kernel")
    panel.frame.get_by_label("Show vanishing in the curves").uncheck()
    panel.heatmap.locator(".plot").focus()
    for key in ("+", "+", "ArrowRight"):
        panel.page.keyboard.press(key)
    panel.frame.locator("article.finding .head").first.click()
    panel.page.wait_for_timeout(600)  # the address follows when the view has rested


def view_of(panel):
    """What the page shows, as its elements say."""
    heads = panel.frame.locator("article.finding .head").all()
    curves = panel.frame.locator("tr[data-run]:has(input[type=checkbox]:checked)").all()
    data = {name: panel.heatmap.get_attribute(f"data-{name}") for name in DATA}
    return data, {
        "open": [head.get_attribute("aria-expanded") for head in heads],
        "curves": [row.get_attribute("data-run") for row in curves],
    }


DATA = ("run", "statistic", "layer", "step", "zoom")


def test_the_address_holds_the_view_and_shows_it_to_others(chromium, demo_address):
    panel = Panel(chromium, demo_address).wait()
    assert HASH not in panel.page.url
    looked_at(panel)
    view = view_of(panel)
    assert view[0]["layer"] == "digits/dense_3/kernel"
    assert view[0]["zoom"]
    assert view[1]["curves"] == ["exploding", "healthy"]
    other = Panel(chromium, demo_address, view=panel.page.url.split("optimizer_health", 1)[1])
    assert view_of(other.wait()) == view
    panel.page.reload()
    assert view_of(panel.wait()) == view
    assert panel.complaints + other.complaints == []


def test_a_link_that_is_opened_in_the_same_tab_is_followed(chromium, demo_address):
    panel = Panel(chromium, demo_address).wait()
    name = "digits/dense_1/bias".replace("/", "~2F")
    panel.page.evaluate(
        f"location.hash = '#optimizer_health&{HASH}run=healthy&{HASH}layers={name}'"
    )
    panel.drawn(run="healthy", layer="digits/dense_1/bias")
    panel.page.go_back()
    panel.drawn(layer="")
    assert panel.complaints == []


def test_a_link_that_is_opened_before_the_address_follows_a_choice_is_followed(
    chromium, demo_address
):
    panel = Panel(chromium, demo_address).wait()
    for pause in (150, 190, 200, 210):  # the address follows 200 ms after a choice
        link = f"#optimizer_health&{HASH}run=vanishing&{HASH}nth={pause}"  # another one each time
        panel.select("healthy")
        opened = f"new Promise(done => setTimeout(() => done(location.hash = '{link}'), {pause}))"
        panel.page.evaluate(opened)
        panel.drawn(run="vanishing")
    assert panel.complaints == []


def test_the_link_to_a_view_is_copied(chromium, demo_address):
    context = chromium.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=demo_address)
    panel = Panel(context, demo_address).wait()
    panel.select("healthy")
    panel.frame.get_by_role("button", name="Copy link to this view").click()
    panel.frame.get_by_text("Copied", exact=True).wait_for()
    copied = panel.page.evaluate("navigator.clipboard.readText()")
    assert f"{HASH}run=healthy" in copied
    address_holds(panel, "run", "healthy")  # it follows
    assert HASH + "runs=" not in panel.page.url
    context.close()


def test_a_link_to_what_nobody_chose_shows_the_same_run_when_there_is_a_worse_one(
    chromium, serve, tmp_path
):
    write_run(tmp_path / "first", range(1, 41))
    address = serve(tmp_path, "--reload_interval=1")
    context = chromium.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    panel = Panel(context, address).wait()
    panel.frame.get_by_role("button", name="Copy link to this view").click()
    panel.frame.get_by_text("Copied", exact=True).wait_for()
    copied = panel.page.evaluate("navigator.clipboard.readText()")
    assert HASH not in panel.page.url
    norms = np.full((40, 4), np.nan, np.float32)
    bad = {"gradient_norm": norms, "nonfinite": np.ones_like(norms)}
    write_run(tmp_path / "a worse one", range(1, 41), bad)
    panel.row("a worse one").wait_for(timeout=20_000)
    other = Panel(context, address, view=copied.split("optimizer_health", 1)[1]).wait()
    other.drawn(run="first")
    assert view_of(other)[1]["curves"] == ["first"]
    usual = Panel(context, address).wait()
    usual.drawn(run="a worse one")
    assert panel.complaints + other.complaints + usual.complaints == []
    context.close()


def test_odd_names_go_through_the_address(chromium, serve, tmp_path):
    name = "a,b & c=d%20#ü"
    layers = [("dense, 1/kernel", (4, 4)), ("é&=/bias", (4,))]
    write_run(tmp_path / name, range(1, 41), layers=layers)
    write_run(tmp_path / "plain", range(1, 41), layers=layers)
    address = serve(tmp_path)
    panel = Panel(chromium, address).wait()
    panel.select(name)
    panel.heatmap.locator("#layer").select_option("é&=/bias")
    panel.page.wait_for_timeout(600)
    panel.page.reload()
    panel.wait().drawn(run=name, layer="é&=/bias")
    assert panel.complaints == []


def test_tensorboards_reload_loses_nothing(chromium, demo_address):
    panel = Panel(chromium, demo_address, height=700).wait()
    looked_at(panel)
    panel.frame.locator("html").evaluate("html => html.scrollTo(0, 300)")
    view = view_of(panel)
    panel.page.locator("app-header-reload button, button.reload-button").first.click()
    panel.page.wait_for_timeout(1500)
    assert view_of(panel) == view
    assert panel.frame.locator("html").evaluate("html => html.scrollTop") == 300
    assert panel.complaints == []


def test_the_panel_works_below_a_path_prefix(chromium, serve, demo_logdir):
    context = chromium.new_context()
    lost = []  # but for TensorBoard's own fonts, which it looks for in the wrong place
    context.on("response", lambda answer: answer.ok or lost.append(answer.url))
    panel = Panel(context, f"{serve(demo_logdir, '--path_prefix=/tb/x')}/tb/x").wait()
    looked_at(panel)
    view = view_of(panel)
    panel.page.reload()
    assert view_of(panel.wait()) == view
    with panel.page.expect_popup() as opened:
        panel.frame.locator("article.finding .head").first.click()
        panel.frame.get_by_role("link", name="About this rule").first.click()
    opened.value.wait_for_load_state()
    assert "/tb/x/data/plugin/optimizer_health/rule" in opened.value.url
    assert [url for url in lost if "/font-roboto/" not in url] == []
    context.close()


@pytest.fixture
def notebook():
    """A page of another origin that shows TensorBoard in a frame 800 pixels high, as %tensorboard does."""
    pages = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(pages["/"].encode())

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def page(address):
        pages["/"] = f'<iframe src="{address}" width="100%" height="800" frameborder="0"></iframe>'
        return f"http://127.0.0.1:{server.server_port}/"

    yield page
    server.shutdown()
    server.server_close()


def test_the_panel_works_in_a_notebook(chromium, demo_address, notebook):
    page = chromium.new_page(viewport={"width": 1100, "height": 900})
    page.goto(notebook(f"{demo_address}/#optimizer_health"))
    board = page.frame_locator("iframe")
    panel = board.frame_locator("iframe")
    panel.locator("[data-testid=heatmap][data-drawn=true]").wait_for(timeout=30_000)
    panel.locator('tr[data-run="healthy"] input[type=radio]').check()
    panel.locator("[data-testid=heatmap][data-run=healthy]").wait_for()
    panel.get_by_role("button", name="Copy link to this view").click()
    # no clipboard in a frame of another origin: the link is there to be copied, or it was by older means
    said = panel.locator(".copy-link")
    page.wait_for_timeout(300)
    told = said.inner_text() + "".join(i.input_value() for i in said.locator("input").all())
    assert "Copied" in told or f"{HASH}run=healthy" in told
    page.close()


SWATCHES = """() => Object.fromEntries([...document.querySelectorAll('.run-color-swatch')].map(swatch => {
    const row = swatch.closest('tb-data-table-content-row, [role=row]');
    return [row.textContent.trim().split(/\\s/)[0], getComputedStyle(swatch).backgroundColor];
}))"""


def test_runs_have_the_colours_that_time_series_gives_them(chromium, serve, tmp_path):
    from tensorboard.summary import Writer

    for name in ("b_scalars", "c_both", "a_ours"):
        if name != "a_ours":
            writer = Writer(str(tmp_path / name))
            for step in range(3):
                writer.add_scalar("loss", 1.0, step)
            writer.close()
        if name != "b_scalars":
            write_run(tmp_path / name, range(1, 41))
    panel = Panel(chromium, serve(tmp_path)).wait()
    ours = {
        name: panel.row(name)
        .locator(".swatch")
        .evaluate("swatch => getComputedStyle(swatch).backgroundColor")
        for name in ("a_ours", "c_both")
    }
    panel.page.get_by_role("tab", name="Time Series").first.click()
    panel.page.locator(".run-color-swatch").first.wait_for(timeout=20_000)
    theirs = panel.page.evaluate(SWATCHES)
    assert len(theirs) == 3
    assert ours == {name: theirs[name] for name in ours}
    assert len(set(ours.values())) == 2


def test_a_run_keeps_its_colour_when_another_comes_before_it(chromium, serve, tmp_path):
    write_run(tmp_path / "b", range(1, 41))
    panel = Panel(chromium, serve(tmp_path, "--reload_interval=1")).wait()
    color = "swatch => getComputedStyle(swatch).backgroundColor"
    before = panel.row("b").locator(".swatch").evaluate(color)
    write_run(tmp_path / "a", range(1, 41))
    panel.row("a").wait_for(timeout=20_000)
    assert panel.row("b").locator(".swatch").evaluate(color) == before
    assert panel.row("a").locator(".swatch").evaluate(color) != before
    assert panel.complaints == []


@pytest.mark.parametrize("width", [900, 1280, 1920, 2560])
def test_nothing_is_cut_off_at_any_width(chromium, demo_address, width):
    panel = Panel(chromium, demo_address, width=width, height=1400).wait()
    panel.frame.locator("article.finding").first.get_by_role("button", name="Show at step").click()
    panel.frame.locator("[data-testid=curves] figure canvas").first.wait_for()
    panel.frame.locator("html").evaluate("html => html.scrollTo(0, 0)")
    wide = "html => [html.scrollWidth, html.clientWidth]"
    shown, room = panel.frame.locator("html").evaluate(wide)
    assert shown <= room
    cut = """main => [...main.querySelectorAll('*')].filter(node => {
        const box = node.getBoundingClientRect();
        const clipped = node => node !== main
            && (getComputedStyle(node).overflowX !== 'visible' || clipped(node.parentElement));
        return box.width > 0 && box.right > main.getBoundingClientRect().right + 1
            && !node.closest('.unseen, .tip') && !clipped(node.parentElement);
    }).map(node => node.className || node.tagName)"""
    assert panel.frame.locator("main").evaluate(cut) == []
    panel.screenshot(f"width-{width}-light")
    panel.dark()
    panel.screenshot(f"width-{width}-dark")
    assert panel.complaints == []


def test_nothing_is_asked_for_while_the_tab_is_hidden(chromium, serve, tmp_path):
    write_run(tmp_path / "run", range(1, 41), loss=np.ones(40))
    from tensorboard.summary import Writer

    writer = Writer(str(tmp_path / "run"))
    writer.add_scalar("loss", 1.0, 1)
    writer.close()
    panel = Panel(chromium, serve(tmp_path, "--reload_interval=1")).wait()
    asked = []
    panel.page.on("request", lambda request: asked.append(request.url))
    panel.page.get_by_role("tab", name="Time Series").first.click()
    panel.page.wait_for_timeout(2500)
    ours = [url for url in asked if "/plugin/optimizer_health/" in url]
    assert len(ours) <= 1  # what was on its way
    panel.page.get_by_role("tab", name="Optimizer health").first.click()
    panel.page.wait_for_timeout(2500)
    assert len([url for url in asked if "/plugin/optimizer_health/" in url]) > len(ours)
    assert panel.complaints == []
