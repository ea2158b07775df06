"""`ktrans spectrum TASK`: the population spectrum, blocks of samples, a figure."""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from ktrans._progress import show_progress
from ktrans._provenance import versions
from ktrans._tables import columns
from ktrans.cli.drawing import draw_and_write
from ktrans.cli.options import (
    TRANSFORMER,
    add_kernel,
    add_output,
    add_report,
    add_task,
    read_folder,
    read_kernels,
    read_origin,
    read_task,
)
from ktrans.cli.output import print_json, print_lines, write_json
from ktrans.cli.page import write_report
from ktrans.cli.spectrum.page import Findings, spectrum_page
from ktrans.cli.spectrum.text import dimension_rows, target_rows
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.measure.alignment import target_alignment
from ktrans.measure.blocks import BlockStructure, block_structure
from ktrans.measure.density import SpectralDensity, effective_dimension, spectral_density
from ktrans.measure.spectrum_curves import SpectrumCurves, spectrum_curves
from ktrans.plotting import population_figure
from ktrans.tasks import Dataset, TemplateTask
from ktrans.tasks.diversity import can_change_vocabulary, vocabulary_for
from ktrans.theory.curves.eigenlearning import learnability
from ktrans.theory.spectrum.effective_dimension import population_effective_dimension
from ktrans.theory.spectrum.population import Spectrum, population_spectrum

DEFAULT_N, QUICK_N, LARGEST_N = 100_000, 2000, 10**6
CURVE_RHO = (2.0, 1e6, 40)
SAMPLED_RHO, QUICK_RHO = (4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0), (4.0, 64.0, 1024.0)

PROBES, STEPS = 8, 30
DENSITY_POINTS, DENSITY_WIDTH = 61, 0.2  # the width in ln λ
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.epilog = "exit status: 0 done, 2 bad input"
    add_task(parser)
    add_kernel(parser)
    parser.add_argument("--n", type=int, help=f"number of samples ({DEFAULT_N})")
    parser.add_argument("--seed", type=int, default=0, help="of the samples (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="few samples, in seconds")
    add_output(parser)
    add_report(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the spectrum; exit status 0."""
    task, kernel = read_task(arguments), read_kernels(arguments)[TRANSFORMER]
    n, start = _number_of_samples(arguments), time.perf_counter()
    folder = read_folder(arguments, "spectrum")
    spectrum = population_spectrum(kernel, task)
    data = task.sample(n, seed=arguments.seed)
    operator = GramOperator(kernel, data)
    blocks = block_structure(operator, data, progress=show_progress)
    record = {
        "configuration": _configuration(arguments, task, n),
        "versions": versions(),
        "population": _population(spectrum),
        "blocks": blocks.to_dict(),
        "density": _density(operator, spectrum, arguments.seed),
        "target": _target(operator, data),
    }
    curves = None if folder is None else _curves(arguments, kernel, task, n)
    record["seconds"], record["files"] = time.perf_counter() - start, []
    if not arguments.json:
        print_lines([_text(spectrum, blocks, record)])
    findings = Findings(
        task, spectrum, blocks, record["target"], record["density"]["effective_dimension"]
    )
    files = [] if folder is None else _write(folder, arguments, findings, record, curves)
    record["files"] = list(map(str, files))
    if arguments.json:
        print_json(record)
    else:
        print_lines([*(f"wrote {path}" for path in files), f"{record['seconds']:.1f} s"])
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


def _density(operator: GramOperator, spectrum: Spectrum, seed: int) -> dict[str, Any]:
    """Cumulative shares of eigenvalues of K̂, and effective dimensions, with standard errors."""
    density = spectral_density(
        operator, num_probes=PROBES, num_steps=STEPS, seed=seed, progress=show_progress
    )
    values = density.nodes.max() * np.geomspace(1e-8, 1.0, DENSITY_POINTS)
    shares = density.cumulative(values, width=DENSITY_WIDTH)
    return {
        "eigenvalues": values.tolist(),
        "share_below": shares.mean.tolist(),
        "stderr": shares.stderr.tolist(),
        "width": DENSITY_WIDTH,
        "effective_dimension": [_dimension(density, spectrum, ridge) for ridge in RIDGES],
    }


def _dimension(density: SpectralDensity, spectrum: Spectrum, ridge: float) -> dict[str, float]:
    """Of K̂; the bound n T of the population sets; and the mean that its eigenvalues predict."""
    found, n = effective_dimension(density, ridge=ridge), density.num_samples
    return {
        "ridge": ridge,
        "mean": float(found.mean),
        "stderr": float(found.stderr),
        "bound": population_effective_dimension(spectrum, num_samples=n, ridge=ridge),
        "expected": learnability(spectrum, num_samples=n, ridge=ridge).total,
    }


def _target(operator: GramOperator, data: Dataset) -> dict[str, float] | None:
    """The alignment of the kernel with the labels, where they are numbers that are not all zero."""
    if isinstance(data.task.labels, tuple) or not data.labels.any():
        return None
    return {"alignment": target_alignment(operator, data.labels)}


def _write(
    folder: Path,
    arguments: argparse.Namespace,
    found: Findings,
    record: dict[str, Any],
    curves: SpectrumCurves | None,
) -> list[Path]:
    """The record, with curves in ρ and a figure of them where the vocabulary may change."""
    whole = record | ({"curves": curves.to_dict()} if curves is not None else {})
    files, figure = [write_json(folder / "spectrum.json", whole)], None
    if curves is not None:
        picture = folder / "spectrum.png"
        figure = draw_and_write(picture, lambda: population_figure(curves))
        files += [picture] if figure is not None else []
    if arguments.report:
        page = spectrum_page(found, figure, read_origin(arguments, record, files))
        files.append(write_report(folder, page))
    return files


def _curves(
    arguments: argparse.Namespace, kernel: TokenSymmetricKernel, task: TemplateTask, n: int
) -> SpectrumCurves | None:
    if not can_change_vocabulary(task):
        return None
    least, most, points = CURVE_RHO
    sampled = QUICK_RHO if arguments.quick else SAMPLED_RHO
    sizes = {vocabulary_for(task, rho) for rho in np.geomspace(least, most, points).tolist()}
    return spectrum_curves(
        kernel, task, vocab_sizes=sorted(sizes), num_samples=min(n, DEFAULT_N), seed=arguments.seed,
        sampled_sizes=[vocabulary_for(task, rho) for rho in sampled],
        progress=show_progress,
    )  # fmt: skip


def _text(spectrum: Spectrum, blocks: BlockStructure, record: dict[str, Any]) -> str:
    lines = [
        str(spectrum),
        "",
        str(blocks),
        *columns(target_rows(record["target"])),
        "",
        str(blocks.collisions),
        "",
        f"Effective dimension tr K̂ (K̂ + λ)⁻¹, {PROBES} probes",
        *columns(dimension_rows(record["density"]["effective_dimension"])),
    ]
    return "\n".join(lines)
