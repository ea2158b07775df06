"""What a solver returns, and what happens when it did not get there."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ktrans._checks import ConvergenceError
from ktrans._results import Result

OnFailure = Literal["raise", "warn", "return"]
StopReason = Literal["converged", "max_iterations", "stagnated", "minimum_norm"]


class ConvergenceWarning(UserWarning):
    """The same as a warning."""


@dataclass(frozen=True, eq=False)
class Solution(Result):
    """The solution of a linear system with what it took.

    Attributes:
        value: Float64 array.
        residual_norm: ‖b − A x‖ / ‖b‖, recomputed from the solution; the largest over columns.
        num_iterations: Iterations spent, 0 for a direct method.
        stop_reason: "converged", "max_iterations", "stagnated" (rounding lets the residual fall no
            further), or "minimum_norm" (a singular system solved in the least-squares sense).
        method: "dense", "tables" or "conjugate_gradients".
        tolerance: The residual asked for.
    """

    value: np.ndarray
    residual_norm: float
    num_iterations: int
    stop_reason: StopReason
    method: str
    tolerance: float

    @property
    def converged(self) -> bool:
        """Whether the recomputed residual is within the tolerance."""
        return self.residual_norm <= self.tolerance


def report_failure(solution: Solution, on_failure: OnFailure) -> None:
    """Raise or warn where a solution missed its tolerance; "return" leaves it to the caller."""
    if solution.converged or on_failure == "return":
        return
    message = (
        f"the solver stopped ({solution.stop_reason}) after {solution.num_iterations} iterations "
        f"with relative residual {solution.residual_norm:.2g} above `tolerance`="
        f"{solution.tolerance:.2g}; raise `ridge`, `tolerance` or `max_iterations`, or pass "
        'on_failure="warn" or "return" to take the solution as it is.'
    )
    if on_failure == "raise":
        raise ConvergenceError(message)
    warnings.warn(message, ConvergenceWarning, stacklevel=3)
