"""The template matrix N, on which the theorem turns."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans.kernels._custom import Custom
from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.tasks import TemplateTask

# LAPACK's eigvalsh is backward stable: eigenvalues are off by at most p(r)·ε·‖N‖₂ with a modest
# polynomial p; 8 r ε ‖N‖_F is far above what is seen and contains the sum N + Nᵀ and its halving.
_EIGENVALUE_ROUNDING = 8 * 2.0**-52


class Spectrum(NamedTuple):
    """Eigenvalues of N in ascending order, and one bound on the error of each."""

    eigenvalues: Float[np.ndarray, "r"]
    bound: float


def template_matrix(kernel: object, task: object) -> np.ndarray:
    """The template matrix N_ij = K(sub(z_i, s), sub(z_j, s′)), s and s′ with disjoint images.

    The images avoid all regular tokens. For a token-symmetric kernel N does not depend on the
    choice of s and s′, and is symmetric.

    Args:
        kernel: A token-symmetric kernel.
        task: A template task with r templates.

    Returns:
        Float64 array of shape (r, r), symmetric, as exact as the kernel; in the order of
        `task.templates`. `bounded_template_matrix` has the bound.

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), section 3.

    Example:
        >>> import ktrans as kt
        >>> task = kt.tasks.load("aba_abb", vocab_size=10)
        >>> mlp = kt.MLPKernel(kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0,
        ...     bias_variance=0.0)
        >>> kt.template_matrix(mlp, task).round(6)
        array([[0.90662, 0.90662],
               [0.90662, 0.90662]])
    """
    return bounded_template_matrix(kernel, task).value


def bounded_template_matrix(kernel: object, task: object) -> Bounded:
    """The template matrix with a bound on the error of each entry.

    Args:
        kernel: A token-symmetric kernel.
        task: A template task with r templates.

    Returns:
        Certified values and bounds, both of shape (r, r) and symmetric (estimated where the
        kernel's are, or its activation is `Custom`).

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.
    """
    symmetric, known = check_kernel(kernel), check_task(task)
    value, bound, certified = symmetric.bounded(*known.fresh_strings())
    by_quadrature = isinstance(getattr(symmetric, "activation", None), Custom)
    # Both halves approximate the same symmetric matrix: so does their mean, within the mean bound.
    return Bounded((value + value.T) / 2, (bound + bound.T) / 2, certified and not by_quadrature)


def enclosed_spectrum(matrix: Bounded) -> Spectrum:
    """Eigenvalues of a symmetric matrix with a bound on their error.

    |λ_i(N) − λ_i(N̂)| ≤ ‖N − N̂‖₂ ≤ max_i Σ_j E_ij (Weyl; the row sums bound the norm of a symmetric
    matrix), plus 8 r ε ‖N̂‖_F for the eigensolver.

    Args:
        matrix: Values and bounds, symmetric, shape (r, r).

    Returns:
        Certified eigenvalues, ascending, and the bound.

    Example:
        >>> matrix = Bounded(np.diag([1.0, 2.0]), np.full((2, 2), 0.01))
        >>> enclosed_spectrum(matrix).eigenvalues, round(enclosed_spectrum(matrix).bound, 9)
        (array([1., 2.]), 0.02)
    """
    eigenvalues = np.linalg.eigvalsh(matrix.value)
    rounding = _EIGENVALUE_ROUNDING * len(eigenvalues) * np.linalg.norm(matrix.value)
    return Spectrum(eigenvalues, float(matrix.bound.sum(axis=1).max() + rounding))


def check_kernel(kernel: object) -> TokenSymmetricKernel:
    """The kernel, if it is one that a template matrix can be made of."""
    if not isinstance(kernel, TokenSymmetricKernel):
        raise TypeError(
            f"`kernel` must be a token-symmetric kernel such as TransformerKernel; got "
            f"{type(kernel).__name__}."
        )
    return kernel


def check_task(task: object) -> TemplateTask:
    """The task, if it is one."""
    if not isinstance(task, TemplateTask):
        raise TypeError(
            f"`task` must be a TemplateTask, as ktrans.tasks.load returns; got "
            f"{type(task).__name__}."
        )
    return task
