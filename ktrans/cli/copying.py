"""`ktrans copying`: the copying theorems at initialisation, a figure."""

import argparse
import textwrap
import time
from pathlib import Path
from typing import Any

from ktrans._progress import show_progress
from ktrans._provenance import versions
from ktrans._tables import columns
from ktrans.cli.options import add_output
from ktrans.cli.output import prepare_folder, print_json, print_lines, write_json
from ktrans.copying import Alignment, CopyingCertificate, verify
from ktrans.copying.certificate import DEFAULT_DIMS
from ktrans.plotting.copying import alignment_figure
from ktrans.plotting.style import paper_style
from ktrans.plotting.svg import write_figure

QUICK_DIMS = (32, 128, 512, 2048)
DEFAULT_DRAWS, QUICK_DRAWS = 64, 16
_WIDTH = 96


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.epilog = "exit status: 0 done, 2 bad input"
    parser.add_argument("--dims", type=int, nargs="+", help="embedding dimensions d_emb")
    parser.add_argument("--vocab-size", type=int, default=32, help="m (%(default)s)")
    parser.add_argument("--num-seen", type=int, default=24, help="training tokens (%(default)s)")
    parser.add_argument("--heads", type=int, default=4, help="number of heads (%(default)s)")
    parser.add_argument("--head-dim", type=int, default=16, help="(%(default)s)")
    parser.add_argument("--init-scale", type=float, default=1.0, help="of W_V, W_O (%(default)s)")
    parser.add_argument("--untied", action="store_true", help="unembedding of its own")
    parser.add_argument("--wide-heads", action="store_true", help="allow head_dim > d_emb")
    parser.add_argument("--draws", type=int, help=f"initialisations ({DEFAULT_DRAWS})")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="small d_emb and few draws, seconds")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the verdicts; exit status 0."""
    start = time.perf_counter()
    if arguments.out is not None:
        prepare_folder(arguments.out)
    certificate = _verify(arguments)
    record = {"versions": versions(), "certificate": certificate.to_dict()}
    record["seconds"] = time.perf_counter() - start
    files = _write(arguments.out, record) if arguments.out is not None else []
    if arguments.json:
        shown = record | {"files": list(map(str, files))}
        print_json(shown)
    else:
        end = [*(f"wrote {path}" for path in files), f"{record['seconds']:.1f} s"]
        print_lines([*_lines(certificate), *end])
    return 0


def _verify(arguments: argparse.Namespace) -> CopyingCertificate:
    quick, draws = arguments.quick, arguments.draws
    return verify(
        arguments.dims or (QUICK_DIMS if quick else DEFAULT_DIMS),
        vocab_size=arguments.vocab_size,
        num_seen=arguments.num_seen,
        num_heads=arguments.heads,
        head_dim=arguments.head_dim,
        init_scale=arguments.init_scale,
        tied=not arguments.untied,
        allow_wide_heads=arguments.wide_heads,
        num_draws=(QUICK_DRAWS if quick else DEFAULT_DRAWS) if draws is None else draws,
        seed=arguments.seed,
        progress=show_progress,
    )


def _write(folder: Path, record: dict[str, Any]) -> list[Path]:
    found = record["certificate"]["alignment"]
    title = f"$m$ = {found['network']['vocab_size']}, $n$ = {found['network']['num_seen']}"
    with paper_style():
        figure = alignment_figure({title: found})
        return [
            write_json(folder / "copying.json", record),
            write_figure(folder / "copying.png", figure),
        ]


def _lines(certificate: CopyingCertificate) -> list[str]:
    found = certificate.alignment
    verdicts = (certificate.verdict_without_b, certificate.verdict_with_b)
    wrapped = [textwrap.wrap(each, _WIDTH, subsequent_indent="    ") for each in verdicts]
    return [
        f"R_g for {found.network.num_seen} of {found.network.vocab_size} tokens seen, mean ± "
        f"standard error over {found.num_draws} draws (closed form for small logits)",
        *columns([["d_emb", *found.groups, "sup without b"], *_rows(found)]),
        "",
        *(line for lines in wrapped for line in lines),
    ]


def _rows(found: Alignment) -> list[list[str]]:
    rows = []
    for i, dim in enumerate(found.embedding_dims):
        cells = [
            f"{ratio:.3f} ± {stderr:.3f} ({closed:.3f})"
            for ratio, stderr, closed in zip(
                found.ratio[i], found.stderr[i], found.closed_form[i], strict=True
            )
        ]
        low, high = found.supremum_interval[i]
        rows.append([f"{dim}", *cells, f"{found.supremum[i]:.3f} ({low:.3f} to {high:.3f})"])
    return rows
