"""The Python in the pages that the site does not execute runs as it stands."""

import re
from pathlib import Path

import pytest

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
