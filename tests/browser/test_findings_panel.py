"""The findings on the page: what is told, in which order, and how a finding takes the whole page to its place."""

import json

import numpy as np
import pytest
from crash import crash
from panel import OUTPUT, Panel
from synthetic import write_run
from views import address_holds
from views import go as go_to

EMBEDDINGS = [(f"embedding_{n}/embeddings", (1000, 8)) for n in range(8)]
STEPS = np.arange(10, 401, 10)


@pytest.fixture(scope="module")
def address(tmp_path_factory, serve_all):
    """A run that crashed, one of seven consequences, and one whose only finding is about no layer."""
    logdir = tmp_path_factory.mktemp("findings")
    crash(logdir / "crashed")
    untouched = {"u_zeros": np.full((40, 8), 0.95, np.float32)}
    write_run(logdir / "rows", STEPS, untouched, np.full(40, 2.0), layers=EMBEDDINGS)
    skipped = {"loss_scale": np.ones(40), "skipped_steps": np.full(40, 9)}
    write_run(logdir / "skipped", STEPS, step_stats=skipped)
    return serve_all(logdir)


@pytest.fixture(scope="module")
def opened(chromium, address):
    """The page that these tests share; each goes to a view of its own."""
    panel = Panel(chromium, address, height=900).wait()
    yield panel
    assert panel.complaints == []


@pytest.fixture
def view(opened):
    """`view(run)` goes to a run as if nothing had been chosen before, and returns the panel."""

    def go(run):
        opened.dark(False)
        go_to(opened, run=run, runs=run)
        opened.drawn(run=run, layer="", step="")
        opened.frame.locator("html").evaluate("html => html.scrollTo(0, 0)")
        return opened

    return go


def cards(panel):
    return panel.frame.locator("article.finding")


def in_sight(panel, place):
    """Waits until a part of the page is in sight as far as it fits, below the bar that stays."""
    place.evaluate("""async node => {
        for (let frame = 0; frame < 300; frame++) {
            const {top, bottom} = node.getBoundingClientRect();
            const bar = document.querySelector('.run-bar').getBoundingClientRect();
            if (bar.top >= 0 && top >= bar.bottom - 1 && bottom <= innerHeight + 1) return;
            if (bar.top >= 0 && Math.abs(top - bar.bottom) < 30 && bottom > innerHeight) return;
            await new Promise(requestAnimationFrame);
        }
        throw new Error(`out of sight: ${JSON.stringify(node.getBoundingClientRect())}`);
    }""")


def test_a_finding_takes_the_whole_page_to_its_place(view):
    panel = view("crashed")
    card = cards(panel).first
    layer, step = card.get_attribute("data-layer"), card.get_attribute("data-step")
    panel.heatmap.locator("#statistic").select_option("u_mean")
    card.scroll_into_view_if_needed()
    card.get_by_role("button", name="Show at step").click()
    panel.drawn(layer=layer, step=step, statistic="gradient_norm")
    in_sight(panel, panel.heatmap)
    assert "current" in card.get_attribute("class").split()
    assert panel.heatmap.locator(".cross-column").count() == 1
    curves = panel.frame.locator(f'[data-testid=curves][data-layer="{layer}"] figure.chart canvas')
    curves.first.wait_for()
    panel.screenshot("findings-scrolled-light")
    panel.dark()
    panel.screenshot("findings-scrolled-dark")


def test_the_head_of_a_card_opens_it_and_shows_its_place_and_the_address_says_so(view):
    panel = view("crashed")
    head = cards(panel).first.locator(".head")
    assert head.get_attribute("aria-expanded") == "true"
    head.click()
    assert head.get_attribute("aria-expanded") == "false"
    assert not cards(panel).first.locator(".body").is_visible()
    address_holds(panel, "open", ",")
    assert panel.heatmap.get_attribute("data-step") == ""  # closing goes nowhere
    panel.page.reload()
    panel.wait()
    assert head.get_attribute("aria-expanded") == "false"
    head.focus()
    panel.page.keyboard.press("Enter")
    panel.drawn(step=cards(panel).first.get_attribute("data-step"))
    assert head.get_attribute("aria-expanded") == "true"
    in_sight(panel, panel.heatmap)


def test_a_mark_above_the_bars_track_leads_back_up_from_below(view):
    panel = view("crashed")
    panel.frame.locator("[data-testid=curves]").scroll_into_view_if_needed()
    panel.frame.locator("html").evaluate("html => html.scrollTo(0, html.scrollHeight)")
    bar = panel.frame.locator(".run-bar")
    assert bar.bounding_box()["y"] == pytest.approx(
        panel.page.locator("iframe").bounding_box()["y"], abs=1
    )
    bar.locator(".timeline button").first.click()
    in_sight(panel, panel.heatmap)


def test_what_is_about_no_layer_shows_the_loss_beside_the_heat_map(view):
    panel = view("skipped")
    card = cards(panel).first
    assert card.get_attribute("data-layer") == ""
    assert "in the whole run" in card.inner_text()
    card.get_by_role("button", name="Show at step").click()
    panel.drawn(step=card.get_attribute("data-step"))
    in_sight(panel, panel.frame.locator("[data-testid=steps]"))
    assert "current" in card.get_attribute("class").split()


def test_the_first_consequences_are_told_and_the_others_asked_for(view):
    panel = view("rows")
    (card,) = cards(panel).all()
    assert card.locator("button.consequence").count() == 7
    assert [c.is_visible() for c in card.locator("button.consequence").all()] == [True] * 3 + [
        False
    ] * 4
    card.locator("summary", has_text="4 more consequences").click()
    last = card.locator("button.consequence").last
    layer = last.get_attribute("data-layer")
    assert layer == "embedding_7/embeddings"
    last.click()
    panel.drawn(layer=layer, statistic="u_zeros")
    assert last.get_attribute("aria-current") == "true"
    panel.screenshot("consequences")


def multiplied(context, rules=None):
    """Makes the only finding of `crashed` one of several, in every answer from now on."""

    def multiply(route):
        answer = route.fetch()
        told = answer.json()
        for run in told["runs"]:
            if run["name"] == "crashed" and run["findings"]:
                (finding,) = run["findings"]
                names = [f"rule-{n}" for n in range(8)] if rules is None else rules
                copies = [{**finding, "rule": name, "consequences": []} for name in names]
                run["findings"] = [finding, *copies]
        route.fulfill(response=answer, body=json.dumps(told))

    context.route("**/optimizer_health/runs*", multiply)


def test_more_than_six_findings_are_told_when_they_are_asked_for(chromium, address):
    context = chromium.new_context()

    multiplied(context)
    panel = Panel(context, address).wait()
    panel.frame.get_by_role("heading", name="9 findings").wait_for()
    assert cards(panel).count() == 6
    panel.frame.get_by_role("button", name="Show 3 more findings").click()
    assert cards(panel).count() == 9
    address_holds(panel, "all", "1")
    panel.screenshot("nine-findings")
    panel.frame.get_by_role("button", name="Show the first 6 findings").click()
    assert cards(panel).count() == 6
    assert panel.complaints == []
    context.close()


@pytest.mark.parametrize("section", ["heatmap", "steps", "flight"])
def test_what_is_scrolled_to_is_not_below_the_bar(view, section):
    panel = view("crashed")
    panel.heatmap.locator("#layer").select_option("dense_1/kernel")
    place = panel.frame.locator(f"[data-testid={section}]")
    panel.frame.locator("html").evaluate("html => html.scrollTo(0, html.scrollHeight)")
    place.evaluate("node => node.scrollIntoView()")
    bar = panel.frame.locator(".run-bar").bounding_box()
    top = place.bounding_box()["y"]
    assert top >= bar["y"] + bar["height"]


def test_a_card_tells_the_story_and_each_part_of_it_leads_to_its_place(view):
    panel = view("crashed")
    (card,) = panel.frame.locator("article.finding").all()
    assert card.get_attribute("data-rule") == "exploding-gradient"
    assert "exploding-gradient, with 1 consequence" in panel.frame.locator("h1").inner_text()
    consequence = card.locator("button.consequence", has_text="nonfinite")
    assert consequence.inner_text() == "Then, since step 400: nonfinite in dense_2/bias"
    text = card.inner_text()
    order = ["explodes: within", "Then, since step 400", "growth", "What to do", "About this rule"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    consequence.focus()
    panel.page.keyboard.press("Enter")
    panel.drawn(layer="dense_2/bias", step="400", statistic="nonfinite")
    assert consequence.get_attribute("aria-current") == "true"
    step = card.get_attribute("data-step")
    card.get_by_role("button", name="Show at step").click()
    panel.drawn(step=step, statistic="gradient_norm")
    assert consequence.get_attribute("aria-current") == "false"
    panel.screenshot("story-light")
    panel.dark()
    panel.screenshot("story-dark")


def test_a_card_leads_to_the_page_about_its_rule_in_a_tab_of_its_own(view):
    panel = view("crashed")
    panel.dark()
    card = panel.frame.locator("article.finding").first
    reference = card.locator(".reference a")
    assert reference.get_attribute("href") == "https://arxiv.org/abs/1211.5063"
    about = card.get_by_role("link", name="About this rule")
    assert {about.get_attribute("rel"), about.get_attribute("target")} == {"noopener", "_blank"}
    about.focus()
    with panel.page.expect_popup() as opened:
        panel.page.keyboard.press("Enter")
    page, complaints = opened.value, []
    page.on("console", lambda message: complaints.append(message.text))
    page.wait_for_load_state()
    assert page.title() == "exploding-gradient · Optimizer health"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(48, 48, 48)"
    assert page.evaluate("window.opener") is None
    line = page.locator("svg path.sick").first
    assert line.evaluate("line => getComputedStyle(line).stroke") == "rgb(255, 161, 153)"
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / "rule-dark.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 800})
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide)
    page.locator("a", has_text="nonfinite").first.click()
    page.wait_for_url("**/rule?name=nonfinite&theme=dark")
    assert "NaN or infinity" in page.locator("h1").inner_text()
    assert panel.heatmap.get_attribute("data-step") in (None, "")  # a link is no click on the card
    assert complaints == []
    page.close()


def focused(panel):
    return panel.frame.locator("html").evaluate(
        "() => (document.activeElement.closest('article')?.dataset.rule ?? '')"
        " + '/' + document.activeElement.textContent"
    )


def test_muting_keeps_the_focus_and_what_is_open_and_says_so(chromium, address):
    context = chromium.new_context()
    multiplied(context)
    panel = Panel(context, address).wait()
    panel.frame.get_by_role("heading", name="9 findings").wait_for()
    fifth = cards(panel).nth(4)
    rule = fifth.get_attribute("data-rule")
    fifth.locator(".head").click()
    fifth.evaluate("card => { card.dataset.same = 1 }")
    third = cards(panel).nth(2)
    gone, following = third.get_attribute("data-rule"), cards(panel).nth(3)
    next_rule = following.get_attribute("data-rule")
    third.get_by_role("button", name="Mute").press("Enter")
    panel.frame.get_by_role("heading", name="8 findings").wait_for()
    assert focused(panel) == f"{next_rule}/Mute {next_rule}"
    said = panel.frame.locator("section.findings > [role=status]")
    assert gone in said.inner_text()
    assert "muted, can be told again below" in said.inner_text()
    moved = panel.frame.locator(f'article.finding[data-rule="{rule}"]')
    assert moved.locator(".head").get_attribute("aria-expanded") == "true"
    assert moved.get_attribute("data-same") == "1"  # the cards after it are not made anew
    panel.frame.locator(".muted-findings summary").press("Enter")
    panel.frame.get_by_role("button", name="Tell again").press("Enter")
    panel.frame.get_by_role("heading", name="9 findings").wait_for()
    assert focused(panel) == "/Findings"
    assert "told again" in said.inner_text()
    panel.frame.get_by_role("button", name="Show 3 more findings").press("Enter")
    seventh = cards(panel).nth(6).get_attribute("data-rule")
    assert focused(panel).startswith(f"{seventh}/")
    assert panel.complaints == []
    context.close()
