"""Where in the parameters of K_trans the template matrix is well conditioned."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from tqdm import tqdm

from ktrans._checks import Numbers, as_array, as_real, shown
from ktrans._numerics import in_float64, is_traced
from ktrans._results import Result
from ktrans._store import Store
from ktrans.kernels._activation import Activation
from ktrans.kernels.activations import Cosine
from ktrans.kernels.base import TokenSymmetricKernel
from ktrans.kernels.transformer import TransformerKernel
from ktrans.tasks import TemplateTask
from ktrans.theory.statistics import (
    bounded_template_matrix,
    check_kernel,
    check_task,
    enclosed_spectrum,
)

_MAP_RTOL = 1e-8
_SEARCH = {"beta": (0.5, 1.0, 2.0), "gamma": (0.3, 0.7, 1.5)}
_SEARCH_COSINES = (np.geomspace(0.5, 6.0, 12), np.linspace(0.05, 1.5, 12))
_SEARCH_RTOL = 1e-6
_SEARCH_STEP = 0.25  # of Nelder–Mead's first simplex; SciPy's own is degenerate where log β = 0
_UNDECIDED = 1e300  # where the bounds do not exclude a singular N: never the best


@dataclass(frozen=True, eq=False)
class SigmaMap(Result):
    """σ_min(N) over two parameters, with a bound on its error.

    Attributes:
        rows: Values of the first parameter, shape (a,).
        columns: Values of the second parameter, shape (b,).
        sigma_min: Shape (a, b), each within `bound`.
        bound: Shape (a, b).
        certified: Shape (a, b); where False some kernel values are estimates, and so is the bound.
    """

    rows: Float[np.ndarray, "a"]
    columns: Float[np.ndarray, "b"]
    sigma_min: Float[np.ndarray, "a b"]
    bound: Float[np.ndarray, "a b"]
    certified: Bool[np.ndarray, "a b"]


@dataclass(frozen=True, eq=False)
class BestConditioned(Result):
    """A transformer kernel, the condition number of its N, and σ_min(N)."""

    kernel: TransformerKernel
    condition_number: float
    sigma_min: float


@in_float64
def sigma_min(kernel: TokenSymmetricKernel, task: TemplateTask) -> Any:
    """The smallest singular value of N, differentiable in the kernel's parameters.

    Args:
        kernel: A token-symmetric kernel; its parameters may be traced by `jax.grad`.
        task: A template task.

    Returns:
        A float, as exact as the kernel; a traced scalar under a transformation.

    Example:
        >>> import jax, ktrans as kt
        >>> task = kt.tasks.load("same_different", vocab_size=10)
        >>> def margin(b1):
        ...     kernel = kt.TransformerKernel(0.5, 0.7, kt.Cosine(b1=b1, b2=0.5))
        ...     return kt.theory.sigma_min(kernel, task)
        >>> with jax.enable_x64(True):
        ...     slope = jax.grad(margin)(1.0)
    """
    value = bounded_template_matrix(check_kernel(kernel), check_task(task)).value
    smallest = jnp.min(jnp.abs(jnp.linalg.eigvalsh(jnp.asarray(value))))
    return smallest if is_traced(smallest) else float(smallest)


def attention_sigma_map(
    task: TemplateTask,
    *,
    betas: Numbers,
    gammas: Numbers,
    activation: Activation,
    rtol: float = _MAP_RTOL,
    checkpoint: str | os.PathLike | None = None,
) -> SigmaMap:
    """σ_min(N) of K_trans over (β, γ).

    Args:
        task: A template task.
        betas: Values of β.
        gammas: Values of γ.
        activation: φ.
        rtol: Target for the bound on K_attn, relative to 1 + γ².
        checkpoint: A folder in which each row is kept when it is done and which an interrupted map
            goes on from; other maps may use it too.

    Returns:
        The map, rows in β and columns in γ; certified where its `certified` says so.
    """
    known = check_task(task)
    rows, columns = _read_axis("betas", betas), _read_axis("gammas", gammas)
    shape = len(rows), len(columns)
    store = None if checkpoint is None else _open_store(Path(checkpoint))
    found = [
        _attention_row(known, beta, columns, activation, rtol, store)
        for beta in tqdm(rows.tolist(), desc="β", disable=len(rows) < 2, leave=False)
    ]
    return _as_map(rows, columns, np.moveaxis(np.reshape(found, (*shape, 3)), -1, 0))


def _open_store(folder: Path) -> Store:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"`checkpoint` must be a folder; got the file {str(folder)!r}.")
    folder.mkdir(parents=True, exist_ok=True)
    return Store(folder)


def _attention_row(
    task: TemplateTask,
    beta: float,
    gammas: Float[np.ndarray, "b"],
    activation: Activation,
    rtol: float,
    store: Store | None,
) -> Sequence[Sequence[float]]:
    """σ_min(N) at one β, done now or found in the store."""

    def work() -> Sequence[Sequence[float]]:
        kernels = [TransformerKernel(beta, g, activation, rtol) for g in gammas.tolist()]
        return [_smallest(kernel, task) for kernel in kernels]

    if store is None:
        return work()
    codes = {"templates": task.template_codes, "gammas": gammas, "activation": repr(activation)}
    return store.keep({**codes, "beta": beta, "rtol": rtol}, work)


def cosine_sigma_map(
    task: TemplateTask,
    *,
    beta: float,
    gamma: float,
    b1: Numbers,
    b2: Numbers,
    rtol: float = _MAP_RTOL,
) -> SigmaMap:
    """σ_min(N) of K_trans with φ = cos(b₁t + b₂) over (b₁, b₂); K_attn is computed once.

    Args:
        task: A template task.
        beta: Inverse temperature β.
        gamma: Strength γ of the positional embedding.
        b1: Values of b₁.
        b2: Values of b₂.
        rtol: Target for the bound on K_attn, relative to 1 + γ².

    Returns:
        The map, rows in b₁ and columns in b₂; certified where its `certified` says so.
    """
    known = check_task(task)
    rows, columns = _read_axis("b1", b1), _read_axis("b2", b2)

    kernels = [
        TransformerKernel(beta, gamma, Cosine(b1=float(p), b2=float(q)), rtol)  # remembers K_attn
        for p in rows
        for q in columns
    ]
    found = [_smallest(kernel, known) for kernel in kernels]
    return _as_map(rows, columns, np.array(found).T.reshape(3, len(rows), len(columns)))


def best_conditioned(task: TemplateTask) -> BestConditioned:
    """The (β, γ, b₁, b₂) with the smallest condition number of N that a search finds.

    A grid over all four, then Nelder–Mead from its best point in the logarithms of β, γ, b₁ and in
    b₂. A local optimum: nothing says that there is no better one.

    Args:
        task: A template task.

    Returns:
        The kernel, with its condition number and σ_min(N), exact to about 1e-6 relative to the
        largest eigenvalue.

    Raises:
        ValueError: if no point tried has an N that is certified nonsingular.
    """
    known = check_task(task)
    grid = [
        (_condition(known, beta, gamma, float(b1), float(b2)), (beta, gamma, float(b1), float(b2)))
        for beta in _SEARCH["beta"]
        for gamma in _SEARCH["gamma"]
        for b1 in _SEARCH_COSINES[0]
        for b2 in _SEARCH_COSINES[1]
    ]
    condition, (beta, gamma, b1, b2) = min(grid)
    if condition == _UNDECIDED:
        raise ValueError(
            "`task` must have an N that is nonsingular somewhere; at every point tried its σ_min "
            "is within the error bound."
        )
    start = np.array([*np.log([beta, gamma, b1]), b2])
    simplex = np.vstack([start, start + _SEARCH_STEP * np.eye(len(start))])

    def objective(point: np.ndarray) -> float:
        beta, gamma, b1 = np.exp(point[:3]).tolist()
        return float(np.log(_condition(known, beta, gamma, b1, float(point[3]))))

    found = minimize(
        objective,
        start,
        method="Nelder-Mead",
        options={"maxfev": 40, "xatol": 1e-3, "fatol": 1e-3, "initial_simplex": simplex},
    )
    beta, gamma, b1 = np.exp(found.x[:3]).tolist()
    kernel = TransformerKernel(beta, gamma, Cosine(b1=b1, b2=float(found.x[3])))
    return BestConditioned(kernel, float(np.exp(found.fun)), sigma_min(kernel, known))


def _read_axis(name: str, values: object) -> Float[np.ndarray, "n"]:
    """The finite numbers along one axis of a map."""
    array = as_array(name, values)
    if array.ndim != 1:
        raise ValueError(f"`{name}` must be a sequence of numbers; got {shown(values)}.")
    return np.array([as_real(name, value) for value in array.tolist()])


def _condition(task: TemplateTask, beta: float, gamma: float, b1: float, b2: float) -> float:
    kernel = TransformerKernel(beta, gamma, Cosine(b1=b1, b2=b2), _SEARCH_RTOL)
    spectrum = enclosed_spectrum(bounded_template_matrix(kernel, task))
    sizes = np.abs(spectrum.eigenvalues)
    return float(sizes.max() / sizes.min()) if sizes.min() > spectrum.bound else _UNDECIDED


def _smallest(kernel: TransformerKernel, task: TemplateTask) -> tuple[float, float, float]:
    """σ_min(N), its bound, and 1 where they are certified, else 0."""
    matrix = bounded_template_matrix(kernel, task)
    spectrum = enclosed_spectrum(matrix)
    return float(np.abs(spectrum.eigenvalues).min()), spectrum.bound, float(matrix.certified)


def _as_map(
    rows: Float[np.ndarray, "a"], columns: Float[np.ndarray, "b"], found: np.ndarray
) -> SigmaMap:
    return SigmaMap(rows, columns, found[0], found[1], found[2].astype(bool))
