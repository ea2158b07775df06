"""`ktrans probe TASK [MODEL]`: what a network's states know of the templates of a task."""

import argparse
import functools
import os
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ktrans._progress import show_progress
from ktrans._provenance import versions
from ktrans._tables import columns
from ktrans.cli.options import add_output, add_report, add_task, read_folder, read_origin, read_task
from ktrans.cli.output import (
    prepare_folder,
    print_json,
    print_lines,
    write_json,
)
from ktrans.cli.page import Page, Picture, Table, task_table, task_title, write_report
from ktrans.interop import minilm
from ktrans.interop.kernel_files import kernel_from_file
from ktrans.measure.probe import LEVEL, NUM_SAMPLES, SUBSTITUTIONS, Probe, probe
from ktrans.networks.bert import load_bert
from ktrans.networks.tokens import load_tokenizer
from ktrans.networks.transformer import TransformerConfig
from ktrans.networks.words import BAG, READ_OUTS, Sentences, word_features
from ktrans.plotting.probe import probe_figure
from ktrans.plotting.style import paper_style
from ktrans.plotting.svg import write_figure
from ktrans.tasks import TemplateTask

RANDOM, MINILM = "random", "minilm"
QUICK_SUBSTITUTIONS, QUICK_SAMPLES = 128, (16, 64)
VOCABULARY = 1000
_WIDTH = 96
_HEADS = ["layer", "N nonsingular", "p", "σ_min", "share between", "seen", "unseen", "closed form"]
_LEAD = (
    "Which relations between symbols a network's states carry to symbols that it never saw: the "
    "template matrix N of its features, a test whether N is nonsingular, and a linear probe."
)
_CAPTION = (
    "Left: the least eigenvalue of N over the mean self-kernel, ± 2 standard errors. Middle: "
    "errors of a linear probe on seen and unseen symbols, beside the closed form from N. Right: "
    "errors on unseen symbols against the number of training strings."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.epilog = "exit status: 0 done, 2 bad input"
    add_task(parser)
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", default=RANDOM,
        help=f"'{RANDOM}', an untrained transformer (default); '{MINILM}', where its package is "
        "installed; a folder with a BERT encoder; a .py file with features(tokens)",
    )  # fmt: skip
    parser.add_argument("--frame", default="{}", help="sentence about the words, with {} for them")
    parser.add_argument("--read-out", choices=READ_OUTS, default=READ_OUTS[0], help="(%(default)s)")
    parser.add_argument("--n", type=int, nargs="+", help="training strings of the linear probe")
    parser.add_argument("--substitutions", type=int, help=f"at most ({SUBSTITUTIONS})")
    parser.add_argument("--level", type=float, default=LEVEL, help="of the test (%(default)s)")
    parser.add_argument("--ridge", type=float, help="λ, absolute (by leave-one-out)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--quick", action="store_true", help="few strings, in seconds")
    add_output(parser)
    add_report(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the layers; exit status 0."""
    start = time.perf_counter()
    if arguments.vocab_size is None and not arguments.task.endswith(".toml"):
        arguments.vocab_size = VOCABULARY
    task = read_task(arguments)
    folder = read_folder(arguments, "probe")
    try:
        features = _features(arguments, task)
    except ImportError as error:
        raise ValueError(str(error)) from None
    found = _measure(arguments, features, task)
    record = {**found.to_dict(), "task": task.name, "model": arguments.model}
    record |= {"versions": versions(), "seconds": time.perf_counter() - start}
    files = [] if folder is None else _write(folder, arguments, task, found, record)
    if arguments.json:
        print_json(record | {"files": list(map(str, files))})
    else:
        end = [*(f"wrote {path}" for path in files), f"{record['seconds']:.1f} s"]
        print_lines([*_lines(found), *end])
    return 0


def _features(arguments: argparse.Namespace, task: TemplateTask) -> Callable[[Any], Any]:
    model = arguments.model
    if model == RANDOM:
        return random_features(task, arguments.seed)
    if model.endswith(".py"):
        return kernel_from_file(model, "features")
    folder = minilm.unpack(_cache() / "all-MiniLM-L6-v2") if model == MINILM else Path(model)
    encoder = load_bert(folder)
    tokenizer = load_tokenizer(folder if folder.is_dir() else folder.parent)
    sentences = Sentences(
        task=task, tokenizer=tokenizer, frame=arguments.frame, seed=arguments.seed
    )
    return word_features(encoder, sentences, read_out=arguments.read_out)


def random_features(task: TemplateTask, seed: int) -> Callable[[Any], dict[str, np.ndarray]]:
    """[CLS]'s states of an untrained transformer after each block, and a bag of words."""
    config = TransformerConfig(
        num_tokens=task.num_tokens, context_length=task.context_length, depth=2, heads=4, dim=64
    )
    network = config.build(jax.random.key(seed))

    def states(tokens: Any) -> Any:
        x = network.token_embedding[tokens] + network.position_embedding
        found = []
        for block in network.blocks:
            x = block(x)
            found.append(x[-1])
        return found

    read = jax.jit(jax.vmap(states))
    table = np.asarray(network.token_embedding)

    def features(tokens: Any) -> dict[str, np.ndarray]:
        layers = {f"layer {i + 1}": np.asarray(each) for i, each in enumerate(read(tokens))}
        return {BAG: table[tokens].sum(axis=1), **layers}

    return features


def _cache() -> Path:
    """Where unpacked weights are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return prepare_folder(Path(root) / "ktrans")


def _measure(arguments: argparse.Namespace, features: Any, task: TemplateTask) -> Probe:
    quick = arguments.quick
    default = QUICK_SUBSTITUTIONS if quick else SUBSTITUTIONS
    return probe(
        features,
        task,
        seed=arguments.seed,
        level=arguments.level,
        substitutions=default if arguments.substitutions is None else arguments.substitutions,
        num_samples=tuple(arguments.n or (QUICK_SAMPLES if quick else NUM_SAMPLES)),
        ridge=arguments.ridge,
        progress=functools.partial(show_progress, word="batches"),
    )


def _write(
    folder: Path,
    arguments: argparse.Namespace,
    task: TemplateTask,
    found: Probe,
    record: dict[str, Any],
) -> list[Path]:
    with paper_style():
        figure = probe_figure(record)
        files = [
            write_json(folder / "probe.json", record),
            write_figure(folder / "probe.png", figure),
        ]
    if arguments.report:
        picture = Picture("probe", "N and a linear probe through the layers", _CAPTION, figure)
        page = _page(arguments, task, found, record, files, picture)
        files.append(write_report(folder, page))
    return files


def _page(
    arguments: argparse.Namespace,
    task: TemplateTask,
    found: Probe,
    record: dict[str, Any],
    files: list[Path],
    picture: Picture,
) -> Page:
    kinds = str | int | float | list
    options = {k: v for k, v in vars(arguments).items() if v is None or isinstance(v, kinds)}
    caption = f"Errors are mean squared errors at n = {found.num_samples[-1]}, ± standard error."
    return Page(
        heading="probe",
        title=f"{task_title(task)}, {Path(arguments.model).name}",
        lead=_LEAD,
        verdict=_verdict(found),
        tables=[task_table(task), Table(caption, _rows(found))],
        pictures=[picture],
        origin=read_origin(arguments, record | {"configuration": options}, files),
    )


def _verdict(found: Probe) -> str:
    layers = found.layers or {"the features": found}
    names = [name for name, each in layers.items() if each.nonsingular]
    said = f"in {', '.join(names)}" if names else "in no layer"
    return (
        f"N is nonsingular at level {found.level:g} {said}, by {found.num_substitutions} "
        "substitutions with tokens of their own."
    )


def _lines(found: Probe) -> list[str]:
    caption = f"Mean squared errors at n = {found.num_samples[-1]}, ± standard error"
    return [*columns(_rows(found)), "", caption, *textwrap.wrap(_verdict(found), _WIDTH)]


def _rows(found: Probe) -> list[list[str]]:
    layers = found.layers or {"features": found}
    return [_HEADS, *(_row(name, each) for name, each in layers.items())]


def _row(name: str, found: Probe) -> list[str]:
    return [
        name,
        "yes" if found.nonsingular else "not shown",
        f"{found.p_value:.1e}" if found.p_value < 1 else "1",
        f"{found.sigma_min:.3g} ± {found.sigma_min_stderr:.1g}",
        f"{found.share:.2%}",
        f"{found.seen_error:.3f} ± {found.seen_stderr[-1]:.1g}",
        f"{found.unseen_error:.3f} ± {found.unseen_stderr[-1]:.1g}",
        f"{found.closed_form[-1]:.3f}",
    ]
