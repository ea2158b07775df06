"""The gallery page: every figure of experiments/ with its claim and the command that makes it."""

import shutil
from pathlib import Path

from experiments._figures import FIGURES, PAPER, QUICK, Figure

_RESULTS = Path(__file__).parent.parent / "results"
_PICTURES = "_gallery"

_HEAD = """# Gallery

Each figure is drawn from a results file by one command; `--paper` runs the whole configuration in
place of the quick one. Pictures are those in `results/` when this page was built: `make gallery`
draws all quick ones.
"""


def write_gallery(page: Path) -> None:
    """Write the page, and copy the pictures that there are beside it."""
    folder = page.parent / _PICTURES
    folder.mkdir(exist_ok=True)
    page.write_text("\n".join([_HEAD, *(_entry(figure, folder) for figure in FIGURES)]), "utf-8")


def _entry(figure: Figure, folder: Path) -> str:
    command = f"    ktrans reproduce {figure.name}"
    lines = [f"## {figure.name}", "", f"{_sentence(figure.claim)}", "", command, ""]
    for source in _pictures(figure):
        shutil.copyfile(source, folder / source.name)
        lines += [f"![{figure.claim}]({_PICTURES}/{source.name})", ""]
    return "\n".join(lines)


def _pictures(figure: Figure) -> list[Path]:
    """Of the paper configuration where it was run, else of the quick one."""
    found = (sorted((_RESULTS / kind / figure.name).glob("*.png")) for kind in (PAPER, QUICK))
    return next(filter(None, found), [])


def _sentence(claim: str) -> str:
    return claim[0].upper() + claim[1:] + "."
