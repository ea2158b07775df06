"""Options that commands share: the task, the kernels, the output."""

import argparse
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ktrans.tasks
from ktrans.cli.output import prepare_folder
from ktrans.cli.page import Origin
from ktrans.kernels.activations import Cosine, ReLU
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.mlp import MLPKernel
from ktrans.kernels.registry import ACTIVATIONS
from ktrans.kernels.transformer import TransformerKernel
from ktrans.tasks import TemplateTask
from ktrans.tasks.diversity import with_vocabulary
from ktrans.tasks.wildcards import check_wildcards

TRANSFORMER, MLP = "transformer", "MLP (NTK)"


def add_task(parser: argparse.ArgumentParser) -> None:
    """TASK and --vocab-size."""
    parser.add_argument("task", metavar="TASK", help="a name from `ktrans tasks`, or a .toml file")
    parser.add_argument("--vocab-size", type=int, metavar="M", help="number of substitution tokens")


def add_kernel(parser: argparse.ArgumentParser) -> None:
    """Hyperparameters of the transformer kernel."""
    group = parser.add_argument_group("transformer kernel")
    group.add_argument("--beta", type=float, default=1.0, help="inverse temperature (%(default)s)")
    group.add_argument("--gamma", type=float, default=0.7, help="positional strength (%(default)s)")
    group.add_argument(
        "--activation", choices=list(ACTIVATIONS), default="cos", help="φ (%(default)s)"
    )
    group.add_argument("--b1", type=float, help="of cos(b1 t + b2) (1.0)")
    group.add_argument("--b2", type=float, help="of cos(b1 t + b2) (0.5)")


def add_measurements(parser: argparse.ArgumentParser) -> Any:
    """--n, --seeds, --ridge and --quick; the group, for what else is measured."""
    group = parser.add_argument_group("measurements")
    group.add_argument("--n", type=int, nargs="+", help="numbers of samples")
    group.add_argument("--seeds", type=int, help="number of training sets for each point")
    group.add_argument("--ridge", type=float, default=1e-6, help="λ, absolute (%(default)s)")
    group.add_argument("--quick", action="store_true", help="small measurements, in seconds")
    return group


def add_output(parser: argparse.ArgumentParser) -> None:
    """--json and --out."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=as_folder, metavar="DIR", help="write data and figures there")


def as_folder(text: str) -> Path:
    """The path of a folder, which must have a name."""
    if not text.strip():
        raise argparse.ArgumentTypeError(
            f"must be the name of a folder, or . for this one; got {text!r}."
        )
    return Path(text)


def add_report(parser: argparse.ArgumentParser, default: str = "results/COMMAND-TASK") -> None:
    """--report, for commands with --out."""
    parser.add_argument(
        "--report",
        action="store_true",
        help=f"also write one page, report.html, to --out ({default} where left out)",
    )


def read_folder(arguments: argparse.Namespace, command: str) -> Path | None:
    """The folder of --out, or that of a report without it, made; None where nothing is written."""
    folder = arguments.out
    if folder is None and arguments.report:
        folder = Path("results") / f"{command}-{Path(arguments.task).stem}"
    return None if folder is None else prepare_folder(folder)


def read_origin(
    arguments: argparse.Namespace, record: Mapping[str, Any], files: Iterable[Path]
) -> Origin:
    """What was typed, quoted so that a shell takes it back, and what the record has of it."""
    command = shlex.join(["ktrans", *getattr(arguments, "argv", sys.argv[1:])])
    return Origin(
        command=command,
        configuration=record["configuration"],
        versions=record["versions"],
        seconds=record["seconds"],
        files=[path.name for path in files],
    )


def read_task(arguments: argparse.Namespace) -> TemplateTask:
    """The task that the arguments name; one without wildcards is refused."""
    name, size = arguments.task, arguments.vocab_size
    if not name.endswith(".toml"):
        return ktrans.tasks.load(name, vocab_size=size)
    task = check_wildcards(TemplateTask.from_file(Path(name)))
    return task if size is None else with_vocabulary(task, size)


def read_kernels(arguments: argparse.Namespace) -> dict[str, TokenSymmetricKernel]:
    """The transformer kernel of the arguments, and the MLP kernel it is compared with."""
    transformer = TransformerKernel(
        beta=arguments.beta, gamma=arguments.gamma, activation=_read_activation(arguments)
    )
    mlp = MLPKernel(kind="ntk", depth=3, activation=ReLU(), weight_variance=2.0, bias_variance=0.0)
    return {TRANSFORMER: transformer, MLP: mlp}


def _read_activation(arguments: argparse.Namespace) -> Any:
    given = [name for name in ("b1", "b2") if getattr(arguments, name) is not None]
    if arguments.activation == "cos":
        # Kept in the arguments, which the record of the configuration is made of.
        arguments.b1 = 1.0 if "b1" not in given else arguments.b1
        arguments.b2 = 0.5 if "b2" not in given else arguments.b2
        return Cosine(b1=arguments.b1, b2=arguments.b2)
    if given:
        raise ValueError(
            f"`--b1` and `--b2` must go with --activation cos; got --activation "
            f"{arguments.activation}."
        )
    return ACTIVATIONS[arguments.activation]()
