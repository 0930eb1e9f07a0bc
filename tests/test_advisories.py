"""What the databases of advisories answer, or do not, is not mistaken for a clean bill: `make audit`."""

import json

import advisories
from advisories import Answer, of_npm, of_python, told

NOT_LOOKED_AT = "NOT LOOKED AT"


def python_answer(*packages):
    return json.dumps({"dependencies": list(packages), "fixes": []})


CLEAN = {"name": "a", "version": "1", "vulns": []}
SICK = {
    "name": "b",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2"], "fix_versions": ["3"], "description": ""}],
}
SKIPPED = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


def npm_answer(*advisories):
    via = [*advisories, "another-package"]
    return "npm warn\n" + json.dumps(
        {
            "auditReportVersion": 2,
            "vulnerabilities": {"x": {"name": "x", "via": via}, "y": {"name": "y", "via": via}},
            "metadata": {"dependencies": {"total": 12}},
        }
    )


def test_an_advisory_is_told_with_the_version_that_has_it_mended():
    answer = of_python(python_answer(CLEAN, SICK, SKIPPED))
    assert answer == Answer(["b 2: PYSEC-1, mended in 3"], 2, ["c: Dependency not found on PyPI"])
    assert "2 packages looked at, 1 advisories" in told("Python", answer)[0]
    assert told("Python", answer)[2] == "  not looked at: c: Dependency not found on PyPI"


def test_an_advisory_of_npm_is_told_once():
    advisory = {"name": "x", "severity": "high", "title": "T", "url": "https://example.org/GHSA-1"}
    assert of_npm(npm_answer(advisory)).found == ["x: high, T (https://example.org/GHSA-1)"]
    assert of_npm(npm_answer()) == Answer([], 12, [])


def test_what_is_ignored_is_not_told(monkeypatch):
    advisory = {"name": "x", "severity": "high", "title": "T", "url": "https://example.org/GHSA-1"}
    monkeypatch.setattr(advisories, "IGNORED", {"CVE-2": "not called", "GHSA-1": "not called"})
    assert of_python(python_answer(SICK)).found == []
    assert of_npm(npm_answer(advisory)).found == []


def test_no_answer_is_not_taken_for_a_clean_one():
    for text in ("", "Traceback (most recent call last):", "[]", '{"error": {}}', "{", "null"):
        assert NOT_LOOKED_AT in told("Python", of_python(text))[0]
        assert NOT_LOOKED_AT in told("The panel", of_npm(text))[0]
    # a mirror that knows no package at all has none with an advisory
    assert NOT_LOOKED_AT in told("Python", of_python(python_answer(SKIPPED, SKIPPED)))[0]


def test_every_ignored_advisory_has_a_reason():
    assert all(len(reason) > 10 for reason in advisories.IGNORED.values())


def test_what_cannot_be_asked_is_said_once_and_nothing_is_silent_meanwhile(monkeypatch, capsys):
    monkeypatch.setattr(advisories, "ask_python", lambda: of_python(python_answer(CLEAN, SICK)))
    monkeypatch.setattr(advisories, "ask_npm", lambda folder: None)
    assert advisories.main() == 1
    first, python, advisory, *asking, last = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in (first, *asking)] == [
        "Python",
        "The panel",
        "The panel's tests",
    ]
    assert "2 packages looked at, 1 advisories" in python
    assert "PYSEC-1" in advisory
    assert last.startswith(f"The panel; The panel's tests: {NOT_LOOKED_AT}")
    monkeypatch.setattr(advisories, "ask_python", lambda: None)
    assert advisories.main() == 0
    assert capsys.readouterr().out.count(NOT_LOOKED_AT) == 1
