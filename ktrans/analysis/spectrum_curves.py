"""Population eigenvalues as curves in ρ, with those of samples and their limits."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ktrans.analysis.diversity import with_vocabulary
from ktrans.analysis.population import Spectrum, operator_spectrum, population_operator
from ktrans.analysis.spectrum import top_eigenvalues
from ktrans.analysis.template_matrix import check_kernel, check_task, template_matrix
from ktrans.gram.coefficients import PairValues
from ktrans.gram.operator import GramOperator

_BESIDE = 2  # eigenvalues of the bulk, beside the r leading ones


@dataclass(frozen=True, eq=False)
class SpectrumCurves:
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
        mine = np.array([each == label for each in self.spectra[0].labels])
        return np.array([spectrum.eigenvalues[mine] for spectrum in self.spectra])

    def power(self, label: str) -> np.ndarray:
        """Share of the trace that one representation carries, shape (len,)."""
        mine = np.array([each == label for each in self.spectra[0].labels])
        return np.array([_share(spectrum, mine) for spectrum in self.spectra])

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
    kernel: object,
    task: object,
    *,
    vocab_sizes: Sequence[int],
    num_samples: int,
    sampled_sizes: Sequence[int],
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] = iter,
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
        progress: Wraps the loop over samples, as tqdm does.

    Returns:
        Exact population spectra; eigenvalues of samples by Lanczos.

    Raises:
        TypeError, ValueError: as `population_spectrum`, or if a vocabulary is too small.
    """
    known, symmetric = check_task(task), check_kernel(kernel)
    sizes = sorted(vocab_sizes)
    if not sizes or sizes[0] < 2 * known.max_wildcards:
        raise ValueError(
            f"`vocab_sizes` must hold at least one number and none below twice the number of "
            f"wildcards, {2 * known.max_wildcards}; got {list(vocab_sizes)}."
        )
    operator = population_operator(symmetric, known)
    root = np.sqrt(known.weights)
    limit = root[:, None] * template_matrix(symmetric, known) * root
    values = PairValues(symmetric)
    count = min(num_samples, known.num_templates + _BESIDE)
    tasks = [with_vocabulary(known, m) for m in sampled_sizes]
    rows = [
        top_eigenvalues(
            GramOperator(symmetric, each.sample(num_samples, seed=seed), values=values), count
        )
        for each in progress(tasks)
    ]
    return SpectrumCurves(
        diversity=np.array([with_vocabulary(known, m).diversity for m in sizes]),
        spectra=tuple(operator_spectrum(operator._replace(vocab_size=m)) for m in sizes),
        limit=np.linalg.eigvalsh(limit)[::-1],
        num_samples=num_samples,
        sampled_diversity=np.array([each.diversity for each in tasks]),
        sampled=np.array(rows).reshape(len(tasks), count) / num_samples,
    )


def _share(spectrum: Spectrum, mine: np.ndarray) -> float:
    carried = spectrum.eigenvalues * spectrum.multiplicities.astype(np.float64)
    return float(carried[mine].sum() / spectrum.trace)
