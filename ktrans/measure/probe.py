"""The template matrix of any features, and what a linear probe makes of them on unseen symbols."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans._checks import as_int, as_ints, as_non_negative, as_probability, check_kind
from ktrans._results import Result
from ktrans.measure.probing.features import evaluate
from ktrans.measure.probing.moments import Estimated, estimate
from ktrans.measure.probing.rank_test import nonsingular_p_value
from ktrans.measure.probing.ridge import closed_form, fit, mean_squared_error
from ktrans.measure.probing.strings import Sets, count_substitutions, draw_rounds, draw_sets
from ktrans.tasks import TemplateTask

LEVEL = 0.01
SUBSTITUTIONS, ROUNDS = 256, 2
NUM_SAMPLES = (16, 64, 256, 1024)
REPEATS, NUM_TEST = 4, 512
_LARGEST_LEVEL = 0.2
_MOST_SAMPLES = 10**6

Counts = Float[np.ndarray, "t"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Probe(Result):
    """What features know of the templates of a task, found by `probe`; all numbers are estimates.

    Attributes:
        templates: r templates.
        template_matrix: N̂, (r, r), without bias: ⟨μ_i, μ_j⟩, μ_i the mean feature of template i.
        stderr: Its standard errors, over tokens and substitutions.
        token_stderr: What would stay of them if the same tokens were put together in more ways.
        substitution_stderr: What comes from the way in which they were put together.
        interval: 95 % intervals of N, (r, r, 2).
        self_kernel: σ̂_z = E‖φ‖² − N_zz, (r,): what a string has beyond its template.
        sigma_min: Least eigenvalue of N̂; it can be negative.
        sigma_min_stderr: Its standard error.
        p_value: Of the hypothesis that N is singular; 1 where it is large.
        level: Of the test: singular N is called nonsingular at most so often.
        share: Share of the variance of features that is between templates, the rest within them.
        share_stderr: Its standard error.
        num_samples: Numbers of samples n of the linear probe.
        seen: Mean squared error on new strings of the training symbols, for each n, labels without
            noise.
        seen_stderr: Its standard error over training sets.
        unseen: The same on strings of symbols that never occurred in training.
        unseen_stderr: Likewise.
        closed_form: The same without collisions from N̂ and σ̂.
        ridge: λ of the probe for each n, absolute; the geometric mean over training sets.
        num_substitutions: Substitutions of a round, each with tokens of its own.
        num_features: d.
        layers: The probe of each layer by name, in order, where there are several; the numbers
            above are then those of the last.
    """

    templates: tuple[str, ...]
    template_matrix: Float[np.ndarray, "r r"]
    stderr: Float[np.ndarray, "r r"]
    token_stderr: Float[np.ndarray, "r r"]
    substitution_stderr: Float[np.ndarray, "r r"]
    interval: Float[np.ndarray, "r r 2"]
    self_kernel: Float[np.ndarray, "r"]
    sigma_min: float
    sigma_min_stderr: float
    p_value: float
    level: float
    share: float
    share_stderr: float
    num_samples: tuple[int, ...]
    seen: Counts
    seen_stderr: Counts
    unseen: Counts
    unseen_stderr: Counts
    closed_form: Counts
    ridge: Counts
    num_substitutions: int
    num_features: int
    layers: dict[str, "Probe"] = field(default_factory=dict)

    @property
    def nonsingular(self) -> bool:
        """Whether N is nonsingular at the level; False says that it was not shown to be."""
        return self.p_value <= self.level

    @property
    def seen_error(self) -> float:
        """Mean squared error on training symbols at the largest n."""
        return float(self.seen[-1])

    @property
    def unseen_error(self) -> float:
        """Mean squared error on unseen symbols at the largest n."""
        return float(self.unseen[-1])

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON has words for."""
        record = {name: _plain(value) for name, value in vars(self).items() if name != "layers"}
        names = ("nonsingular", "seen_error", "unseen_error")
        record |= {name: getattr(self, name) for name in names}
        return record | {"layers": {name: each.to_dict() for name, each in self.layers.items()}}

    def __str__(self) -> str:
        """A sentence on N, and one on the errors; of the last layer where there are several."""
        verdict = "nonsingular" if self.nonsingular else "not shown to be nonsingular"
        return (
            f"N is {verdict} (p = {self.p_value:.2g}, level {self.level:g}): σ_min = "
            f"{self.sigma_min:.3g} ± {self.sigma_min_stderr:.2g}. A linear probe on n = "
            f"{self.num_samples[-1]} strings errs by {self.seen_error:.3g} on seen symbols, by "
            f"{self.unseen_error:.3g} on unseen ones (closed form {self.closed_form[-1]:.3g})."
        )


class _Plan(NamedTuple):
    """What is drawn and asked."""

    level: float
    num_samples: tuple[int, ...]
    repeats: int
    ridge: float | None


def probe(
    features: object,
    task: TemplateTask,
    *,
    seed: int = 0,
    level: float = LEVEL,
    substitutions: int = SUBSTITUTIONS,
    rounds: int = ROUNDS,
    num_samples: Sequence[int] = NUM_SAMPLES,
    repeats: int = REPEATS,
    num_test: int = NUM_TEST,
    ridge: float | None = None,
    batch_size: int = 256,
    progress: Callable[[Any], Any] = iter,
) -> Probe:
    """What features know of the templates of a task on symbols that they never saw.

    With features φ and N_ij = ⟨E φ(sub(z_i, s)), E φ(sub(z_j, s′))⟩, a linear probe on φ follows
    the templates on unseen symbols if and only if its labels lie in what N sees, all of them where
    N is nonsingular. Substitutions draw the unseen tokens of the task, each with tokens of its own.

    Args:
        features: A callable from tokens (n, k), [CLS] last, to features (n, d); one that returns a
            mapping of such by layer; a mapping of callables; or a kernel.
        task: A template task with numbers as labels. Its unseen tokens are taken as independent
            draws from those that might occur.
        seed: Of all that is drawn.
        level: Of the test that N is nonsingular, at most .2; for each layer on its own.
        substitutions: The largest number of a round; fewer where there are too few tokens.
        rounds: Ways in which the tokens are put together to substitutions. The first is what N̂ is
            made from, others say how much of its error is due to the way.
        num_samples: Numbers n of training strings of the linear probe, ascending.
        repeats: Training sets for each n.
        num_test: Strings on which errors are taken, of seen and of unseen symbols.
        ridge: λ ≥ 0, absolute; None: chosen for each training set by its leave-one-out error.
        batch_size: Strings a call of the features.
        progress: From the batches to the batches, for a bar.

    Returns:
        Estimates with standard errors, intervals, and a verdict at the level.

    Raises:
        TypeError: `features` or `task` is of the wrong kind.
        ValueError: labels are symbols, there are too few tokens, or features have the wrong shape
            or are not finite.

    References:
        Boix-Adserà et al. (2024), section 3, for N and what it decides. Székely and Bakirov (2003)
        for the test.

    Example:
        >>> import numpy as np
        >>> import ktrans as kt
        >>> from ktrans.measure.probe import probe
        >>> task = kt.tasks.load("same_different", vocab_size=200)
        >>> def equal(tokens):
        ...     same = tokens[:, 0] == tokens[:, 1]
        ...     return np.stack([same, ~same], axis=1).astype(float)
        >>> found = probe(equal, task)
        >>> found.nonsingular, found.template_matrix.round(3).tolist()
        (True, [[1.0, 0.0], [0.0, 1.0]])
    """
    check_kind("task", task, TemplateTask)
    if task.is_symbolic:
        raise ValueError("`task` must have numbers as labels; got symbols (next token).")
    plan = _plan(level, num_samples, repeats, ridge)
    number = as_int("seed", seed, 0)
    count = count_substitutions(task, as_int("substitutions", substitutions, 1))
    strings = draw_rounds(task, count, as_int("rounds", rounds, 1), number)
    sets = draw_sets(
        task, plan.num_samples[-1], plan.repeats, as_int("num_test", num_test, 1), number
    )
    parts = [strings.reshape(-1, strings.shape[-1]), *(data.tokens for data in _all(sets))]
    found = evaluate(features, np.concatenate(parts), as_int("batch_size", batch_size, 1), progress)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    layers = {}
    for name, values in found.items():
        own, *of_sets = np.split(values, ends)
        layers[name] = _probe(own.reshape(*strings.shape[:3], -1), of_sets, sets, plan, task)
    *_, last = layers.values()
    return replace(last, layers=layers) if len(layers) > 1 else last


def _plan(level: object, num_samples: object, repeats: object, ridge: object) -> _Plan:
    share = as_probability("level", level)
    if share > _LARGEST_LEVEL:
        raise ValueError(f"`level` must be at most {_LARGEST_LEVEL}; got {share}.")
    counts = as_ints("num_samples", num_samples, 1, _MOST_SAMPLES)
    if not counts or list(counts) != sorted(set(counts)):
        raise ValueError(f"`num_samples` must be one or more ascending integers; got {counts}.")
    penalty = None if ridge is None else as_non_negative("ridge", ridge)
    return _Plan(share, counts, as_int("repeats", repeats, 1), penalty)


def _all(sets: Sets) -> list[Any]:
    return [*sets.train, sets.seen, sets.unseen]


def _probe(
    features: Float[np.ndarray, "rounds b r d"],
    of_sets: list[Any],
    sets: Sets,
    plan: _Plan,
    task: TemplateTask,
) -> Probe:
    """One layer."""
    moments = estimate(features, task.weights)
    ridges, seen, unseen = _fitted(of_sets, sets, plan)
    ridge = np.exp(np.log(np.maximum(ridges, np.finfo(float).tiny)).mean(axis=0))
    return Probe(
        templates=tuple(map(str, task.templates)),
        p_value=nonsingular_p_value(features[0]),
        level=plan.level,
        num_samples=plan.num_samples,
        seen=seen.mean(axis=0),
        seen_stderr=_stderr(seen),
        unseen=unseen.mean(axis=0),
        unseen_stderr=_stderr(unseen),
        closed_form=_closed_form(moments, task, plan, ridge),
        ridge=ridge,
        num_substitutions=features.shape[1],
        num_features=features.shape[3],
        **_estimates(moments),
    )


def _estimates(moments: Estimated) -> dict[str, Any]:
    value, total = moments.value, moments.total
    return {
        "template_matrix": value.template_matrix,
        "stderr": total.template_matrix,
        "token_stderr": moments.token.template_matrix,
        "substitution_stderr": moments.substitution.template_matrix,
        "interval": moments.interval("template_matrix"),
        "self_kernel": value.self_kernel,
        "sigma_min": float(value.sigma_min),
        "sigma_min_stderr": float(total.sigma_min),
        "share": float(value.share),
        "share_stderr": float(total.share),
    }


def _closed_form(moments: Estimated, task: TemplateTask, plan: _Plan, ridge: Counts) -> Counts:
    labels = np.asarray(task.labels, np.float64)
    errors = [
        closed_form(moments.value, labels, task.weights, n, penalty, task.noise_std)
        for n, penalty in zip(plan.num_samples, ridge.tolist(), strict=True)
    ]
    return np.array(errors)


def _fitted(of_sets: list[Any], sets: Sets, plan: _Plan) -> Float[np.ndarray, "3 repeats t"]:
    """λ, the error on seen and the error on unseen symbols, of each training set and n."""
    *train, seen, unseen = of_sets
    targets = [_without_noise(data) for data in (sets.seen, sets.unseen)]
    found = np.empty((3, len(train), len(plan.num_samples)))
    for i, (features, data) in enumerate(zip(train, sets.train, strict=True)):
        for j, n in enumerate(plan.num_samples):
            weights, found[0, i, j] = fit(features[:n], data.labels[:n], plan.ridge)
            for k, scored in enumerate((seen, unseen)):
                found[1 + k, i, j] = mean_squared_error(weights, scored, targets[k])
    return found


def _without_noise(data: Any) -> Float[np.ndarray, "n"]:
    return np.asarray(data.task.labels, np.float64)[data.template_ids]


def _stderr(values: Float[np.ndarray, "repeats t"]) -> Counts:
    """Of the mean over repeats; infinite for a single one."""
    count = len(values)
    if count == 1:
        return np.full(values.shape[1], np.inf)
    return values.std(axis=0, ddof=1) / count**0.5


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value] if value.ndim else _plain(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value
