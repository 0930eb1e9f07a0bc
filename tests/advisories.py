"""Known advisories against what is installed here: pip-audit for Python, `npm audit` for the panel and its tests.

    python tests/advisories.py

Ends with 1 when there is an advisory that is not in `IGNORED`. A database that cannot be asked ends nothing: that is
said, with what was therefore not looked at.
"""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: pip-audit and what it needs are not among what is audited.
TOOLS = ROOT / "build" / "audit"
PIP_AUDIT = "pip-audit>=2.9,<3"
#: Where pip-audit can ask; the second is asked if the first gives no answer.
DATABASES = ("osv", "pypi")
SECONDS = 300

#: Advisory → why it does not concern this project. None so far.
IGNORED: Mapping[str, str] = {}


@dataclass(frozen=True)
class Answer:
    """What a database says.

    Attributes:
        found: a line per advisory.
        looked_at: how many packages it knows of.
        unknown: those that it does not know, and why.
    """

    found: list[str] = field(default_factory=list)
    looked_at: int = 0
    unknown: list[str] = field(default_factory=list)


def of_python(text: str) -> Answer | None:
    """What `pip-audit --format json` printed; None if that is no answer."""
    try:
        dependencies = json.loads(text)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    found = [
        f"{package['name']} {package['version']}: {advisory['id']}, mended in "
        f"{', '.join(advisory['fix_versions']) or 'no version yet'}"
        for package in dependencies
        for advisory in package.get("vulns", ())
        if not {advisory["id"], *advisory.get("aliases", ())} & IGNORED.keys()
    ]
    unknown = [f"{p['name']}: {p['skip_reason']}" for p in dependencies if "skip_reason" in p]
    return Answer(found, len(dependencies) - len(unknown), unknown)


def of_npm(text: str) -> Answer | None:
    """What `npm audit --json` printed; None if that is no answer."""
    try:
        document = json.loads(text[text.index("{") : text.rindex("}") + 1])
        packages, counts = document["vulnerabilities"], document["metadata"]["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    advisories = {
        advisory[
            "url"
        ]: f"{advisory['name']}: {advisory['severity']}, {advisory['title']} ({advisory['url']})"
        for package in packages.values()
        for advisory in package["via"]
        if isinstance(advisory, dict)  # else it is the name of the package that has it
    }
    found = [line for url, line in advisories.items() if url.rpartition("/")[2] not in IGNORED]
    return Answer(found, counts["total"])


def printed_by(*command: str) -> str:
    """What a command prints, however it ends."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout


def ask_python() -> Answer | None:
    """Asks about the packages of the environment that this runs in."""
    python = TOOLS / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        printed_by(sys.executable, "-m", "venv", str(TOOLS))
    printed_by(str(python), "-m", "pip", "install", "--quiet", PIP_AUDIT)
    there = [
        "--path",
        sysconfig.get_path("purelib"),
        "--format",
        "json",
        "--progress-spinner",
        "off",
    ]
    answer = None
    for database in DATABASES:
        said = printed_by(
            str(python), "-m", "pip_audit", *there, "--vulnerability-service", database
        )
        answer = of_python(said) or answer
        if answer is not None and answer.looked_at:
            break
    return answer


def ask_npm(folder: str) -> Answer | None:
    """Asks about the packages of the lock file in the front end's `folder`."""
    npm = [sys.executable, "setup.py", "npm", "audit", "--json", "--prefix", folder]
    return of_npm(printed_by(*npm))


def told(what: str, answer: Answer | None) -> list[str]:
    """Says an answer in lines."""
    if answer is None or not answer.looked_at:
        return [f"{what}: NOT LOOKED AT: no database of advisories can be asked from here."]
    known = (
        f"{what}: {answer.looked_at} packages looked at, {len(answer.found) or 'no'} advisories."
    )
    missing = [f"  not looked at: {line}" for line in answer.unknown]
    return [known, *(f"  {line}" for line in answer.found), *missing]


def main() -> int:
    """Asks, says, and returns the exit code."""
    found, not_looked_at = False, []
    for what, ask in (
        ("Python", ask_python),
        ("The panel", lambda: ask_npm(".")),
        ("The panel's tests", lambda: ask_npm("test")),
    ):
        print(f"{what}: asking (it can take minutes)", flush=True)
        answer = ask()
        if answer is None or not answer.looked_at:
            not_looked_at.append(what)
        else:
            found = found or bool(answer.found)
            print(*told(what, answer), sep="\n", flush=True)
    if not_looked_at:
        print(*told("; ".join(not_looked_at), None), sep="\n")
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
