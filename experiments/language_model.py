"""GPT-2 with and without two scalars a head, a in W_K W_Qᵀ + aI and b in W_V W_O + bI, on text.

python -m experiments.language_model [--quick] [--text PATH] [--out results/language_model]

Both networks start from the same weights and see the same batches for each seed; what is compared
is their perplexity on text that neither was trained on. Without --text the text is the source code
of Python's standard library, split by module, since every machine has it. With --weights training
starts from GPT-2's weights, which need its tokenizer. Trainings are kept in
results/language_models: the same command goes on where it was interrupted, and runs on a GPU where
JAX has one. With --debian the text is the documentation of the packages linux-doc and
debian-handbook, twice as much.
"""

import argparse
import dataclasses
import functools
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.special import stdtrit

from experiments._run import write_picture, write_results
from ktrans._provenance import digest
from ktrans.cli.output import prepare_folder
from ktrans.networks import gpt2_config, load_gpt2
from ktrans.networks.documentation import ROOT, read_documentation
from ktrans.networks.language_model import LanguageResult, train_language_model
from ktrans.networks.language_optimisation import PRECISIONS, LanguageTraining
from ktrans.networks.perplexity import Perplexity, perplexity
from ktrans.networks.text import Text, read_text
from ktrans.networks.tokens import TextData, load_tokenizer, tokenize, train_tokenizer
from ktrans.plotting.language_model import language_model_figure

CACHE = Path("results") / "language_models"
PLAIN, MODIFIED = "none", "ab"
DEBIAN = "debian"  # as `files`: Debian's documentation below `text`
_BLOCKS = "test_block_losses"

# No part of the library itself, or in other encodings on purpose.
_NOT_LIBRARY = ("site-packages", "dist-packages", "test", "tests")


@dataclass(frozen=True)
class Config:
    """What is trained on what.

    Attributes:
        files: Which modules of the standard library, or files of the folder `text`.
        vocab_size: Of the tokenizer that is trained on the text, unless `tokenizer` is given.
        context_length: k.
        depth: Blocks.
        heads: Heads of each.
        dim: Width of the residual stream.
        training: Steps and rates.
        seeds: Weights and batches of each pair of networks.
        test_windows: How many windows of the test text at most, spread over it; None: all.
        text: File or folder; None: the standard library.
        tokenizer: A tokenizer on disk.
        weights: A safetensors file of GPT-2, from which sizes are taken.
    """

    files: str
    vocab_size: int
    context_length: int
    depth: int
    heads: int
    dim: int
    training: LanguageTraining
    seeds: tuple[int, ...]
    test_windows: int | None = None
    text: str | None = None
    tokenizer: str | None = None
    weights: str | None = None

    @classmethod
    def quick(cls) -> "Config":
        """Two minutes on two cores: GPT-2 scaled down, on the modules that are one file."""
        training = LanguageTraining(
            steps=200, batch_size=32, learning_rate=3e-3, warmup=20, evaluate_every=20,
            max_windows=128,
        )  # fmt: skip
        return cls(
            "*.py", vocab_size=1000, context_length=64, depth=2, heads=4, dim=64,
            training=training, seeds=(0, 1, 2, 3, 4), test_windows=1024,
        )  # fmt: skip

    @classmethod
    def paper(cls) -> "Config":
        """GPT-2 small on the whole library: for a GPU."""
        training = LanguageTraining(
            steps=1000, batch_size=32, accumulation=4, evaluate_every=50, max_windows=128
        )
        return cls(
            "**/*.py", vocab_size=50257, context_length=1024, depth=12, heads=12, dim=768,
            training=training, seeds=(0, 1, 2),
        )  # fmt: skip

    def network(self, identities: str, num_tokens: int) -> Any:
        """A configuration, or the network on disk."""
        if self.weights is not None:
            return load_gpt2(self.weights, identities=identities)
        return gpt2_config(
            num_tokens=num_tokens,
            context_length=self.context_length,
            depth=self.depth,
            heads=self.heads,
            dim=self.dim,
            identities=identities,
        )


def compute(config: Config, cache: Path | None = None) -> dict[str, Any]:
    """Perplexities with and without the scalars, their paired difference, and a and b."""
    data = read_data(config, cache)
    folder = None if cache is None else cache / _name(config, data)
    runs = {
        identities: [_train(config, data, identities, seed, folder) for seed in config.seeds]
        for identities in (PLAIN, MODIFIED)
    }
    found = {
        "tokens": {part: len(getattr(data, part)) for part in ("train", "validation", "test")},
        "vocab_size": data.num_tokens,
        "unigram": unigram_perplexity(data),
        "runs": runs,
        "difference": _difference(runs),
    }
    return found | {"verdict": _verdict(found)}


def unigram_perplexity(data: TextData) -> float:
    """On the test text, of token frequencies in the training text, each count raised by one."""
    counts = 1.0 + np.bincount(data.train, minlength=data.num_tokens)
    return float(np.exp(-np.log(counts / counts.sum())[data.test].mean()))


def read_data(config: Config, cache: Path | None) -> TextData:
    """The text of the configuration as tokens, which the cache keeps."""
    text = _read_text(config)
    if config.tokenizer is not None:
        tokenizer = load_tokenizer(config.tokenizer)
    else:
        tokenizer = train_tokenizer(text, config.vocab_size)
    return tokenize(text, tokenizer, cache=cache and cache / "tokens", progress=True)


def _read_text(config: Config) -> Text:
    if config.files == DEBIAN:
        return read_documentation(config.text or ROOT)
    root = config.text or sysconfig.get_path("stdlib")
    exclude = () if config.text else _NOT_LIBRARY
    return read_text(root, files=config.files, exclude=exclude)


def _name(config: Config, data: TextData) -> str:
    """What all but the seed is known by."""
    record = dataclasses.asdict(config) | {"seeds": None, "data": data.fingerprint()}
    return digest(record)[:16]


def _train(
    config: Config, data: TextData, identities: str, seed: int, folder: Path | None
) -> dict[str, Any]:
    network = config.network(identities, data.num_tokens)
    result = train_language_model(
        network, data, config.training, seed=seed, progress=True,
        checkpoint=folder and folder / f"{identities}-{seed}",
    )  # fmt: skip
    training = config.training
    contexts = training.batch_size // training.accumulation
    with jax.enable_x64(False), jax.default_matmul_precision(training.precision):
        test = perplexity(
            result.network, data.test, max_windows=config.test_windows, batch_size=contexts
        )
    return {"seed": seed, **_record(result, test)}


def _record(result: LanguageResult, test: Perplexity) -> dict[str, Any]:
    history = result.history
    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(result.network)),
        "steps": history.steps.tolist(),
        "train_loss": history.train_loss.tolist(),
        "perplexity": history.validation_perplexity.tolist(),
        "perplexity_stderr": history.perplexity_stderr.tolist(),
        "a": history.a.tolist(),
        "b": history.b.tolist(),
        "test_perplexity": test.value,
        "test_stderr": test.stderr,
        _BLOCKS: test.block_losses.tolist(),
        "seconds": result.seconds,
    }


def _difference(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Loss in nats a token with the scalars minus without, for the same seed and text."""
    pairs = list(zip(runs[PLAIN], runs[MODIFIED], strict=True))
    path = np.array([np.log(b["perplexity"]) - np.log(a["perplexity"]) for a, b in pairs])
    test = np.array([np.log(b["test_perplexity"] / a["test_perplexity"]) for a, b in pairs])
    blocks = np.array([np.subtract(b[_BLOCKS], a[_BLOCKS]) for a, b in pairs])
    return {
        "steps": runs[PLAIN][0]["steps"],
        "mean": path.mean(axis=0).tolist(),
        "stderr": _stderr(path).tolist(),
        "test": test.tolist(),
        "test_stderr_over_text": (blocks.std(axis=1, ddof=1) / blocks.shape[1] ** 0.5).tolist(),
        "test_mean": float(test.mean()),
        "test_stderr": float(_stderr(test)),
        "test_interval": _interval(test),
    }


def _stderr(values: np.ndarray) -> np.ndarray:
    """Of the mean over seeds."""
    return values.std(axis=0, ddof=1) / len(values) ** 0.5


def _interval(values: np.ndarray) -> list[float]:
    """Student's interval of 95 % for the mean over few seeds."""
    half = stdtrit(len(values) - 1, 0.975) * _stderr(values)
    return [float(values.mean() - half), float(values.mean() + half)]


def _verdict(found: dict[str, Any]) -> list[str]:
    """What came out, each sentence from the numbers it holds."""
    difference = found["difference"]
    low, high = difference["test_interval"]
    rows = [_perplexities(found, kind) for kind in (PLAIN, MODIFIED)]
    told = (
        f"Loss on the test text with aI and bI minus without: {difference['test_mean']:.4f} ± "
        f"{difference['test_stderr']:.4f} nats a token over {len(difference['test'])} seeds, 95 % "
        f"interval {low:.4f} to {high:.4f}"
    )
    return [*rows, f"{told}{', which holds zero' if low < 0 < high else ''}."]


def _perplexities(found: dict[str, Any], kind: str) -> str:
    runs = found["runs"][kind]
    values = ", ".join(f"{run['test_perplexity']:.3f}" for run in runs)
    name = "without" if kind == PLAIN else "with"
    return (
        f"{runs[0]['parameters']:,} parameters, {name} aI and bI: test perplexities {values} "
        f"(± {max(run['test_stderr'] for run in runs):.2f} over text); unigrams have "
        f"{found['unigram']:.1f}."
    )


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--text", help="file or folder; WikiText's files are known")
    parser.add_argument(
        "--debian", metavar="FOLDER", nargs="?", const=ROOT,
        help="documentation of Debian packages, installed or in FOLDER",
    )  # fmt: skip
    parser.add_argument("--files", help="which files of the folder, such as '**/*.txt'")
    parser.add_argument("--tokenizer", help="tokenizer.json, or folder with GPT-2's files")
    parser.add_argument("--weights", help="model.safetensors of GPT-2")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--out", type=Path, default=Path("results") / "language_model")
    parser.add_argument("--format", choices=("png", "pdf", "svg"), default="png")
    return parser.parse_args()


def _configuration(arguments: argparse.Namespace) -> Config:
    config = Config.quick() if arguments.quick else Config.paper()
    files = arguments.files or ("**/*" if arguments.text else config.files)
    return dataclasses.replace(
        config,
        files=DEBIAN if arguments.debian else files,
        text=arguments.debian or arguments.text,
        tokenizer=arguments.tokenizer,
        weights=arguments.weights,
        training=dataclasses.replace(config.training, precision=arguments.precision),
    )


def main() -> None:
    """Compute, write the result file and the figure, print the verdict."""
    arguments = _read_arguments()
    config, folder = _configuration(arguments), prepare_folder(arguments.out)
    start = time.perf_counter()
    results = compute(config, CACHE)
    write_results(folder, config, results, time.perf_counter() - start)
    draw = functools.partial(language_model_figure, results)
    write_picture(folder / f"language_model.{arguments.format}", draw)
    print("\n".join(results["verdict"]))


if __name__ == "__main__":
    main()
