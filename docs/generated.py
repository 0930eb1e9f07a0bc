"""The site's pages that the repository has already: made of their sources when the site is built, never copied.

A hook of MkDocs. Rules, examples, the HTTP API and the changelog become pages; links that lead out of docs/ lead to
them. It changes no file.
"""

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

from adamax_tb import schema
from adamax_tb.rules import RULE_NAMES, manual

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
#: What of the repository is in the site: path → where.
PLACED = {
    "adamax_tb/rules/pages": "rules/index.md",
    **{f"adamax_tb/rules/pages/{rule}.md": f"rules/{rule}.md" for rule in RULE_NAMES},
    **{f"examples/{path.name}": f"examples/{path.stem}.md" for path in EXAMPLES},
    "examples/panel.png": "panel.png",
    "tb_plugin/http_api.md": "reference/http-api.md",
    "CHANGELOG.md": "changelog.md",
}
#: What an optimizer must have for a statistic: `Statistic.needs` → words.
NEEDS = {"": "", "memory": "a state that fades"}

_PICTURE = re.compile(r"!\[([^\]]*)\]\(([a-z-]+)\.svg\)")
_PLACE = re.compile(r'<div data-picture="([a-z-]+)"></div>')
#: A link to a file of the repository that is not in docs/.
_OUTSIDE = re.compile(
    r"\[([^\]]+)\]\((?:\.\./)+((?:examples|tests|adamax_tb|tb_plugin)/[^)#]+|[A-Z]+(?:\.md)?)\)"
)


def on_config(config: Any) -> Any:
    """Puts the pages of rules and examples into the navigation."""
    sections = {title: pages for entry in config.nav for title, pages in entry.items()}
    sections["Rules"] += [f"rules/{rule}.md" for rule in RULE_NAMES]
    sections["Examples"] += [f"examples/{path.stem}.md" for path in EXAMPLES]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages."""

    def add(path: str, text: str) -> None:
        files.append(File.generated(config, path, content=text))

    add("changelog.md", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    routes = (ROOT / "tb_plugin" / "http_api.md").read_text("utf-8")
    add("reference/http-api.md", routes.replace("[T][C]", r"[T]\[C]"))  # else it is a link to C
    files.append(
        File.generated(config, "panel.png", abs_src_path=str(ROOT / "examples" / "panel.png"))
    )
    add("rules/index.md", _rules())
    for rule in RULE_NAMES:
        page = _PICTURE.sub(r'<div data-picture="\2"></div>', manual.page(rule))
        add(f"rules/{rule}.md", page)
    add("examples/index.md", _examples())
    for path in EXAMPLES:
        add(f"examples/{path.stem}.md", _example(path))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fills in tables, and turns links out of docs/ into links to pages, or the file's name."""
    for place, filled in PLACES.items():
        markdown = markdown.replace(f"<!-- {place} -->", filled())
    up = "../" * page.file.src_uri.count("/")

    def link(match: re.Match[str]) -> str:
        words, path = match[1], match[2].rstrip("/")
        if path in PLACED:
            return f"[{words}]({up}{PLACED[path]})"
        return f"{words} (`{path}`)" if words.strip("`") != path else f"`{path}`"

    return _OUTSIDE.sub(link, markdown)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Puts the rules' pictures into their pages, where they take the colours of the text."""

    def picture(match: re.Match[str]) -> str:
        svg = manual.picture(match[1]).replace("<svg ", '<svg role="img" ', 1)
        return f'<figure class="rule-picture" tabindex="0" aria-label="Picture">{svg}</figure>'

    return _PLACE.sub(picture, html)


def _rules() -> str:
    lines = [
        "# Rules",
        "",
        "What a finding's rule means, what it looks like, how it is decided, what to do, and how well it does. Numbers",
        "on these pages are the code's own, and what was measured.",
        "",
        "| rule | |",
        "|---|---|",
    ]
    for rule in RULE_NAMES:
        title = manual.page(rule).splitlines()[0].removeprefix("# ")
        lines.append(f"| [`{rule}`]({rule}.md) | {title} |")
    return "\n".join(lines) + "\n"


def _examples() -> str:
    lines = [
        "# Examples",
        "",
        "Whole scripts, each with what to look at. They need `pip install '.[demo]'`.",
        "",
    ]
    for path in EXAMPLES:
        words = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        lines.append(f"- [{path.name}]({path.stem}.md): {words.splitlines()[0]}")
    return "\n".join(lines) + "\n"


def _example(path: Path) -> str:
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    words = (ast.get_docstring(tree) or path.stem).split("\n", 1)
    code = "\n".join(source.splitlines()[tree.body[0].end_lineno :]).strip("\n")
    rest = words[1] if len(words) > 1 else ""
    return f"# {path.name}\n\n{words[0]}\n{rest}\n\n```python\n{code}\n```\n"


def _statistics() -> str:
    """Returns the table of `schema.STATS`."""
    lines = ["| name | unit | needs | meaning |", "|---|---|---|---|"]
    for s in schema.STATS:
        meaning = s.description.replace("|", "\\|")
        lines.append(
            f"| `{s.name}` | {s.unit} | {NEEDS.get(s.needs, s.needs)} | **{s.label}.** {meaning} |"
        )
    return "\n".join(lines)


def _proto() -> str:
    source = (ROOT / "adamax_tb" / "schema.proto").read_text("utf-8")
    return f"```proto\n{source[source.index('message Layer {') :].strip()}\n```"


#: `<!-- NAME -->` in a page → what stands there.
PLACES = {
    "STATS": _statistics,
    "PROTO": _proto,
    "REASONS": lambda: ", ".join(schema.FLIGHT_REASONS),
    "VERSION": lambda: str(schema.VERSION),
}
