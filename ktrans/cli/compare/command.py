"""`ktrans compare TASK`: transformer and MLP kernels on the same data, with reasons, a figure."""

import argparse
import math
from pathlib import Path
from typing import Any

from ktrans._progress import show_progress
from ktrans._provenance import versions
from ktrans.cli.compare.page import comparison_page
from ktrans.cli.drawing import draw_and_write
from ktrans.cli.options import (
    MLP,
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
from ktrans.interop.kernel_files import kernel_from_file
from ktrans.interop.kernel_functions import ENCODINGS, from_neural_tangents
from ktrans.kernels._perceptron import KINDS
from ktrans.kernels.activations import ReLU
from ktrans.kernels.attention.modified import READOUTS, ModifiedTransformerKernel
from ktrans.kernels.attention.tied import TiedAttentionKernel
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.incidence_mlp import IncidenceMLPKernel
from ktrans.kernels.mlp import MLPKernel
from ktrans.measure.comparison import Comparison, compare
from ktrans.plotting.comparison import comparison_figure
from ktrans.tasks import TemplateTask

DEFAULT_N, QUICK_N = (64, 128, 256, 512, 1024, 2048), (64, 256)
DEFAULT_SEEDS, QUICK_SEEDS = 5, 2
VOCAB_SIZE = 100
NUM_TEST, QUICK_TEST = 1000, 200


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.epilog = (
        f"a named task has {VOCAB_SIZE} tokens here unless --vocab-size says otherwise; "
        "exit status: 0 done, 2 bad input"
    )
    add_task(parser)
    add_kernel(parser)
    _add_kernels(parser)
    add_measurements(parser)
    add_output(parser)
    add_report(parser)
    parser.set_defaults(run=run)


def _add_kernels(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("other kernels")
    group.add_argument("--a", type=float, default=1.0, help="of W_K W_Qᵀ + aI (%(default)s)")
    group.add_argument(
        "--readout", choices=READOUTS, default="per-position", help="of modified attention"
    )
    group.add_argument("--depth", type=int, default=3, help="of the MLPs (%(default)s)")
    group.add_argument("--scale", type=float, default=1.0, help="c of c·X Xᵀ (%(default)s)")
    group.add_argument("--tied", action="store_true", help="also attention with W_Q = W_K")
    group.add_argument(
        "--kernel-file", action="append", default=[], metavar="FILE[:NAME]",
        help="a Python file, which is run, and its kernel of neural-tangents (NAME: kernel_fn)",
    )  # fmt: skip
    group.add_argument("--kernel-kind", choices=KINDS, default="ntk", help="(%(default)s)")
    group.add_argument(
        "--kernel-encoding", choices=ENCODINGS, default="flat", help="its inputs (%(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison; exit status 0."""
    _choose_vocabulary(arguments)
    task = read_task(arguments)
    kernels = read_compared(arguments, task)
    folder = read_folder(arguments, "compare")
    found = compare(kernels, task, **_design(arguments), progress=show_progress)
    configuration = _configuration(arguments, task, found)
    record = {"configuration": configuration, "versions": versions(), **found.to_dict()}
    record["files"] = []
    if not arguments.json:
        print_lines([str(found)])
    files = _write(folder, arguments, task, record, found) if folder is not None else []
    record["files"] = list(map(str, files))
    if arguments.json:
        print_json(record)
    else:
        print_lines([*(f"wrote {path}" for path in files), f"{found.seconds:.1f} s"])
    return 0


def _choose_vocabulary(arguments: argparse.Namespace) -> None:
    """So few tokens that perceptrons can learn them one by one."""
    if arguments.vocab_size is None and not arguments.task.endswith(".toml"):
        arguments.vocab_size = VOCAB_SIZE


def read_compared(
    arguments: argparse.Namespace, task: TemplateTask
) -> dict[str, TokenSymmetricKernel]:
    """The kernels to compare, by name; differences are taken from the transformer."""
    known = read_kernels(arguments)
    phi: Any = known[TRANSFORMER]
    layers: Any = {
        "depth": arguments.depth, "activation": ReLU(), "weight_variance": 2.0, "bias_variance": 0.0
    }  # fmt: skip
    attention = (arguments.beta, arguments.gamma)
    kernels: dict[str, TokenSymmetricKernel] = {
        TRANSFORMER: known[TRANSFORMER],
        "modified transformer": ModifiedTransformerKernel(
            *attention, arguments.a, phi.activation, arguments.readout
        ),
        MLP: MLPKernel(kind="ntk", **layers),
        "MLP (NNGP)": MLPKernel(kind="nngp", **layers),
        "MLP with X Xᵀ": IncidenceMLPKernel(kind="ntk", **layers, scale=arguments.scale),
    }
    if arguments.tied:
        kernels["tied attention"] = TiedAttentionKernel(
            *attention, phi.activation, arguments.readout
        )
    return kernels | _from_files(arguments, task)


def _from_files(
    arguments: argparse.Namespace, task: TemplateTask
) -> dict[str, TokenSymmetricKernel]:
    """Kernels of Python files: functions in the form of neural-tangents, or kernels of ours."""
    return {Path(p).name: _from_file(p, arguments, task) for p in arguments.kernel_file}


def _from_file(
    place: str, arguments: argparse.Namespace, task: TemplateTask
) -> TokenSymmetricKernel:
    path, colon, name = place.rpartition(":")
    found = kernel_from_file(path, name) if colon else kernel_from_file(place)
    if isinstance(found, TokenSymmetricKernel):
        return found
    length, size = task.context_length, 2 * task.context_length
    # A dense layer of theirs divides by the fan-in k·m, ours by the k non-zeros.
    return from_neural_tangents(
        found, get=arguments.kernel_kind, context_length=length, vocab_size=size,
        encoding=arguments.kernel_encoding, input_scale=math.sqrt(size),
    )  # fmt: skip


def _design(arguments: argparse.Namespace) -> dict[str, Any]:
    quick, seeds = arguments.quick, arguments.seeds
    return {
        "num_samples": arguments.n or (QUICK_N if quick else DEFAULT_N),
        "num_seeds": (QUICK_SEEDS if quick else DEFAULT_SEEDS) if seeds is None else seeds,
        "num_test": QUICK_TEST if quick else NUM_TEST,
        "ridge": arguments.ridge,
    }


def _write(
    folder: Path,
    arguments: argparse.Namespace,
    task: TemplateTask,
    record: dict[str, Any],
    found: Comparison,
) -> list[Path]:
    picture = folder / "comparison.png"
    files = [write_json(folder / "comparison.json", record)]
    figure = draw_and_write(picture, lambda: comparison_figure(found))
    files += [picture] if figure is not None else []
    if arguments.report:
        page = comparison_page(task, found, figure, read_origin(arguments, record, files))
        files.append(write_report(folder, page))
    return files


def _configuration(
    arguments: argparse.Namespace, task: TemplateTask, found: Comparison
) -> dict[str, Any]:
    kernels = ("beta", "gamma", "activation", "b1", "b2", "a", "readout", "depth", "scale")
    files = ("kernel_file", "kernel_kind", "kernel_encoding") if arguments.kernel_file else ()
    design = {**vars(found.design), "seeds": list(range(found.design.num_seeds))}
    own = {"task": task.name, "vocab_size": task.vocab_size, "noise_std": task.noise_std}
    return own | design | {name: getattr(arguments, name) for name in kernels + files}
