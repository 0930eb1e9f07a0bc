"""The documentation builds without a warning, leads nowhere that is not, loads nothing from elsewhere; code is code."""

import ast
import html.parser
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
#: Tag → the attribute by which it loads something. A link may load: an icon, a style sheet.
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
#: Links that a browser does not load.
NAMES_ONLY = {"canonical", "next", "prev", "alternate", "edit"}
_CODE = re.compile(r"^( *)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_RUNS = re.compile(r"<!-- runs -->\n+```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Page(html.parser.HTMLParser):
    """What a page loads, where it leads, and the places in it."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        self.ids |= {has[name] for name in ("id", "name") if has.get(name)}
        if tag == "a" and has.get("href"):
            self.links.append(has["href"])
        if has.get("rel") not in NAMES_ONLY and has.get(LOADS.get(tag)):
            self.loads.append(has[LOADS[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "WARNING" not in said, said
    return directory


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}


def test_no_page_loads_anything_from_elsewhere(site, pages):
    loads = {load for page in pages.values() for load in page.loads}
    assert "assets/javascripts" in " ".join(loads)  # it does see what is loaded
    assert [load for load in loads if urlsplit(load).netloc] == []
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text("utf-8"))


def test_every_link_and_every_place_on_a_page_is_there(site, pages):
    broken, followed = [], 0
    for path, page in pages.items():
        if path.name == "404.html":  # its links are from the site's root
            continue
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            place = unquote(parts.fragment)
            followed += 1
            known = place in pages[target].ids if place and target in pages else target.exists()
            if not known and not place.startswith("__"):
                broken.append((str(path.relative_to(site)), link))
    assert followed > 1000
    assert broken == []


def test_every_rule_and_every_example_has_a_page(site):
    rules = {path.stem for path in (ROOT / "adamax_tb" / "rules" / "pages").glob("*.md")}
    assert rules == {path.stem for path in (site / "rules").glob("*.html")} - {"index"}
    examples = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert examples == {path.stem for path in (site / "examples").glob("*.html")} - {"index"}


def test_a_rules_page_has_its_picture_and_its_numbers(site):
    text = (site / "rules" / "spike-stall.html").read_text("utf-8")
    assert '<svg role="img"' in text
    assert "{{" not in text


def test_every_statistic_is_described(site):
    from adamax_tb import schema

    text = (site / "reference" / "statistics.html").read_text("utf-8")
    for name in (*(statistic.name for statistic in schema.STATS), *schema.STEP_STATS):
        assert f"<code>{name}</code>" in text


def test_every_public_name_is_described(site):
    import adamax_tb

    text = "".join(path.read_text("utf-8") for path in (site / "reference").glob("*.html"))
    for name in adamax_tb.__all__:
        assert re.search(rf'<h2 id="adamax_tb\.[\w.]*\b{name}"', text), name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_code_of_a_page_is_code(path):
    for match in _CODE.finditer(path.read_text("utf-8")):
        ast.parse(textwrap.dedent(match[2]))


@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if _RUNS.search(path.read_text("utf-8"))],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_the_code_of_a_page_runs(tmp_path, path):
    code = "\n".join(_RUNS.findall(path.read_text("utf-8")))
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_the_site_works_from_a_folder_and_its_search_finds(site, chromium):
    page = chromium.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((site / "index.html").as_uri())
    page.get_by_role("textbox", name="Search").press_sequentially("spike stall")
    page.locator(".md-search-result__link").first.click()
    page.wait_for_url("**/rules/spike-stall.html*")
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert errors == []
