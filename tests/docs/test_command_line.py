"""docs/command-line.md names every option of every command; every command line in docs parses."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from carescope.app.cli import app
from carescope.errors import CarescopeError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "command-line.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = typer.main.get_command(app)
OPTION = re.compile(r"--[a-z][a-z-]*[a-z]")


def walk(command, *names):
    """Every command that does something, with the words that call it."""
    for name, below in getattr(command, "commands", {}).items():
        yield from walk(below, *names, name)
    if not hasattr(command, "commands"):
        yield " ".join(names), command


COMMANDS = dict(walk(PROGRAM))


def sections(text):
    """The page by its second-level headings."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SECTIONS = sections(PAGE.read_text())


def tabled(heading):
    """Options in a section's tables, and in those of the shared sections that it links to."""
    text = SECTIONS[heading]
    found = set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))
    line = re.search(r"^Further options: (.+)$", text, re.MULTILINE)
    for name in re.findall(r"\(#options-(\w+)\)", line[1]) if line else []:
        found |= tabled(f"Options: {name}")
    return found


def options(command):
    return {o for p in command.params for o in p.opts if o.startswith("--")} - {"--help"}


def examples(text):
    """Command lines in the shell blocks of a page."""
    for block in re.findall(r"```(?:sh|bash|shell|console)?\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.removeprefix("$ ").strip()
            if line.startswith("carescope "):
                yield line


def mentions(text):
    """Commands within a sentence, such as `carescope info`; not those with PLACEHOLDERS."""
    spans = re.findall(r"(?<!`)`(carescope [^`\n]+)`(?!`)", text)
    return [span for span in spans if not re.search(r"\b[A-Z]{4,}\b", span)]


def parse(line, *, mentioned=False):
    """Read a command line as the program does, without running anything.

    Where a command is only `mentioned`, its name is enough.
    """
    command, words = PROGRAM, shlex.split(line, comments=True)[1:]
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands"):
        unknown = set(words) - options(command) - {"--help"}
        if unknown:
            raise ValueError(f"{line}: there is no {', '.join(unknown)}")
    elif words or not mentioned:
        try:
            command.make_context("carescope", words)
        except Exception as error:  # whichever the parser raises
            raise ValueError(f"{line}: {error}") from error


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_has_its_section_and_every_option_its_row(name):
    heading = f"carescope {name}"
    assert heading in SECTIONS
    assert tabled(heading) == options(COMMANDS[name])


def test_no_option_is_named_that_does_not_exist():
    known = set.union(*map(options, COMMANDS.values()), options(PROGRAM)) | {"--help"}
    for page in sorted((ROOT / "docs").glob("*.md")):
        others = r"(pip install|python benchmarks/|torchrun |#SBATCH|sbatch |dask \w+ )"
        text = re.sub(others + r"[^`\n]*", "", page.read_text())
        assert sorted(set(OPTION.findall(text)) - known) == [], page.name


def test_every_command_has_an_example():
    lines = list(examples(PAGE.read_text()))
    for name in COMMANDS:
        assert any(line.startswith(f"carescope {name} ") for line in lines), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_parses(page):
    text = page.read_text()
    for line in examples(text):
        parse(line)
    for line in mentions(text):
        parse(line, mentioned=True)


def test_the_exit_codes_are_those_of_the_errors():
    rows = re.findall(r"^\| (\d+) \|", SECTIONS["Exit codes"], re.MULTILINE)
    raised = {kind.exit_code for kind in CarescopeError.__subclasses__()}
    assert {int(row) for row in rows} == raised | {0, 130}


@pytest.mark.parametrize(
    "line",
    [
        "carescope isotropic a.tif --out b.tif --stepz 3",
        "carescope isotropic a.tif",
        "carescope restore m a.tif --out b.tif --steps 3",
        "carescope psf gaussian --out p.tif --voxel-um 1,2",
        "carescope sharpen a.tif",
        "carescope --verzion",
    ],
)
def test_the_check_sees_a_wrong_command_line(line):
    with pytest.raises(ValueError, match=re.escape(line)):
        parse(line)
