"""A rule's page of the manual as HTML: one document that loads nothing and runs no script."""

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import urlencode

from tensorboard import plugin_util

from adamax_tb.rules import manual

#: The page follows the browser unless it is told one of these.
THEMES = ("light", "dark")

_STYLE = (Path(__file__).parent / "rule_page.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
#: Nothing may be loaded or run, but for the style sheet inside the page.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
)

_IMAGE = re.compile(r'<p><img alt="([^"]*)" src="([a-z-]+)\.svg"></p>')
_PAGE_LINK = re.compile(r'href="([a-z-]+)\.md"')


def rule_page(rule: str, theme: str | None = None) -> str:
    """Returns the page of `rule`, in `theme` or as the browser prefers it.

    Links to other rules are relative to this page's address, `rule?name=RULE`.

    Raises:
        KeyError: there is no such rule.
    """
    chosen = {"theme": theme} if theme in THEMES else {}

    def link(match: re.Match[str]) -> str:
        address = urlencode({"name": match[1], **chosen}).replace("&", "&amp;")
        return f'href="rule?{address}"'

    def picture(match: re.Match[str]) -> str:
        svg = manual.picture(match[2]).replace("<svg ", '<svg role="img" ', 1)
        return f'<figure tabindex="0" aria-label="Picture">{svg}</figure>'

    text = plugin_util.markdown_to_safe_html(manual.page(rule))
    body = _IMAGE.sub(picture, _PAGE_LINK.sub(link, text))
    return (
        f'<!DOCTYPE html>\n<html lang="en" class="{theme if chosen else "any"}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{rule} · Optimizer health</title>'
        f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )
