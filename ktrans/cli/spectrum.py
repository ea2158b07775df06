"""`ktrans spectrum TASK`: the population spectrum, blocks of samples, a figure."""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ktrans.analysis.certificate import as_plain
from ktrans.analysis.collisions import BlockStructure, block_structure
from ktrans.analysis.diversity import can_change_vocabulary, vocabulary_for
from ktrans.analysis.population import Spectrum, population_spectrum
from ktrans.analysis.report import versions
from ktrans.analysis.spectrum_curves import SpectrumCurves, spectrum_curves
from ktrans.cli.options import TRANSFORMER, add_kernel, add_task, read_kernels, read_task
from ktrans.cli.output import prepare_folder, write_figure, write_json
from ktrans.cli.tables import columns
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.plotting import paper_style, population_figure
from ktrans.tasks import TemplateTask

DEFAULT_N, QUICK_N, LARGEST_N = 100_000, 2000, 10**6
CURVE_RHO = (2.0, 1e6, 40)
SAMPLED_RHO, QUICK_RHO = (4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0), (4.0, 64.0, 1024.0)


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "spectrum",
        help="eigenvalues of the kernel on all strings, exactly, and on samples",
        epilog="exit status: 0 done, 2 bad input",
        allow_abbrev=False,
    )
    add_task(parser)
    add_kernel(parser)
    parser.add_argument("--n", type=int, help=f"number of samples ({DEFAULT_N})")
    parser.add_argument("--seed", type=int, default=0, help="of the samples (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="few samples, in seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write data and a figure there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the spectrum; exit status 0."""
    task, kernel = read_task(arguments), read_kernels(arguments)[TRANSFORMER]
    n, start = _number_of_samples(arguments), time.perf_counter()
    if arguments.out is not None:
        prepare_folder(arguments.out)
    spectrum = population_spectrum(kernel, task)
    data = task.sample(n, seed=arguments.seed)
    blocks = block_structure(kernel, data, progress=_bar("samples"))
    record = {
        "configuration": _configuration(arguments, task, n),
        "versions": versions(),
        "population": _population(spectrum),
        "blocks": as_plain(vars(blocks)),
    }
    files = _write(arguments, record, kernel, task, n) if arguments.out is not None else []
    record |= {"files": list(map(str, files)), "seconds": time.perf_counter() - start}
    if arguments.json:
        print(json.dumps(record, ensure_ascii=False, allow_nan=False))
    else:
        print(_text(spectrum, blocks, record))
    return 0


def _number_of_samples(arguments: argparse.Namespace) -> int:
    n = arguments.n
    if n is None:
        n = QUICK_N if arguments.quick else DEFAULT_N
    if not 1 <= n <= LARGEST_N:
        raise ValueError(f"`--n` must be from 1 to {LARGEST_N}; got {n}.")
    return n


def _configuration(arguments: argparse.Namespace, task: TemplateTask, n: int) -> dict[str, Any]:
    names = ("beta", "gamma", "activation", "b1", "b2", "seed")
    own = {"task": task.name, "vocab_size": task.vocab_size, "num_samples": n}
    return own | {name: getattr(arguments, name) for name in names}


def _population(spectrum: Spectrum) -> dict[str, Any]:
    return {
        "representations": list(spectrum.labels),
        "eigenvalues": spectrum.eigenvalues.tolist(),
        "multiplicities": [int(count) for count in spectrum.multiplicities],
        "trace": spectrum.trace,
    }


def _write(
    arguments: argparse.Namespace,
    record: dict[str, Any],
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    n: int,
) -> list[Path]:
    """The record, and curves in ρ where the vocabulary may change."""
    curves = _curves(arguments, kernel, task, n) if can_change_vocabulary(task) else None
    whole = record | ({"curves": curves.to_dict()} if curves is not None else {})
    files = [write_json(arguments.out / "spectrum.json", whole)]
    if curves is not None:
        with paper_style():
            files.append(write_figure(arguments.out / "spectrum.png", population_figure(curves)))
    return files


def _curves(
    arguments: argparse.Namespace, kernel: TokenSymmetricKernel, task: TemplateTask, n: int
) -> SpectrumCurves:
    least, most, points = CURVE_RHO
    sampled = QUICK_RHO if arguments.quick else SAMPLED_RHO
    sizes = {vocabulary_for(task, rho) for rho in np.geomspace(least, most, points).tolist()}
    return spectrum_curves(
        kernel, task, vocab_sizes=sorted(sizes), num_samples=n, seed=arguments.seed,
        sampled_sizes=[vocabulary_for(task, rho) for rho in sampled],
        progress=_bar("diversities"),
    )  # fmt: skip


def _text(spectrum: Spectrum, blocks: BlockStructure, record: dict[str, Any]) -> str:
    rows = [["representation", "multiplicity", "eigenvalue"]]
    for label, count, value in zip(
        spectrum.labels, spectrum.multiplicities, spectrum.eigenvalues, strict=True
    ):
        rows.append([label, f"{int(count)}", f"{value:.10e}"])
    lines = [
        f"All strings, m = {spectrum.vocab_size}; eigenvalues sum to {spectrum.trace:.10g}",
        *columns(rows),
        "",
        f"{blocks.num_samples} samples, ρ = {blocks.diversity:g}",
        *columns(_block_rows(blocks)),
        *(f"wrote {path}" for path in record["files"]),
        f"{record['seconds']:.1f} s",
    ]
    return "\n".join(lines)


def _block_rows(blocks: BlockStructure) -> list[list[str]]:
    return [
        ["entries equal to N", f"{blocks.share_equal:.6%}"],
        ["‖E‖_F / n, ‖E‖₂ / n", f"{blocks.frobenius:.4e}, {blocks.operator_norm:.4e}"],
        ["leading eigenvalues of K̂/n", _numbers(blocks.eigenvalues)],
        ["those of D^½ N D^½", _numbers(blocks.limits)],
        ["principal angles (rad)", _numbers(blocks.angles)],
    ]


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def _bar(word: str) -> Any:
    """A progress bar on standard error, gone when the loop is over."""

    def bar(steps: Iterable) -> Iterable:
        return tqdm(list(steps), desc=word, file=sys.stderr, leave=False)

    return bar
