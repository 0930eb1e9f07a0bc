"""Links from one file of the repository to another, as they are followed where files are read, not the built site."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
FILES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").glob("*.md"),
    *(ROOT / "tests").rglob("*.md"),
    *(ROOT / "adamax_tb" / "rules" / "pages").glob("*.md"),
    ROOT / "tb_plugin" / "http_api.md",
]
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def links(path):
    return _LINK.findall(_CODE.sub("", path.read_text("utf-8")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_to_one(path):
    places = [urlsplit(link) for link in links(path)]
    broken = [
        place.path
        for place in places
        if not place.scheme
        and place.path
        and not (path.parent / unquote(place.path)).resolve().exists()
    ]
    assert broken == []


def test_links_are_seen():
    assert "examples/panel.png" in links(ROOT / "README.md")
    assert "tutorial.md" in links(ROOT / "docs" / "guide" / "index.md")
