"""What stands in several files agrees: versions, pins, links, the commands of the tests."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import carescope

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~;\[ ]", requirement)[0].lower().replace("_", "-")


def test_one_version():
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    newest = re.search(r"^## \[(\S+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert citation is not None
    assert newest is not None
    assert citation[1] == newest[1] == carescope.__version__


def test_the_papers_are_cited():
    citation = (ROOT / "CITATION.cff").read_text()
    assert "10.1038/s41592-018-0216-7" in citation
    assert "10.1007/978-3-319-66185-8_15" in citation


def test_everything_asked_for_is_pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *(name for extra in extras for name in extra)]
    assert {name_of(w) for w in wanted} <= {name_of(pin) for pin in pins}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    text = page.read_text()
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(
        r'(?:src|href)="([^"#]+)"', text
    )
    inside = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_the_tests_have_one_command():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text()
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    makefile = (ROOT / "Makefile").read_text()
    assert "run.py demo" in makefile
    assert "run.py test" in makefile


def test_actions_are_pinned_by_hash():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    uses = re.findall(r"uses: (\S+)", workflow)
    assert uses
    assert [use for use in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", use)] == []


def test_a_wrong_call_of_the_script_shows_how():
    done = subprocess.run([sys.executable, ROOT / "run.py"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "run.py demo|test" in done.stdout
