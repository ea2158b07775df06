"""The template matrix N, on which the theorem turns."""

import numpy as np

from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.tasks import TemplateTask


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
        kernel's are).

    Raises:
        TypeError: if the kernel is not token-symmetric or the task is no `TemplateTask`.
    """
    symmetric, known = check_kernel(kernel), check_task(task)
    value, bound, certified = symmetric.bounded(*known.fresh_strings())
    # Both halves approximate the same symmetric matrix: so does their mean, within the mean bound.
    return Bounded((value + value.T) / 2, (bound + bound.T) / 2, certified)


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
