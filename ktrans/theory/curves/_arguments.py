"""Numbers as the closed forms want them, or one sentence that names the argument."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ktrans._checks import Numbers, as_array, shown


def read_counts(num_samples: Numbers) -> Float[np.ndarray, "n"]:
    """Numbers of samples as an array, finite and not negative."""
    if not isinstance(num_samples, Sequence | np.ndarray) or isinstance(num_samples, str):
        raise TypeError(f"`num_samples` must be a sequence of numbers; got {shown(num_samples)}.")
    counts = as_array("num_samples", num_samples)
    if counts.ndim != 1 or (counts.size and counts.dtype.kind not in "iuf"):
        raise TypeError(f"`num_samples` must be a sequence of numbers; got {shown(num_samples)}.")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(
            f"`num_samples` must be finite and non-negative; got {shown(num_samples)}."
        )
    return counts.astype(np.float64)
