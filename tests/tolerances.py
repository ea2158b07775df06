"""The tolerances of the tests: any other number has its reason beside it."""

ROUNDING = 1e-13  # the same numbers summed in another order
QUADRATURE = 1e-9  # an independent integration of the same formula
DIFFERENCES = 1e-6  # derivatives against finite differences
