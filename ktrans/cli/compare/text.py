"""Comparisons of kernels as cells of text."""

from ktrans.measure.comparison import KernelComparison

MATRIX_HEADS = ("N", "σ_min(N)", "n*", "on unseen symbols")
_DECISIONS = {True: "nonsingular", False: "singular", None: "undecided"}


def matrix_cells(each: KernelComparison) -> list[str]:
    """Whether N is nonsingular, σ_min(N) with its bound, n*, and where the kernel stands."""
    certificate = each.certificate
    sigma = f"{certificate.sigma_min:.3e} ± {certificate.sigma_min_error:.0e}"
    scale = f"{certificate.sample_scale:.3g}"
    return [_DECISIONS[certificate.nonsingular], sigma, scale, str(each.standing)]


def error_cell(each: KernelComparison, kind: str, place: int) -> str:
    """The mean over training sets at one n, with its standard error if there are several."""
    mean, stderr = (part[place] for part in each.summary[kind])
    return f"{mean:.3g}" if stderr != stderr else f"{mean:.3g} ± {stderr:.1g}"
