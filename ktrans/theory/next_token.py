"""What a kernel can learn of a next-token task: the enlarged template matrix and a certificate.

Candidate by candidate the task is a regression on strings xc (`ktrans.tasks.candidates`), so the
general lemma applies to the *enlarged template matrix*, K between fresh strings zc and z′c′. For
1{c = c′} K + σ_b² E[s(c) s′(c′)] (`NextTokenKernel`)

    N[(z, c), (z′, c′)] = 1{c = c′ no wildcard} N_K[z, z′] + σ_b² E[g_zc g_z′c′],

where g_zc = E[s(c) | p, ω of regular tokens] is the attention that z pays to c. The candidate
"other", outside the string, has a row of zeros and the label 0. Without b so has every wildcard:
its score on unseen symbols is exactly that of "other", for every training set, ridge and loss, and
only labels that are regular tokens can be predicted. With b, N is nonsingular on the rows that do
not vanish if and only if N_K is and the functions g_zα of all wildcards are linearly independent
(Σ_t v_tᵀ N_K v_t + σ_b² ‖Σ v_zc g_zc‖² is zero only if the v_t of regular tokens t are).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from ktrans._numerics import as_plain
from ktrans._results import Result
from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.tasks import TemplateTask
from ktrans.tasks.candidates import EnlargedTemplates, enlarged_templates
from ktrans.theory.certificate import describe_kernel
from ktrans.theory.statistics import (
    BoundedEigenvalues,
    check_kernel,
    check_task,
    enclosed_spectrum,
    symmetrised,
)


@dataclass(frozen=True, eq=False)
class NextTokenCertificate(Result):
    """What was found about a kernel on a task whose labels are symbols.

    Attributes:
        task_name: Name of the task, may be empty.
        candidates: The q enlarged templates as text, template and candidate.
        kernel: The kernel, as text.
        generalises: True if certified that ridge regression predicts the right token on all unseen
            symbols as n and ρ grow; False if certified that the kernel cannot, whatever the data,
            the ridge and the loss; None where that is open.
        unreachable: Labels that cannot all score highest, as candidates have equal scores.
        nonsingular: Whether N is so on one row of each class, but for the class that vanishes:
            True, or None if not certified.
        sigma_min: Smallest singular value of that block; certified, within `sigma_min_error`.
        sigma_min_error: Bound on its error.
        eigenvalues: Of N, ascending, shape (q,), each within `sigma_min_error`.
        enlarged_matrix: N, shape (q, q).
        enlarged_matrix_error: Bound on the error of each entry.
        classes: Equal numbers for rows of N that are equal by symmetry, exact, shape (q,).
        vanishing: Which rows of N are zero, exact, shape (q,).
        disjoint: Whether no string matches two templates, exact.
        certified: Whether all kernel values are certified; estimates decide nothing.
        verdict: The conclusion in one sentence.
    """

    task_name: str
    candidates: tuple[str, ...]
    kernel: str
    generalises: bool | None
    unreachable: tuple[str, ...]
    nonsingular: bool | None
    sigma_min: float
    sigma_min_error: float
    eigenvalues: np.ndarray
    enlarged_matrix: np.ndarray
    enlarged_matrix_error: np.ndarray
    classes: np.ndarray
    vanishing: np.ndarray
    disjoint: bool
    certified: bool
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """All fields for JSON: arrays as lists, numbers that are not finite as None."""
        return as_plain(vars(self))


def enlarged_template_matrix(kernel: TokenSymmetricKernel, task: TemplateTask) -> Bounded:
    """N[(z, c), (z′, c′)] = K(zc, z′c′) on fresh strings, with a bound on the error of each entry.

    Args:
        kernel: A token-symmetric kernel on strings xc, such as `NextTokenKernel`.
        task: A task whose labels are symbols, with q enlarged templates.

    Returns:
        Certified values and bounds, shape (q, q), in the order of `enlarged_templates(task)`.

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.
        ValueError: if the labels of the task are numbers.
    """
    enlarged = enlarged_templates(check_task(task))
    return symmetrised(check_kernel(kernel).bounded(enlarged.tokens1, enlarged.tokens2))


def verify_next_token(kernel: TokenSymmetricKernel, task: TemplateTask) -> NextTokenCertificate:
    """Whether a kernel learns to predict symbols that it has never seen.

    Rows of N that are equal by symmetry form classes, with equal scores on unseen symbols for every
    training set, ridge and loss. Certified: templates are disjoint, labels agree within classes,
    and N is nonsingular on one row of each class that does not vanish, so that scores tend to
    1{c = f*(z)}. Refuted: no scores that are equal within classes have their argmax at every label.
    (Where a regular token is a substitution token too, a training string may hold it by chance;
    classes are those of the strings that do not.)

    Args:
        kernel: A token-symmetric kernel on strings xc, such as `NextTokenKernel`.
        task: A task whose labels are symbols.

    Returns:
        The certificate.

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.
        ValueError: if the labels of the task are numbers, which `verify` is for.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), section 4 and the lemma of section 3.

    Example:
        >>> import ktrans as kt
        >>> from ktrans.kernels.next_token import NextTokenKernel
        >>> base = kt.AttentionKernel(beta=1.0, gamma=0.7, rtol=1e-6)
        >>> copy = kt.tasks.load("copy", vocab_size=1000)
        >>> for b_variance in (0.0, 1.0):
        ...     print(verify_next_token(NextTokenKernel(base, b_variance), copy).generalises)
        False
        True
    """
    known, symmetric = check_task(task), check_kernel(kernel)
    enlarged, matrix = enlarged_templates(known), enlarged_template_matrix(symmetric, known)
    vanishing = np.all((matrix.value == 0) & (matrix.bound == 0), axis=1)
    classes = _row_classes(symmetric, enlarged)
    block = _spectrum(matrix, np.setdiff1d(_first_of(classes), np.flatnonzero(vanishing)))
    sigma = float(np.abs(block.eigenvalues).min())
    positive = float(block.eigenvalues.min()) > block.bound  # as those of a kernel are
    nonsingular = True if matrix.certified and positive else None
    unreachable = _unreachable(classes, known, enlarged)
    agree = bool(np.all(enlarged.labels == enlarged.labels[_first_of(classes)][classes]))
    reached = nonsingular if known.disjoint and agree else None
    generalises = False if unreachable else reached
    return NextTokenCertificate(
        task_name=known.name,
        candidates=_names(known, enlarged),
        kernel=describe_kernel(symmetric),
        generalises=generalises,
        unreachable=unreachable,
        nonsingular=nonsingular,
        sigma_min=sigma,
        sigma_min_error=block.bound,
        eigenvalues=_spectrum(matrix, np.arange(len(classes))).eigenvalues,
        enlarged_matrix=matrix.value,
        enlarged_matrix_error=matrix.bound,
        classes=classes,
        vanishing=vanishing,
        disjoint=known.disjoint,
        certified=matrix.certified,
        verdict=_verdict(known, generalises, unreachable),
    )


def _unreachable(
    classes: Int[np.ndarray, "q"], task: TemplateTask, enlarged: EnlargedTemplates
) -> tuple[str, ...]:
    """Labels that cannot all score highest, as scores are equal within a class.

    Each label's class must be above those of the other candidates of its template: a cycle of such
    demands contradicts itself.
    """
    above = np.zeros((classes.max() + 1, classes.max() + 1), dtype=bool)
    names, labels = _names(task, enlarged), np.flatnonzero(enlarged.labels)
    for i in labels:
        others = enlarged.template_ids == enlarged.template_ids[i]
        others[i] = False
        above[classes[i], classes[others]] = True
    for middle in range(len(above)):  # transitive closure
        above |= above[:, [middle]] & above[[middle]]
    return tuple(names[i] for i in labels if above[classes[i], classes[i]])


def _row_classes(kernel: TokenSymmetricKernel, enlarged: EnlargedTemplates) -> Int[np.ndarray, "q"]:
    """Equal numbers for rows of N that are equal by symmetry, whatever the kernel's values."""
    return np.unique(_pattern(kernel, enlarged), axis=0, return_inverse=True)[1].reshape(-1)


def _pattern(kernel: TokenSymmetricKernel, enlarged: EnlargedTemplates) -> Int[np.ndarray, "q q"]:
    """Equal numbers where entries of N are equal for a structural reason."""
    q = len(enlarged.symbols)
    rows, columns = np.indices((q, q)).reshape(2, -1)
    keys = kernel.pair_keys(enlarged.tokens1[rows], enlarged.tokens2[columns])
    known: dict[Any, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys]).reshape(q, q)


def _names(task: TemplateTask, enlarged: EnlargedTemplates) -> tuple[str, ...]:
    pairs = zip(enlarged.template_ids, enlarged.symbols, strict=True)
    return tuple(f"{task.templates[z]} → {symbol}" for z, symbol in pairs)


def _verdict(task: TemplateTask, generalises: bool | None, unreachable: tuple[str, ...]) -> str:
    if unreachable:
        return (
            f"Refuted: on unseen symbols candidates have equal scores, so that {unreachable[0]} "
            "cannot score highest together with the other labels, whatever the training set, the "
            "ridge and the loss."
        )
    if not task.disjoint:
        return "Undecided: the templates are not disjoint."
    if generalises:
        return (
            "Certified: the templates are disjoint and the enlarged template matrix is nonsingular "
            "but for rows that are equal or zero with their labels, so ridge regression predicts "
            "unseen symbols as n and ρ grow."
        )
    return "Undecided: the enlarged template matrix is singular, or not separated from it."


def _first_of(classes: Int[np.ndarray, "q"]) -> Int[np.ndarray, "c"]:
    return np.unique(classes, return_index=True)[1]


def _spectrum(matrix: Bounded, rows: Int[np.ndarray, "c"]) -> BoundedEigenvalues:
    """Eigenvalues of N on some rows and the same columns, with a bound."""
    kept = np.ix_(rows, rows)
    return enclosed_spectrum(Bounded(matrix.value[kept], matrix.bound[kept]))
