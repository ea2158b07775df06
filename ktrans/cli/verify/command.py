"""`ktrans verify TASK`: certificate, measurements, figures."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ktrans._checks import as_int
from ktrans._progress import show_progress
from ktrans.cli.drawing import draw_and_write
from ktrans.cli.options import (
    TRANSFORMER,
    add_kernel,
    add_measurements,
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
from ktrans.cli.verify.page import verify_page
from ktrans.measure.report import Report, describe_certificates, describe_plan, investigate
from ktrans.measure.unseen import Plan
from ktrans.plotting import error_figure, gram_figure, spectrum_figure
from ktrans.tasks import TemplateTask
from ktrans.tasks.diversity import can_change_vocabulary, vocabulary_for
from ktrans.theory.certificate import Certificate

CERTIFICATE = "certificate.json"
DEFAULT_N, QUICK_N = (64, 256, 1024, 4096), (64, 256)
DEFAULT_RHO, QUICK_RHO = (4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0), (4.0, 1024.0)
DEFAULT_SEEDS, QUICK_SEEDS = 3, 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.epilog = (
        "exit status: 0 certified, 1 refuted, undecided or not covered, 2 bad input or failure"
    )
    add_task(parser)
    add_kernel(parser)
    measuring = add_measurements(parser)
    measuring.add_argument("--rho", type=float, nargs="+", help="sample diversities")
    add_output(parser)
    add_report(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify a task.

    Returns:
        0 if the task is certified for the transformer kernel, else 1.
    """
    task, kernels = read_task(arguments), read_kernels(arguments)
    plan = read_plan(arguments, task)
    folder, configuration = read_folder(arguments, "verify"), _configuration(arguments, task, plan)

    def keep(certificates: dict[str, Certificate]) -> None:
        if folder is not None:
            found = {"configuration": configuration, **describe_certificates(certificates)}
            write_json(folder / CERTIFICATE, found)

    report = investigate(kernels, task, plan, progress=show_progress, keep=keep)
    record = {"configuration": configuration, **report.to_dict()}
    record["files"] = []
    if not arguments.json:
        print_lines([str(report)])
    files = _write(folder, arguments, task, report, record) if folder is not None else []
    record["files"] = [str(path) for path in files]
    if arguments.json:
        print_json(record)
    else:
        print_lines([*(f"wrote {path}" for path in files), f"{report.seconds:.1f} s"])
    return 0 if report.certificates[TRANSFORMER].holds else 1


def read_plan(arguments: argparse.Namespace, task: TemplateTask) -> Plan:
    """What the arguments ask to be measured."""
    quick = arguments.quick
    count = arguments.seeds
    if count is None:
        count = QUICK_SEEDS if quick else DEFAULT_SEEDS
    return Plan(
        num_samples=tuple(arguments.n or (QUICK_N if quick else DEFAULT_N)),
        vocab_sizes=_vocabularies(arguments, task),
        seeds=tuple(range(as_int("seeds", count, 1))),
        ridge=arguments.ridge,
    )


def _vocabularies(arguments: argparse.Namespace, task: TemplateTask) -> tuple[int, ...]:
    if arguments.rho is None and not can_change_vocabulary(task):
        return ()
    wanted = arguments.rho or (QUICK_RHO if arguments.quick else DEFAULT_RHO)
    return tuple(sorted({vocabulary_for(task, rho) for rho in wanted}))


def _configuration(arguments: argparse.Namespace, task: TemplateTask, plan: Plan) -> dict[str, Any]:
    names = ("beta", "gamma", "activation", "b1", "b2")
    return describe_plan(task, plan) | {name: getattr(arguments, name) for name in names}


def _write(
    folder: Path,
    arguments: argparse.Namespace,
    task: TemplateTask,
    report: Report,
    record: dict[str, Any],
) -> list[Path]:
    files = [folder / CERTIFICATE, write_json(folder / "results.json", record)]
    drawn = {
        name: draw_and_write(folder / f"{name}.png", draw)
        for name, draw in _figures(report).items()
    }
    figures = {name: each for name, each in drawn.items() if each is not None}
    files += [folder / f"{name}.png" for name in figures]
    if arguments.report:
        origin = read_origin(arguments, record, files)
        files.append(write_report(folder, verify_page(task, report, figures, origin)))
    return files


def _figures(report: Report) -> dict[str, Callable[[], Figure]]:
    figures: dict[str, Callable[[], Figure]] = {
        "gram": lambda: gram_figure(report.grams),
        "spectrum": lambda: spectrum_figure(report.spectrum),
    }
    measured, curves = report.measured, report.curves
    if measured is not None and curves is not None:
        chance = report.certificates[TRANSFORMER].chance or 0.0
        figures["error"] = lambda: error_figure(measured, curves, chance)
    return figures
