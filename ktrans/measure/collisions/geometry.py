"""The same diversity with different collisions: what ρ does not tell about the margin."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Int

from ktrans._checks import (
    Number,
    Whole,
    as_distinct,
    as_int,
    as_non_negative,
    as_real,
    as_reals,
    check_word,
    shown,
)
from ktrans._progress import Progress, in_silence
from ktrans._results import Result
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.coefficients import PairValues
from ktrans.measure.collisions.graph import collision_graph
from ktrans.solvers.ridge import KernelRidge
from ktrans.tasks import Dataset, TemplateTask
from ktrans.tasks.diversity import with_vocabulary
from ktrans.tasks.substitution import fill
from ktrans.theory.statistics import check_kernel, check_task

Geometry = Literal["star", "matching", "matching within a template"]
GEOMETRIES: tuple[Geometry, ...] = get_args(Geometry)


@dataclass(frozen=True, eq=False)
class GeometryMargins(Result):
    """Margins on unseen symbols for one geometry, against the diversity.

    Attributes:
        diversity: ρ = n / (holders of the most frequent token), shape (len,).
        margin: min over templates of y f̂ on unseen symbols, mean over seeds, shape (len,).
        stderr: Standard errors of these means, shape (len,).
        edges: Pairs of samples that share a token, of the first seed, shape (len,).
    """

    diversity: np.ndarray
    margin: np.ndarray
    stderr: np.ndarray
    edges: np.ndarray


def collision_design(
    task: TemplateTask, n: Whole, *, diversity: Number, geometry: Any, seed: Whole = 0
) -> Dataset:
    """Samples that collide in one token each, in a given pattern, and else in nothing.

    With d = n/ρ the number of holders of the most frequent token:

        star                        one token, held by d samples
        matching                    n/d tokens, each held by d samples; at d = 2 a perfect matching
        matching within a template  the same, the d samples of one template

    A shared token stands in a wildcard chosen at random in each sample; every other token occurs in
    one sample only. In all three ‖E‖₂ is of order d, the number of edges of order d², n d, n d.

    Args:
        task: Its templates and weights; its vocabulary is replaced by one that is large enough.
        n: Number of samples.
        diversity: ρ from 1 to n; n/ρ is rounded.
        geometry: "star", "matching" or "matching within a template".
        seed: Of templates, wildcards and label noise.

    Returns:
        The samples.

    Raises:
        ValueError: if an argument is out of range, or the task's tokens have names or weights.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("aba_abb", vocab_size=10)
        >>> data = collision_design(task, 100, diversity=50, geometry="matching")
        >>> np.bincount(data.substitutions.reshape(-1)).max()
        np.int64(2)
    """
    check_word("geometry", geometry, tuple(GEOMETRIES))
    task = check_task(task)
    n, seed, rho = as_int("n", n, 1), as_int("seed", seed, 0), as_real("diversity", diversity)
    if not 1 <= rho <= n:
        raise ValueError(f"`diversity` must be from 1 to n = {n}; got {rho:g}.")
    if task.max_wildcards == 0:
        raise ValueError("`task` must have a template with a wildcard; got none to collide in.")
    widest = task.max_wildcards
    large = with_vocabulary(task, n * (widest + 1))
    sample = large.sample(n, seed=seed)
    rng = np.random.default_rng(seed)
    maps = n + np.arange(n * widest).reshape(n, widest)
    shared = _shared_tokens(sample.template_ids, round(n / rho), geometry, rng)
    widths = np.array([template.num_wildcards for template in large.templates])[sample.template_ids]
    rows = np.flatnonzero((shared >= 0) & (widths > 0))
    maps[rows, rng.integers(widths[rows])] = shared[rows]
    maps[np.arange(widest) >= widths[:, None]] = -1
    codes = large.template_codes[sample.template_ids]
    return Dataset(
        tokens=fill(codes, maps).astype(np.int32),
        labels=sample.labels,
        template_ids=sample.template_ids,
        substitutions=maps.astype(np.int32),
        task=large,
    )


def geometry_margins(
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    *,
    num_samples: Whole,
    diversities: object,
    ridge: Number,
    seeds: object,
    progress: Progress = in_silence,
) -> dict[str, GeometryMargins]:
    """Margins of ridge regression on unseen symbols for each geometry, at the same diversities.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with numbers as labels.
        num_samples: n.
        diversities: Values of ρ.
        ridge: λ > 0, absolute.
        seeds: Of the samples, at least two for a standard error.
        progress: Wraps the loop over geometries and diversities.

    Returns:
        Margins by geometry: each is exact for its samples, the mean over seeds is estimated.

    Raises:
        TypeError: if an argument is of the wrong kind.
        ValueError: as `collision_design`, or if labels are symbols or there is one seed only.
    """
    known, symmetric, penalty = (
        check_task(task),
        check_kernel(kernel),
        as_non_negative("ridge", ridge),
    )
    chosen = as_distinct("seeds", seeds, 0)
    if len(chosen) < 2 or isinstance(known.labels, tuple):
        raise ValueError(
            f"`seeds` must be at least two and labels numbers; got seeds {shown(chosen)} and "
            f"labels {shown(known.labels)}."
        )
    values = PairValues(symmetric)
    cells = [(geometry, rho) for geometry in GEOMETRIES for rho in _read_diversities(diversities)]
    rows: dict[str, list[tuple[float, ...]]] = {geometry: [] for geometry in GEOMETRIES}
    for geometry, rho in progress(cells, "geometries"):
        samples = [
            collision_design(known, num_samples, diversity=rho, geometry=geometry, seed=seed)
            for seed in chosen
        ]
        rows[geometry].append(_cell(symmetric, values, samples, penalty))
    return {geometry: GeometryMargins(*np.array(row).T) for geometry, row in rows.items()}


def _read_diversities(diversities: object) -> list[float]:
    """One or more values of ρ."""
    values = as_reals("diversities", diversities)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"`diversities` must be one or more numbers; got {shown(diversities)}.")
    return values.tolist()


def _shared_tokens(
    template_ids: Int[np.ndarray, "n"], holders: int, geometry: str, rng: np.random.Generator
) -> Int[np.ndarray, "n"]:
    """The token below n that each sample shares, or −1."""
    n = len(template_ids)
    place = np.empty(n, dtype=np.int64)
    if geometry == "matching within a template":
        order = np.lexsort((rng.random(n), template_ids))
        counts = np.bincount(template_ids)
        # Tokens start anew with each template; a group of holders never crosses to the next.
        ranks = np.concatenate([np.arange(count) // holders for count in counts])
        place[order] = ranks + np.repeat(np.cumsum(counts) - counts, counts)
        return place
    place[rng.permutation(n)] = np.arange(n) // holders
    return np.where(place > 0, -1, place) if geometry == "star" else place


def _cell(
    kernel: TokenSymmetricKernel, values: PairValues, samples: list[Dataset], ridge: float
) -> tuple[float, float, float, float]:
    operators = [GramOperator(kernel, each, values=values) for each in samples]
    margins = np.array(
        [
            _margin(KernelRidge(kernel, ridge=ridge).fit(operator, each.labels), each.task)
            for operator, each in zip(operators, samples, strict=True)
        ]
    )
    largest = np.bincount(samples[0].substitutions[samples[0].substitutions >= 0]).max()
    stderr = margins.std(ddof=1) / np.sqrt(len(margins))
    edges = float(collision_graph(operators[0], samples[0]).num_edges)
    return len(samples[0]) / int(largest), float(margins.mean()), float(stderr), edges


def _margin(model: KernelRidge, task: TemplateTask) -> float:
    return float(np.min(model.predict_unseen() * np.asarray(task.labels)))
