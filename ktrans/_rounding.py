"""What is assumed of floating-point arithmetic; every bound that is called certified rests on it.

**The assumption.** Sums, products, quotients and square roots are those of IEEE 754 binary64 with
rounding to nearest: the result is within half a unit in the last place of the truth, or within
`TINY` where it is subnormal (also if the processor takes subnormal numbers for zero). Elementary
functions of NumPy, SciPy and XLA on the CPU are within `ELEMENTARY_ULPS` units in the last place.
Nothing else is assumed. `tests/test_rounding.py` holds the functions against mpmath.
"""

import math
from typing import TypeVar

import numpy as np

# exp, expm1, log, sin, cos, tanh, erf, atan and atan2. (log1p is not among them: XLA's loses more.)
ELEMENTARY_ULPS = 8

UNIT = 2.0**-53  # the relative error of one operation
ULP = 2.0**-52  # one unit in the last place is at most this share of the number
TINY = 2.0**-1022  # the smallest normal number

# Radii are sums and products of at most a few dozen non-negative numbers, each rounded: as much
# again of them, 2⁻⁴⁴ of the radius, is more than their roundings can take away.
UPWARD = 1 + 2.0**-44


def gamma(operations: int) -> float:
    """Higham's γ_n = n u/(1 − n u), rounded upward: what n roundings in a chain can do.

    It covers sums of n products in any order, with or without fused operations; infinite where n u
    reaches ½. (N. J. Higham, Accuracy and Stability of Numerical Algorithms, section 3.1.)
    """
    share = operations * UNIT
    return share / (1 - share) * UPWARD if share < 0.5 else math.inf


T = TypeVar("T", np.ndarray, float)


def round_up(bound: T) -> T:
    """The bound, enlarged by more than the roundings of its own making."""
    return bound * UPWARD + TINY
