"""Eigenvalues of the Gram matrix against the diversity."""

from matplotlib.axes import Axes

from ktrans.measure.spectrum_curves import DiversitySpectrum
from ktrans.plotting.log_axes import log_scales
from ktrans.plotting.style import CYCLE, GREY, MARKERS


def plot_spectrum(axes: Axes, spectrum: DiversitySpectrum) -> Axes:
    """Leading eigenvalues of K̂/n against ρ; the r largest in colour, with their limits as lines.

    Args:
        axes: Where to draw.
        spectrum: From `diversity_spectrum`.

    Returns:
        The axes.
    """
    leading = min(len(spectrum.limit), spectrum.eigenvalues.shape[1])
    for j in range(leading, spectrum.eigenvalues.shape[1]):
        label = "bulk (next eigenvalues)" if j == leading else None
        axes.plot(
            spectrum.diversity, spectrum.eigenvalues[:, j], color=GREY, lw=0.6, marker=".", ms=2.5,
            label=label, zorder=1,
        )  # fmt: skip
    for j in range(leading):
        _plot_leading(axes, spectrum, j, many=leading > len(CYCLE))
    log_scales(axes)
    axes.set_xlabel(r"sample diversity $\rho$")
    axes.set_ylabel(rf"eigenvalues of $\hat{{K}}/n$,  $n$ = {spectrum.num_samples}")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return axes


def _plot_leading(axes: Axes, spectrum: DiversitySpectrum, j: int, many: bool) -> None:
    """One eigenvalue, its limit as ρ → ∞ at this n, and as n → ∞ too."""
    colour, marker = CYCLE[j % len(CYCLE)], MARKERS[j % len(MARKERS)]
    named = not many or j == 0
    name = r"\lambda_j" if many else rf"\lambda_{{{j + 1}}}"
    axes.plot(
        spectrum.diversity, spectrum.eigenvalues[:, j], color=colour, marker=marker, zorder=3,
        label=rf"${name}(\hat{{K}}/n)$" if named else None,
    )  # fmt: skip
    limits = rf"${name}(D^{{1/2}} N D^{{1/2}})$"
    axes.axhline(
        spectrum.limit[j], color=colour, ls="--", lw=0.9, zorder=2,
        label=limits if named else None,
    )  # fmt: skip
    axes.axhline(
        spectrum.limit_at_n[j], color=colour, ls=":", lw=0.9, zorder=2,
        label=rf"${name}(D^{{1/2}} N D^{{1/2}} + \Sigma/n)$" if named else None,
    )  # fmt: skip
