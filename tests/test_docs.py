"""The Python in the pages that the site does not execute runs as it stands."""

import re
from pathlib import Path

import pytest

from ktrans import cli

DOCS = Path(__file__).parents[1] / "docs"


def run(page, capsys):
    """All Python blocks of a page in one namespace; joining a cluster needs one."""
    text = (DOCS / page).read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    namespace = {}
    for block in blocks:
        if "jax.distributed" not in block:
            exec(compile(block, page, "exec"), namespace)
    return capsys.readouterr().out.splitlines()


def test_the_home_page_certifies(capsys):
    assert run("index.md", capsys)[0] == "True"


def test_the_gradient_on_the_page_about_numerics_is_a_number(capsys):
    (printed,) = run("numerics.md", capsys)
    assert float(printed) > 0


@pytest.mark.slow
def test_the_mesh_on_the_page_about_scaling_predicts_the_labels(capsys):
    (printed,) = run("scaling.md", capsys)
    assert [float(x) for x in printed.strip("[]").split()] == pytest.approx([1, -1], abs=0.01)


ROOT = DOCS.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("tutorials/*.md")),
]
COMMAND = re.compile(r"(?:^ {4}|`)((?:ktrans|make|python -m experiments)\b[^`#\n]*)", re.MULTILINE)
PLACEHOLDERS = {"TASK": "aba_abb", "FIGURE": "block_structure", "N": "2", "DIR": "folder"}


def commands(program):
    """Every command of a program that a page shows, its alternatives one by one, as words."""
    found = {
        words
        for page in PAGES
        for command in COMMAND.findall(page.read_text("utf-8"))
        for words in alternatives(command)
        if words[0] == program
    }
    return sorted(found)


def alternatives(command):
    """`a B | --c [--d]` is `a B --d` and `a --c --d`; placeholders are replaced."""
    words = command.replace("[", "").replace("]", "").split()
    bars = [i for i, word in enumerate(words) if word == "|"]
    for chosen in range(len(bars) + 1):
        left_out = {bar + (1 if chosen <= i else -1) for i, bar in enumerate(bars)}
        kept = [w for i, w in enumerate(words) if i not in left_out and w != "|"]
        yield tuple(PLACEHOLDERS.get(word, word) for word in kept)


@pytest.mark.parametrize("words", commands("ktrans"), ids=" ".join)
def test_a_command_on_a_page_is_one(words):
    if len(words) > 2 and "--help" not in words:
        cli._parser(words[1:]).parse_args(words[1:])
    else:  # a name in running text
        with pytest.raises(SystemExit, match="0"):
            cli._parser(words[1:]).parse_args([*words[1:], "--help"])


@pytest.mark.parametrize("words", commands("python"), ids=" ".join)
def test_a_module_on_a_page_is_there(words):
    assert (ROOT / words[2].replace(".", "/")).with_suffix(".py").exists()


@pytest.mark.parametrize("words", commands("make"), ids=" ".join)
def test_a_target_on_a_page_is_one(words):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(words[1:]) <= set(targets)
