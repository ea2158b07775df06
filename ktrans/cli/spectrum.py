"""`ktrans spectrum TASK`: the population spectrum, blocks of samples, a figure."""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from ktrans.analysis.alignment import target_alignment
from ktrans.analysis.blocks import BlockStructure, block_structure
from ktrans.analysis.collision_graph import CollisionClass, CollisionGraph
from ktrans.analysis.diversity import can_change_vocabulary, vocabulary_for
from ktrans.analysis.effective_dimension import (
    effective_dimension,
    population_effective_dimension,
)
from ktrans.analysis.eigenlearning import learnability
from ktrans.analysis.population import Spectrum, population_spectrum
from ktrans.analysis.report import versions
from ktrans.analysis.spectral_density import SpectralDensity, spectral_density
from ktrans.analysis.spectrum_curves import SpectrumCurves, spectrum_curves
from ktrans.cli.options import (
    TRANSFORMER,
    add_kernel,
    add_output,
    add_task,
    read_kernels,
    read_task,
)
from ktrans.cli.output import prepare_folder, print_json, progress_bar, write_figure, write_json
from ktrans.cli.tables import columns
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.plotting import paper_style, population_figure
from ktrans.tasks import Dataset, TemplateTask

DEFAULT_N, QUICK_N, LARGEST_N = 100_000, 2000, 10**6
CURVE_RHO = (2.0, 1e6, 40)
SAMPLED_RHO, QUICK_RHO = (4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0), (4.0, 64.0, 1024.0)

PROBES, STEPS = 8, 30
DENSITY_POINTS, DENSITY_WIDTH = 61, 0.2  # the width in ln λ
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
SHOWN_ROWS, SHOWN_CLASSES, SHOWN_NUMBERS = 3, 4, 6  # of tables as text; the JSON has all


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
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the spectrum; exit status 0."""
    task, kernel = read_task(arguments), read_kernels(arguments)[TRANSFORMER]
    n, start = _number_of_samples(arguments), time.perf_counter()
    if arguments.out is not None:
        prepare_folder(arguments.out)
    spectrum = population_spectrum(kernel, task)
    data = task.sample(n, seed=arguments.seed)
    operator = GramOperator(kernel, data)
    blocks = block_structure(operator, data, progress=progress_bar("samples"))
    record = {
        "configuration": _configuration(arguments, task, n),
        "versions": versions(),
        "population": _population(spectrum),
        "blocks": blocks.to_dict(),
        "density": _density(operator, spectrum, arguments.seed),
        "target": _target(operator, data),
    }
    files = _write(arguments, record, kernel, task, n) if arguments.out is not None else []
    record |= {"files": list(map(str, files)), "seconds": time.perf_counter() - start}
    if arguments.json:
        print_json(record)
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


def _density(operator: GramOperator, spectrum: Spectrum, seed: int) -> dict[str, Any]:
    """Cumulative shares of eigenvalues of K̂, and effective dimensions, with standard errors."""
    density = spectral_density(
        operator, num_probes=PROBES, num_steps=STEPS, seed=seed, progress=progress_bar("probes")
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
        kernel, task, vocab_sizes=sorted(sizes), num_samples=min(n, DEFAULT_N), seed=arguments.seed,
        sampled_sizes=[vocabulary_for(task, rho) for rho in sampled],
        progress=progress_bar("diversities"),
    )  # fmt: skip


def _text(spectrum: Spectrum, blocks: BlockStructure, record: dict[str, Any]) -> str:
    lines = [
        f"All strings, m = {spectrum.vocab_size}; eigenvalues sum to {spectrum.trace:.10g}",
        *columns(_spectrum_rows(spectrum)),
        "",
        f"{blocks.num_samples} samples, ρ = {blocks.diversity:g}",
        *columns([*_block_rows(blocks), *_target_rows(record["target"])]),
        "",
        "Collisions: pairs of samples that share a substituted token",
        *columns(_collision_rows(blocks.collisions)),
        "",
        f"Effective dimension tr K̂ (K̂ + λ)⁻¹, {PROBES} probes",
        *columns(_dimension_rows(record["density"]["effective_dimension"])),
        *(f"wrote {path}" for path in record["files"]),
        f"{record['seconds']:.1f} s",
    ]
    return "\n".join(lines)


def _spectrum_rows(spectrum: Spectrum) -> list[list[str]]:
    """The largest eigenvalues of each representation; all of them are in the JSON."""
    rows = [["representation", "multiplicity", "eigenvalue"]]
    for label in dict.fromkeys(spectrum.labels):
        mine = [i for i, each in enumerate(spectrum.labels) if each == label]
        count = str(int(spectrum.multiplicities[mine[0]]))
        rows += [[label, count, f"{spectrum.eigenvalues[i]:.10e}"] for i in mine[:SHOWN_ROWS]]
        if len(mine) > SHOWN_ROWS:
            rows.append(["", "", f"and {len(mine) - SHOWN_ROWS} more"])
    return rows


def _block_rows(blocks: BlockStructure) -> list[list[str]]:
    return [
        ["entries equal to N", f"{blocks.share_equal:.6%}"],
        ["‖E‖_F / n, ‖E‖₂ / n", f"{blocks.frobenius:.4e}, {blocks.operator_norm:.4e}"],
        ["leading eigenvalues of K̂/n", _numbers(blocks.eigenvalues)],
        ["those of D^½ N D^½", _numbers(blocks.limits)],
        ["principal angles (rad)", _numbers(blocks.angles)],
    ]


def _target_rows(target: dict[str, float] | None) -> list[list[str]]:
    return [] if target is None else [["kernel–target alignment", f"{target['alignment']:.6g}"]]


def _collision_rows(graph: CollisionGraph) -> list[list[str]]:
    rows = [
        ["edges", f"{graph.num_edges}"],
        ["degree: mean, largest", f"{graph.mean_degree:.4g}, {graph.max_degree}"],
        ["components; largest", f"{graph.num_components}; {graph.largest_component} samples"],
        ["‖E‖_F² on the diagonal", f"{graph.diagonal_share:.2%}"],
    ]
    rows += [[f"   {_class(each)}", _weight(each)] for each in graph.classes[:SHOWN_CLASSES]]
    more = len(graph.classes) - SHOWN_CLASSES
    return rows + ([["", f"and {more} more classes"]] if more > 0 else [])


def _class(each: CollisionClass) -> str:
    return " · ".join(each.templates) + ": " + ", ".join(f"{a}={b}" for a, b in each.matching)


def _weight(each: CollisionClass) -> str:
    kernel = f"K = {each.value:.6g} against N = {each.limit:.6g}"
    return f"{each.share:.2%} of ‖E‖_F², {each.edges} edges, {kernel}"


def _dimension_rows(dimensions: list[dict[str, float]]) -> list[list[str]]:
    rows = [["λ", "of K̂", "expected from all strings", "bound"]]
    for each in dimensions:
        found = f"{each['mean']:.6g} ± {each['stderr']:.1g}"
        others = (f"{each[name]:.6g}" for name in ("expected", "bound"))
        rows.append([f"{each['ridge']:g}", found, *others])
    return rows


def _numbers(values: np.ndarray) -> str:
    shown = " ".join(f"{value:.6g}" for value in values[:SHOWN_NUMBERS])
    return shown + (
        f" and {len(values) - SHOWN_NUMBERS} more" if len(values) > SHOWN_NUMBERS else ""
    )
