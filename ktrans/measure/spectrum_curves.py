"""Eigenvalues as curves in ρ: those of samples, those of the population, and their limits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from ktrans._checks import Numbers, Whole, as_int, as_ints, check_word, shown
from ktrans._progress import Progress, in_silence
from ktrans._results import Result
from ktrans.gram.operator import GramOperator
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.coefficients import PairValues
from ktrans.measure.eigenpairs import top_eigenpairs
from ktrans.tasks import TemplateTask
from ktrans.tasks.diversity import with_vocabulary
from ktrans.theory.spectrum.population import Spectrum, operator_spectrum, population_operator
from ktrans.theory.statistics import TemplateStatistics, template_statistics

_SPARE_EIGENVALUES = 6  # of the bulk, beside the r leading ones
_LAID_OVER = 2  # of the bulk, where population spectra are the picture


@dataclass(frozen=True, eq=False)
class DiversitySpectrum(Result):
    """Leading eigenvalues of K̂/n against ρ, with what they tend to.

    Attributes:
        diversity: ρ, shape (len,).
        num_samples: n of every Gram matrix.
        eigenvalues: Largest eigenvalues of K̂/n, descending, shape (len, e), to 1e-6 relative.
        limit: Eigenvalues of D^½ N D^½ (D = template weights), n and ρ → ∞; shape (r,).
        limit_at_n: Those of D^½ N D^½ + diag(σ)/n, ρ → ∞ at this n; shape (r,).
    """

    diversity: np.ndarray
    num_samples: int
    eigenvalues: np.ndarray
    limit: np.ndarray
    limit_at_n: np.ndarray


def diversity_spectrum(
    statistics: TemplateStatistics,
    *,
    num_samples: Whole,
    vocab_sizes: Numbers,
    spare: Whole = _SPARE_EIGENVALUES,
    seed: Whole = 0,
    progress: Progress = in_silence,
) -> DiversitySpectrum:
    """Leading eigenvalues of K̂/n for several vocabularies.

    K̂ = Z N Zᵀ + E: as ρ and n grow the r largest eigenvalues of K̂/n tend to those of D^½ N D^½,
    and all others to zero. At finite n the self-kernel σ_z = K(x, x) − N_zz adds σ/n to each.

    Args:
        statistics: Of a kernel on a task; its vocabulary is replaced.
        num_samples: n.
        vocab_sizes: Values of m.
        spare: How many eigenvalues of the bulk to find beside the r leading ones.
        seed: Of the samples.
        progress: Wraps the loop over vocabularies.

    Returns:
        Eigenvalues with their limits.

    Raises:
        ValueError: if the task's vocabulary cannot be replaced.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), Figure 3 and the proof of the lemma.
    """
    known, symmetric = statistics.task, statistics.kernel
    n = as_int("num_samples", num_samples, 1)
    tasks = [with_vocabulary(known, m) for m in as_ints("vocab_sizes", vocab_sizes, 1)]
    count = min(n, known.num_templates + as_int("spare", spare, 0))
    values = PairValues(symmetric)
    rows = [
        top_eigenpairs(
            GramOperator(symmetric, each.sample(n, seed=seed), values=values), count
        ).values
        for each in progress(tasks, "spectra")
    ]
    return DiversitySpectrum(
        np.array([each.diversity for each in tasks]),
        n,
        np.array(rows).reshape(-1, count) / n,
        np.linalg.eigvalsh(statistics.limit())[::-1],
        np.linalg.eigvalsh(statistics.limit(n))[::-1],
    )


@dataclass(frozen=True, eq=False)
class SpectrumCurves(Result):
    """The population spectrum at several diversities, and eigenvalues of samples.

    Attributes:
        diversity: ρ of each population spectrum, ascending, shape (len,).
        spectra: The population spectra, all with the same representations.
        limit: Eigenvalues of D^½ N D^½, the limits of the trivial representation; shape (r,).
        num_samples: n of the samples.
        sampled_diversity: ρ of each sample, shape (samples,).
        sampled: Leading eigenvalues of K̂/n, descending, shape (samples, e), to 1e-6 relative.
    """

    diversity: np.ndarray
    spectra: tuple[Spectrum, ...]
    limit: np.ndarray
    num_samples: int
    sampled_diversity: np.ndarray
    sampled: np.ndarray

    @property
    def labels(self) -> tuple[str, ...]:
        """The representations, each once, in the order of the spectra."""
        return tuple(dict.fromkeys(self.spectra[0].labels))

    def eigenvalues(self, label: str) -> np.ndarray:
        """Eigenvalues of one representation, shape (len, copies)."""
        mine = self._where(label)
        return np.array([spectrum.eigenvalues[mine] for spectrum in self.spectra])

    def power(self, label: str) -> np.ndarray:
        """Share of the trace that one representation carries, shape (len,)."""
        mine = self._where(label)
        return np.array([_share(spectrum, mine) for spectrum in self.spectra])

    def _where(self, label: str) -> Bool[np.ndarray, "e"]:
        """The eigenvalues of one representation."""
        check_word("label", label, self.labels)
        return np.array([each == label for each in self.spectra[0].labels])

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON, multiplicities as exact integers."""
        return {
            "diversity": self.diversity.tolist(),
            "vocab_size": [spectrum.vocab_size for spectrum in self.spectra],
            "representations": list(self.spectra[0].labels),
            "eigenvalues": [spectrum.eigenvalues.tolist() for spectrum in self.spectra],
            "multiplicities": [
                [int(count) for count in spectrum.multiplicities] for spectrum in self.spectra
            ],
            "limit": self.limit.tolist(),
            "num_samples": self.num_samples,
            "sampled_diversity": self.sampled_diversity.tolist(),
            "sampled": self.sampled.tolist(),
        }


def spectrum_curves(
    kernel: TokenSymmetricKernel,
    task: TemplateTask,
    *,
    vocab_sizes: Numbers,
    num_samples: Whole,
    sampled_sizes: Numbers,
    seed: Whole = 0,
    progress: Progress = in_silence,
) -> SpectrumCurves:
    """Population spectra at `vocab_sizes` and spectra of samples at `sampled_sizes`.

    The trivial representation tends to D^½ N D^½ with corrections of order 1/ρ; an eigenvalue of
    order s falls like ρ^(−s), while its multiplicity grows like ρ^s. The kernel is evaluated once.

    Args:
        kernel: A token-symmetric kernel.
        task: A task with uniform substitution; its vocabulary is replaced.
        vocab_sizes: Values of m, at least 2 w so that no representation is absent.
        num_samples: n of each sample.
        sampled_sizes: Values of m at which samples are drawn.
        seed: Of the samples.
        progress: Wraps the loop over samples.

    Returns:
        Exact population spectra; eigenvalues of samples by Lanczos.

    Raises:
        TypeError, ValueError: as `population_spectrum`, or if a vocabulary is too small.
    """
    statistics = template_statistics(kernel, task)
    known = statistics.task
    sizes = sorted(as_ints("vocab_sizes", vocab_sizes, 1))
    if not sizes or sizes[0] < 2 * known.max_wildcards:
        raise ValueError(
            f"`vocab_sizes` must hold at least one number and none below twice the number of "
            f"wildcards, {2 * known.max_wildcards}; got {shown(sizes)}."
        )
    operator = population_operator(statistics.kernel, known)
    samples = diversity_spectrum(
        statistics, num_samples=num_samples, spare=_LAID_OVER,
        vocab_sizes=as_ints("sampled_sizes", sampled_sizes, 1),
        seed=seed, progress=progress,
    )  # fmt: skip
    return SpectrumCurves(
        diversity=np.array([with_vocabulary(known, m).diversity for m in sizes]),
        spectra=tuple(operator_spectrum(operator._replace(vocab_size=m)) for m in sizes),
        limit=samples.limit,
        num_samples=samples.num_samples,
        sampled_diversity=samples.diversity,
        sampled=samples.eigenvalues,
    )


def _share(spectrum: Spectrum, mine: np.ndarray) -> float:
    carried = spectrum.eigenvalues * spectrum.multiplicities.astype(np.float64)
    return float(carried[mine].sum() / spectrum.trace)
