"""The depth-1 transformer at finite width: distance to the exact kernel, and width needed by ridge.

python -m experiments.random_features [--quick] [--out results/random_features]

Each source of finiteness is measured alone, as the root mean square distance over networks and
pairs of strings between the kernel of a network and what takes its place in the limit:

    heads      the kernel of H heads with head dimension and MLP width infinite; the exact kernel
    head_dim   heads of dimension d; the same heads, their keys and queries' directions kept, at
               d = ∞. With infinitely many heads this distance would be of order 1/d instead, as
               fluctuations average out and the bias of the softmax remains
    mlp_width  features of p hidden units; the dual activation of the network's own attention kernel
    all        all three grown in proportion, nothing infinite; the exact kernel
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

import ktrans as kt
from experiments._run import in_parts, run_experiment
from ktrans._progress import show_progress
from ktrans._store import Keep, at_once
from ktrans.measure.unseen import unseen_error
from ktrans.networks import RandomFeatures
from ktrans.plotting.random_features import random_features_figure

SOURCES = ("heads", "head_dim", "mlp_width", "all")
# Widths of `all` and of ridge regression, as fractions of the MLP width.
_HEADS, _HEAD_DIM = 1 / 32, 1 / 32


@dataclass(frozen=True)
class Config:
    """What is measured.

    Attributes:
        widths: For each source, widths from small to large.
        networks: Networks a width.
        num_samples: n of ridge regression, also the size of the vocabulary.
        ridge_widths: MLP widths p of ridge regression; heads and head dimension in proportion.
        ridge_networks: Networks a width there, each with training strings of its own.
    """

    widths: dict[str, tuple[int, ...]]
    networks: int
    num_samples: int
    ridge_widths: tuple[int, ...]
    ridge_networks: int
    beta: float = 1.0
    gamma: float = 1.0
    b1: float = 1.5
    b2: float = 0.4
    # At β = 1 the fresh-symbol task needs thousands of samples (the closed form of theory.md).
    ridge_beta: float = 4.0
    ridge: float = 0.1
    task: str = "aba_abb"
    num_unseen: int = 256

    @classmethod
    def quick(cls) -> "Config":
        """A minute or two."""
        powers = {"heads": (8, 64, 512), "head_dim": (16, 64, 256), "mlp_width": (64, 512, 4096)}
        widths = powers | {"all": (512, 1024, 2048)}
        return cls(widths, 40, num_samples=128, ridge_widths=(128, 1024, 4096), ridge_networks=4)

    @classmethod
    def paper(cls) -> "Config":
        """More widths and networks: ten minutes."""
        widths = {
            "heads": _powers(3, 11),
            "head_dim": _powers(4, 9),
            "mlp_width": _powers(5, 13),
            "all": _powers(9, 12),
        }
        return cls(widths, 100, num_samples=512, ridge_widths=_powers(6, 13), ridge_networks=5)

    @property
    def activation(self) -> kt.Cosine:
        """φ."""
        return kt.Cosine(b1=self.b1, b2=self.b2)

    def kernel(self, beta: float) -> kt.TransformerKernel:
        """The exact K_trans."""
        return kt.TransformerKernel(beta=beta, gamma=self.gamma, activation=self.activation)

    def network(self, beta: float, seed: int, **widths: Any) -> RandomFeatures:
        """The network at finite width."""
        return RandomFeatures(
            beta=beta, gamma=self.gamma, activation=self.activation, seed=seed, **widths
        )


def compute(config: Config, keep: Keep = at_once) -> dict[str, Any]:
    """Distances with their slopes for each source, and the errors of ridge regression."""
    strings = _strings(config)
    exact = np.asarray(config.kernel(config.beta)(strings))
    sources = {
        name: keep(name, functools.partial(_distances, config, name, strings, exact))
        for name in SOURCES
    }
    return {"sources": sources, "ridge": keep("ridge", lambda: _ridge_errors(config))}


def _strings(config: Config) -> np.ndarray:
    """Strings of which some share tokens and some do not."""
    few = kt.tasks.load(config.task, vocab_size=4)
    return np.unique(np.vstack([few.sample(6).tokens, *few.fresh_strings()]), axis=0)


def _distances(config: Config, source: str, strings: np.ndarray, exact: np.ndarray) -> dict:
    draws, widths = [], np.array(config.widths[source])
    for width in widths.tolist():
        networks = show_progress(range(config.networks), f"{source} = {width}")
        found = [_deviation(config, source, width, seed, strings, exact) for seed in networks]
        draws.append(np.stack(found))
    squares = np.stack([np.mean(each**2, axis=(1, 2)) for each in draws])
    return {
        "widths": widths.tolist(),
        "rms": np.sqrt(squares.mean(1)).tolist(),
        "largest_z": [_largest_score(each) for each in draws],
        "slope": _slope(widths, squares),
        "slope_stderr": _jackknife(widths, squares),
    }


def _slope(widths: np.ndarray, squares: Float[np.ndarray, "widths networks"]) -> float:
    """Of log root mean square against log width, by least squares."""
    return float(np.polyfit(np.log(widths), np.log(squares.mean(1)) / 2, 1)[0])


def _jackknife(widths: np.ndarray, squares: Float[np.ndarray, "widths networks"]) -> float:
    """Standard error of the slope, from the slopes without one network each."""
    count = squares.shape[1]
    without = [_slope(widths, np.delete(squares, j, axis=1)) for j in range(count)]
    return float(np.std(without) * (count - 1) ** 0.5)


def _largest_score(deviations: Float[np.ndarray, "networks n n"]) -> float:
    """The largest mean over networks of an entry, in units of its standard error."""
    mean, std = deviations.mean(0), deviations.std(0, ddof=1)
    return float(np.max(np.abs(mean) / (std / len(deviations) ** 0.5)))


def _deviation(
    config: Config, source: str, width: int, seed: int, strings: np.ndarray, exact: np.ndarray
) -> Float[np.ndarray, "n n"]:
    """The kernel of one network minus what takes its place as the width of the source grows."""
    if source == "heads":
        network = config.network(config.beta, seed, heads=width, head_dim=None, mlp_width=1)
        return _dual(config, network.attention_kernel(strings)) - exact
    if source == "head_dim":
        network = config.network(config.beta, seed, heads=16, head_dim=width, mlp_width=1)
        limit = network.attention_kernel(strings, infinite_head_dim=True)
        return _dual(config, network.attention_kernel(strings)) - _dual(config, limit)
    if source == "mlp_width":
        network = config.network(config.beta, seed, heads=16, head_dim=16, mlp_width=width)
        return network.kernel(strings) - _dual(config, network.attention_kernel(strings))
    network = config.network(config.beta, seed, **_in_proportion(width))
    return network.kernel(strings) - exact


def _in_proportion(width: int) -> dict[str, int]:
    return {
        "heads": max(1, round(_HEADS * width)),
        "head_dim": max(1, round(_HEAD_DIM * width)),
        "mlp_width": width,
    }


def _dual(config: Config, attention: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The kernel of infinitely many hidden units on top of an attention kernel."""
    own = np.diag(attention)
    return np.asarray(config.activation.dual(own[:, None], own[None, :], attention))


def _ridge_errors(config: Config) -> dict[str, Any]:
    """Errors on unseen symbols of ridge regression on features and with the exact kernel."""
    task = kt.tasks.load(config.task, vocab_size=config.num_samples)
    seeds = range(config.ridge_networks)
    kernel = np.array([_kernel_error(config, task, seed) for seed in seeds])
    features = [
        [
            _feature_error(config, task, width, s)
            for s in show_progress(seeds, f"ridge, p = {width}")
        ]
        for width in config.ridge_widths
    ]
    means = np.mean(features, axis=1)
    return {
        "widths": list(config.ridge_widths),
        "features": means.tolist(),
        "stderr": (np.std(features, axis=1, ddof=1) / len(seeds) ** 0.5).tolist(),
        "kernel": float(kernel.mean()),
        "num_samples": config.num_samples,
        "wide_enough": _wide_enough(config.ridge_widths, means, float(kernel.mean())),
    }


def _kernel_error(config: Config, task: kt.TemplateTask, seed: int) -> float:
    model = kt.KernelRidge(config.kernel(config.ridge_beta), ridge=config.ridge)
    model.fit(task.sample(config.num_samples, seed))
    return unseen_error(model, task)


def _feature_error(config: Config, task: kt.TemplateTask, width: int, seed: int) -> float:
    train = task.sample(config.num_samples, seed)
    unseen = task.sample_unseen(config.num_unseen, seed)
    network = config.network(config.ridge_beta, seed, **_in_proportion(width))
    # One call, so that one shape is compiled.
    both = network.features(np.vstack([train.tokens, unseen.tokens]))
    features, fresh = both[: len(train)], both[len(train) :]
    model = kt.KernelRidge("precomputed", ridge=config.ridge)
    model.fit(features @ features.T, train.labels)
    return float(np.mean((model.predict(fresh @ features.T) - unseen.labels) ** 2))


def _wide_enough(widths: tuple[int, ...], errors: np.ndarray, kernel: float) -> int | None:
    """The smallest width from which on the error is within a tenth of the kernel's, if any."""
    off = np.flatnonzero(errors > 1.1 * kernel)
    first = off[-1] + 1 if len(off) else 0
    return widths[first] if first < len(widths) else None


def _powers(first: int, last: int) -> tuple[int, ...]:
    return tuple(2**power for power in range(first, last + 1))


def main() -> None:
    """Compute, write the result file and the figure."""
    run_experiment(
        __doc__, "random_features", Config,
        in_parts(compute),
        random_features_figure, resumes=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
