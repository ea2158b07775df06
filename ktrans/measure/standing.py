"""Whether a kernel generalises at the numbers of samples measured, will, or cannot."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from ktrans.theory.certificate import Certificate

LEARNT = 0.25  # an error of at most this share of chance counts as learnt
Word = Literal["generalises", "will", "cannot", "open"]
WORDS: dict[Word, str] = {
    "generalises": "generalise at these n",
    "will": "will with more samples",
    "cannot": "cannot, which is proved",
    "open": "are undecided",
}


class Standing(NamedTuple):
    """A word, and with what numbers or why.

    Example:
        >>> str(Standing("will", "n ≈ 5.2e+03, floor 0.00017"))
        'will (n ≈ 5.2e+03, floor 0.00017)'
    """

    word: Word
    detail: str

    def __str__(self) -> str:
        return f"{self.word} ({self.detail})" if self.detail else self.word


def standing(certificate: Certificate, unseen: Float[np.ndarray, "seeds"]) -> Standing:
    """Where a kernel stands, from its certificate and its errors at the largest n.

    Args:
        certificate: At the task's own diversity.
        unseen: Errors on unseen symbols, one for each training set.

    Returns:
        "generalises" if the mean error is at most a quarter of chance; "cannot" if failure is
        proved; "will" if the certificate says at which n, with the floor; "open" otherwise.
    """
    if unseen.mean() <= LEARNT * (certificate.chance or 0.0):
        return Standing("generalises", "")
    if certificate.decision == "Refuted":
        return Standing("cannot", _obstacle(certificate))
    if certificate.decision == "Certified":
        return Standing("will", _promise(certificate))
    return Standing("open", certificate.decision.lower())


def _obstacle(certificate: Certificate) -> str:
    if certificate.follows_labels is False:
        return "N is singular"
    return f"floor {certificate.floor:.3g} at ρ = {certificate.diversity:.3g}"


def _promise(certificate: Certificate) -> str:
    needed = certificate.samples_needed
    samples = [] if needed is None else [f"n ≈ {needed:.3g}"]
    floor = [] if certificate.floor is None else [f"floor {certificate.floor:.2g}"]
    return ", ".join([*samples, *floor])
