"""How many training tokens it takes to copy unseen ones."""

import math
from typing import Any

import numpy as np

from ktrans._checks import as_positive, as_reals, shown

# Copying succeeds where the test loss is below this share of log m, the loss of equal logits.
SUCCESS = 0.5


def threshold(counts: Any, relative: Any, level: Any = SUCCESS) -> float:
    """The least number of training tokens from which the relative test loss stays below a level.

    Between the last count that fails and the next one the loss is taken as linear in log n.

    Args:
        counts: Numbers of training tokens n, ascending, positive, shape (n,).
        relative: Test loss over log m at each.
        level: Success is below it.

    Returns:
        The estimated threshold: the first count if all succeed, infinite if the last one fails.

    Example:
        >>> threshold(np.array([10.0, 40.0]), np.array([0.75, 0.25]))
        20.0
    """
    counts, relative = as_reals("counts", counts), as_reals("relative", relative)
    if counts.ndim != 1 or counts.shape != relative.shape or len(counts) == 0:
        raise ValueError(
            f"`relative` must have a loss for each of `counts`, at least one; got shapes "
            f"{relative.shape} and {counts.shape}."
        )
    if not (counts[0] > 0 and (np.diff(counts) > 0).all()):
        raise ValueError(f"`counts` must be positive and ascending; got {shown(counts.tolist())}.")
    if not np.isfinite(relative).all():
        raise ValueError(f"`relative` must be finite; got {shown(relative.tolist())}.")
    as_positive("level", level)
    failing = np.flatnonzero(relative >= level)
    if len(failing) == 0:
        return float(counts[0])
    last = int(failing[-1])
    if last == len(counts) - 1:
        return math.inf
    share = (relative[last] - level) / (relative[last] - relative[last + 1])
    return float(counts[last] * (counts[last + 1] / counts[last]) ** share)
