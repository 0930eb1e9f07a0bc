"""The pages of the rules: that they say what the code does, and can be read."""

import ast
import inspect
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from adamax_tb.rules import RULE_NAMES, manual, references

SECTIONS = (
    "What it means",
    "What it looks like",
    "How it is decided",
    "What to do",
    "How well it does",
    "See also",
    "References",
)
PAIR = {"part": "test", "recall": [6, 7], "precision": [6, 6], "healthy_alarms": [0, 60]}


def section(text, title):
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def constants(module):
    """The numbers that a module itself defines under names in capitals."""
    tree = ast.parse(inspect.getsource(module))
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    names = [t.id for t in targets if isinstance(t, ast.Name) and t.id.isupper()]
    return {n for n in names if isinstance(getattr(module, n), int | float)}


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_a_page_is_short_and_has_all_sections_in_their_order(rule):
    text = manual.source(rule)
    lines = text.splitlines()
    assert lines[0].startswith("# ")
    assert lines[2] == f"Rule `{rule}`"
    assert tuple(line[3:] for line in lines if line.startswith("## ")) == SECTIONS
    assert 40 <= len(lines) <= 80
    assert max(len(line) for line in lines if not line.startswith("![")) <= 126
    assert section(text, "How well it does").strip() == "{{measured}}"
    assert section(text, "What it looks like").strip().startswith("![")
    assert "{{" not in manual.page(rule)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_number_that_decides_comes_from_the_code_and_is_named_as_there(rule):
    decided = section(manual.source(rule), "How it is decided")
    filled = {name for _, name, _ in manual.PLACEHOLDER.findall(decided)}
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", decided))
    assert named == filled
    words = manual.PLACEHOLDER.sub("", decided)
    words = re.sub(r"`[^`]*`|\]\([^)]*\)|\bbeta_\d|\bfloat\d+", "", words)
    assert not re.search(r"[1-9]", words), re.findall(r".*[1-9].*", words)


def test_no_threshold_of_a_rule_is_kept_from_its_reader():
    pages = {}
    for rule in RULE_NAMES:
        pages.setdefault(manual.module_of(rule), []).append(manual.source(rule))
    for module, texts in pages.items():
        found = manual.PLACEHOLDER.findall("".join(texts))
        missing = constants(module) - {name for shared, name, _ in found if not shared}
        assert not missing, f"{module.__name__}: {missing}"


def test_a_page_follows_its_rules_constants(monkeypatch):
    from adamax_tb.rules import course, learning_rate

    monkeypatch.setattr(learning_rate, "TOO_FAR", 0.77)
    monkeypatch.setattr(course, "POOR", 0.415)
    page = manual.page("learning-rate-too-high")
    assert "promises 0.77 first losses or more" in page
    assert "More than 41.5 % of the first loss is left" in page


def test_a_constant_that_is_gone_is_an_error_that_names_page_and_constant(monkeypatch):
    from adamax_tb.rules import skipped_steps

    monkeypatch.delattr(skipped_steps, "SETTLING")
    with pytest.raises(ValueError, match="skipped-steps names SETTLING"):
        manual.page("skipped-steps")


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_links_lead_to_pages_that_are_there_and_to_addresses(rule):
    text = manual.source(rule)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, extension = target.rpartition(".")
        assert name in RULE_NAMES, target
        assert extension == "md" if name != rule else extension == "svg"
    addresses = re.findall(r"<(\S+)>", section(text, "References"))
    assert len(addresses) >= 2
    assert all(a.startswith("https://") for a in addresses)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_what_a_finding_refers_to_is_on_the_page(rule):
    source = inspect.getsource(inspect.getmodule(manual.module_of(rule)))
    used = re.findall(r"reference=references\.(\w+)", source)
    texts = [manual.source(r) for r in RULE_NAMES if manual.module_of(r) is manual.module_of(rule)]
    assert used
    for name in used:
        address = re.search(r"https://\S+", getattr(references, name))[0]
        assert any(f"<{address}>" in text for text in texts), name


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_what_to_do_holds_code_that_is_python(rule):
    blocks = re.findall(r"```python\n(.*?)```", section(manual.source(rule), "What to do"), re.S)
    assert blocks
    for block in blocks:
        compile(block, rule, "exec")
        assert max(map(len, block.splitlines())) <= 85  # what a page has room for


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_a_picture_is_small_loads_nothing_and_takes_the_pages_colour(rule):
    text = manual.picture(rule)
    assert len(text) < 30_000
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    drawn = {"svg", "title", "g", "path", "text", "rect", "circle"}
    assert {e.tag.removeprefix(space) for e in root.iter()} <= drawn
    attributes = {name: value for e in root.iter() for name, value in e.attrib.items()}
    assert not [n for n in attributes if n.startswith(("on", "{")) or n in ("href", "style")]
    colors = {e.get(a) for e in root.iter() for a in ("stroke", "fill") if e.get(a)}
    assert colors <= {"none", "currentColor", "#d9480f", "#2f86c9"}  # legible on light and dark
    assert len(root.find(f"{space}title").text) > 60
    assert "url(" not in text


def test_the_thresholds_in_pictures_are_the_codes():
    from adamax_tb.rules import exploding_gradient, learning_rate, vanishing_gradient

    for rule, label in {
        "exploding-gradient": f"{exploding_gradient.EXPLODED:g} times that",
        "vanishing-gradient": f"{vanishing_gradient.VANISHED_AND_FAILING:g} of the strongest",
        "learning-rate-too-high": f"{learning_rate.TOO_FAR:g}: too far",
        "learning-rate-too-low": f"{learning_rate.TOO_NEAR:g}: the least it takes",
    }.items():
        assert f">{label}</text>" in manual.picture(rule), f"draw {rule} anew: pictures.py {rule}"


def test_no_file_lies_beside_the_pages_that_no_rule_has():
    names = {path.name for path in manual._PAGES.iterdir()}
    expected = {f"{rule}.{kind}" for rule in RULE_NAMES for kind in ("md", "svg")}
    assert names == expected | {"measured.json"}


@pytest.mark.parametrize("name", ["nonsense", "", "../course", "nonfinite.md", "measured"])
def test_what_is_no_rule_has_no_page(name):
    for ask in (manual.page, manual.source, manual.picture):
        with pytest.raises(KeyError, match="no rule"):
            ask(name)


def test_what_is_published_can_be_read():
    assert set(manual.measured()) <= set(RULE_NAMES)


def test_a_rule_that_was_not_measured_says_so(monkeypatch):
    monkeypatch.setattr(manual, "measured", dict)
    assert section(manual.page("nonfinite"), "How well it does").strip() == "Not measured yet."


def test_what_was_measured_is_told_with_its_interval(monkeypatch):
    measured = manual.measured(json.dumps({"dead-units": {**PAIR, "every": 10}}))
    monkeypatch.setattr(manual, "measured", lambda: measured)
    told = section(manual.page("dead-units"), "How well it does")
    # Wilson, 1927: (6.0 + 1.92) / (7 + 3.84) is the middle
    assert "names it in 6 of 7 (86 %, 95 % interval 49 to 97 %)" in told
    assert "right in 6 of 6 (100 %, 95 % interval 61 to 100 %)" in told
    assert "0 of 60 (0 %, 95 % interval 0 to 6 %)" in told
    assert "kept out of sight" in told


def test_a_rule_that_nothing_was_there_to_measure_of_has_no_percentage(monkeypatch):
    none = {**PAIR, "recall": [0, 0], "precision": [0, 0]}
    measured = manual.measured(json.dumps({"dead-units": none}))
    monkeypatch.setattr(manual, "measured", lambda: measured)
    told = section(manual.page("dead-units"), "How well it does")
    assert "there was no such program" in told
    assert "no program with this as its first finding" in told


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"recall": [8, 7]}, "8 of 7"),
        ({"recall": [-1, 7]}, "-1 of 7"),
        ({"precision": 0.9}, "precision"),
        ({"precision": [1.0, 2]}, "precision"),
        ({"healthy_alarms": None}, "healthy_alarms"),
        ({"part": "guess"}, "part"),
    ],
)
def test_measurements_of_another_form_are_refused(change, what):
    with pytest.raises(ValueError, match=what):
        manual.measured(json.dumps({"nonfinite": {**PAIR, **change}}))
    with pytest.raises(ValueError, match="no rule"):
        manual.measured(json.dumps({"nonsense": PAIR}))


def test_the_manual_needs_no_framework():
    code = "import sys, adamax_tb.rules.manual as m; m.page('nonfinite')"
    code += "; sys.exit(bool({'keras', 'tensorflow', 'tensorboard'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
