"""`ktrans heads FILE`: which heads of a trained network compare tokens, and which copy them."""

import argparse
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ktrans._provenance import versions
from ktrans._tables import columns
from ktrans.cli.options import add_output, add_report, read_origin
from ktrans.cli.output import prepare_folder, print_json, print_lines, write_json
from ktrans.cli.page import Page, Picture, Table, write_report
from ktrans.networks.heads import HeadIdentities, head_identities
from ktrans.networks.heads.identities import LEVEL, PERMUTATIONS, THRESHOLD
from ktrans.plotting.heads import distances_figure, heads_figure
from ktrans.plotting.style import paper_style
from ktrans.plotting.svg import write_figure

QUICK_PERMUTATIONS = 199
_WIDTH = 96
_STRONGEST = 5
_HEADS_OF_LAYERS = ["layer", "aI found", "z of a", "a d", "bI found", "z of b", "b"]
_HEADS_OF_HEADS = ["", "layer", "head", "z", "coefficient", "p at most", "rank"]
_LEAD = (
    "Which heads of a trained network have a multiple of the identity in W_QᵀW_K, so that they "
    "compare tokens, and which have one in W_O W_V, so that they copy them."
)
_ROTARY = (
    "Positions are rotary: a and its z hold for a token that is compared with itself, at distance "
    "0; the record has a at other distances. b does not depend on the distance."
)
_CAPTIONS = {
    "heads": "z of the multiple of the identity in each head, layer by layer, on a scale that is "
    "linear up to |z| = 5 and logarithmic beyond; dots: no identity found at the level.",
    "distances": "The logit that an equal token adds, against the distance between query and key; "
    "blue: heads in which a is found at distance 0.",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.epilog = "exit status: 0 done, 2 bad input"
    parser.add_argument(
        "file", metavar="FILE", type=Path,
        help="weights: safetensors, its index, GGUF, a folder, or a checkpoint of a training",
    )  # fmt: skip
    parser.add_argument("--heads", type=int, help="heads of a layer, where no config.json says it")
    parser.add_argument(
        "--name", action="append", default=[], metavar="ROLE=PATTERN",
        help="how a role (query, key, value, output, norm) is named, {i} the layer",
    )  # fmt: skip
    parser.add_argument("--prefix", help="what stands before the names, where there are several")
    parser.add_argument("--member", type=int, default=0, help="of a training with several seeds")
    parser.add_argument(
        "--level", type=float, default=LEVEL, help="false-discovery rate (%(default)s)"
    )
    parser.add_argument("--permutations", type=int, help=f"drawn for each layer ({PERMUTATIONS})")
    parser.add_argument("--seed", type=int, default=0, help="of the permutations (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="fewer permutations")
    add_output(parser)
    add_report(parser, "results/heads-FILE")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the heads; exit status 0."""
    start, folder = time.perf_counter(), _folder(arguments)
    found = _measure(arguments)
    record = {**found.to_dict(), "file": str(arguments.file), "versions": versions()}
    record["seconds"] = time.perf_counter() - start
    files = [] if folder is None else _write(folder, arguments, found, record)
    if arguments.json:
        print_json(record | {"files": list(map(str, files))})
    else:
        end = [*(f"wrote {path}" for path in files), f"{record['seconds']:.1f} s"]
        print_lines([*_lines(found), *end])
    return 0


def _folder(arguments: argparse.Namespace) -> Path | None:
    folder = arguments.out
    if folder is None and arguments.report:
        folder = Path("results") / f"heads-{arguments.file.stem}"
    return None if folder is None else prepare_folder(folder)


def _measure(arguments: argparse.Namespace) -> HeadIdentities:
    default = QUICK_PERMUTATIONS if arguments.quick else PERMUTATIONS
    drawn = default if arguments.permutations is None else arguments.permutations
    try:
        return head_identities(
            arguments.file, heads=arguments.heads, names=_names(arguments.name),
            prefix=arguments.prefix, member=arguments.member, level=arguments.level,
            permutations=drawn, seed=arguments.seed, progress=True,
        )  # fmt: skip
    except ImportError as error:
        raise ValueError(str(error)) from None


def _names(given: list[str]) -> dict[str, str] | None:
    for each in given:
        if "=" not in each:
            raise ValueError(
                f"`--name` must be ROLE=PATTERN, such as query=h.{{i}}.q; got {each!r}."
            )
    return dict(each.split("=", 1) for each in given) or None


def _write(
    folder: Path, arguments: argparse.Namespace, found: HeadIdentities, record: dict[str, Any]
) -> list[Path]:
    with paper_style():
        figures = {"heads": heads_figure(record)}
        if found.rotary:
            figures["distances"] = distances_figure(record)
        files = [write_json(folder / "heads.json", record)]
        files += [write_figure(folder / f"{name}.png", each) for name, each in figures.items()]
    if arguments.report:
        files.append(write_report(folder, _page(arguments, found, record, files, figures)))
    return files


def _page(
    arguments: argparse.Namespace,
    found: HeadIdentities,
    record: dict[str, Any],
    files: list[Path],
    figures: dict[str, Figure],
) -> Page:
    options = {name: value for name, value in vars(arguments).items() if _is_option(value)}
    origin = read_origin(arguments, record | {"configuration": options}, files)
    names = {"heads": "z of each head", "distances": "a against distance"}
    return Page(
        heading="heads",
        title=arguments.file.name,
        lead=_LEAD,
        verdict=" ".join([str(found), *_remarks(found)]),
        tables=[
            Table("Layers: how many heads, and the range of z, a d and b.", _layer_rows(found)),
            Table("The heads with the largest |z|.", _strongest_rows(found)),
        ],
        pictures=[Picture(n, names[n], _CAPTIONS[n], each) for n, each in figures.items()],
        origin=origin,
    )


def _is_option(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | list)


def _lines(found: HeadIdentities) -> list[str]:
    wrapped = [
        textwrap.wrap(each, _WIDTH, break_on_hyphens=False)
        for each in (str(found), *_remarks(found))
    ]
    return [
        *columns(_layer_rows(found)),
        "",
        *columns(_strongest_rows(found)),
        "",
        *(line for lines in wrapped for line in lines),
    ]


def _remarks(found: HeadIdentities) -> list[str]:
    compare, copy = found.beyond()
    of = found.num_layers * found.num_heads
    counts = (
        f"|z| > {THRESHOLD:g} in {compare} and {copy} of {of} heads, and in "
        f"{found.null_beyond:.2%} of {found.permutations} permutations of each."
    )
    return [counts, _ROTARY] if found.rotary else [counts]


def _layer_rows(found: HeadIdentities) -> list[list[str]]:
    compare, copy = found.found
    rows = [_HEADS_OF_LAYERS]
    for i in range(found.num_layers):
        left = [f"{compare[i].sum()}", _range(found.query_key[i]), _range(found.a[i] * found.dim)]
        right = [f"{copy[i].sum()}", _range(found.value_output[i]), _range(found.b[i])]
        rows.append([f"{i}", *left, *right])
    return rows


def _range(values: np.ndarray) -> str:
    return f"{values.min():.3g} to {values.max():.3g}"


def _strongest_rows(found: HeadIdentities) -> list[list[str]]:
    a = ("aI", found.query_key, found.a, found.query_key_p, found.query_key_rank)
    b = ("bI", found.value_output, found.b, found.value_output_p, found.value_output_rank)
    return [_HEADS_OF_HEADS, *_strongest(*a), *_strongest(*b)]


def _strongest(
    name: str, z: np.ndarray, coefficient: np.ndarray, p: np.ndarray, rank: np.ndarray
) -> list[list[str]]:
    order = np.argsort(-np.abs(z), axis=None)[:_STRONGEST]
    places = zip(*np.unravel_index(order, z.shape), strict=True)
    return [
        [name, f"{i}", f"{h}", f"{z[i, h]:.1f}", f"{coefficient[i, h]:.3g}", f"{p[i, h]:.1g}",
         f"{rank[i, h]:.1f}"]
        for i, h in places
    ]  # fmt: skip
