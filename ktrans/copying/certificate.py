"""Theorems 4.1 and 4.2 as measured: verdicts about one setting."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ktrans._checks import Numbers
from ktrans._results import Result
from ktrans.copying.alignment import Alignment, alignment
from ktrans.copying.network import IDENTITY

# The supremum has vanished below the one; R_b stays at 1 within the other.
NEGLIGIBLE, STAYS = 0.05, 0.1

DEFAULT_DIMS = (32, 128, 512, 2048, 8192)
DEFAULT_TOKENS: dict[str, Any] = {"vocab_size": 32, "num_seen": 24}


@dataclass(frozen=True, eq=False)
class CopyingCertificate(Result):
    """What was found about copying unseen tokens.

    All of it rests on estimates: a verdict is a statement with 95 % intervals, not a proof.

    Attributes:
        fails_without_b: Theorem 4.1: True if the supremum over learning rates is below 0.05 at the
            largest d_emb, None if it decays but is not there yet, False otherwise.
        copies_with_b: Theorem 4.2: True if R_b is within 0.1 of 1 at every d_emb, None if only the
            intervals are too wide to say, False otherwise.
        verdict_without_b: Theorem 4.1 in one sentence.
        verdict_with_b: Theorem 4.2 in one sentence.
        alignment: The numbers.
    """

    fails_without_b: bool | None
    copies_with_b: bool | None
    verdict_without_b: str
    verdict_with_b: str
    alignment: Alignment

    @property
    def holds(self) -> bool | None:
        """Whether both theorems are confirmed: True, False, or None for undecided."""
        both = (self.fails_without_b, self.copies_with_b)
        return False if False in both else None if None in both else True

    def to_dict(self) -> dict[str, Any]:
        """All fields for JSON."""
        own = {name: value for name, value in vars(self).items() if name != "alignment"}
        return own | {"holds": self.holds, "alignment": self.alignment.to_dict()}


def verify(embedding_dims: Numbers = DEFAULT_DIMS, **settings: Any) -> CopyingCertificate:
    """Check the copying theorems at initialisation.

    Theorem 4.1: without b, for every choice of learning rates, max_g R_g → 0 as d_emb → ∞.
    Theorem 4.2: with W_V W_Oᵀ + b I some learning rates have the test loss fall with the train
    loss, R_b → 1.

    Args:
        embedding_dims: d_emb, a sequence of distinct integers.
        **settings: As in `alignment`; 32 tokens, 24 of them seen, where left out.

    Returns:
        The certificate: estimates with 95 % intervals, and verdicts from them.

    Raises:
        TypeError, ValueError: as `alignment`.

    References:
        Boix-Adserà et al., ICLR 2024 (arXiv 2310.09753), Theorems 4.1 and 4.2.

    Example:
        >>> certificate = verify([2048], num_draws=8)
        >>> certificate.fails_without_b, certificate.copies_with_b
        (True, True)
    """
    found = alignment(embedding_dims, **(DEFAULT_TOKENS | settings))
    fails, copies = _fails(found), _copies(found)
    return CopyingCertificate(
        fails, copies, _verdict_without_b(found, fails), _verdict_with_b(found, copies), found
    )


def _fails(found: Alignment) -> bool | None:
    if found.supremum_interval[-1, 1] <= NEGLIGIBLE:
        return True
    decays = found.decay is not None and found.decay.lower > 0
    return None if decays or found.supremum_interval[-1, 0] <= NEGLIGIBLE else False


def _copies(found: Alignment) -> bool | None:
    intervals = found.interval[:, found.groups.index(IDENTITY)]
    nearest = np.clip(1.0, intervals[:, 0], intervals[:, 1])
    if (abs(intervals - 1) <= STAYS).all():
        return True
    return False if (abs(nearest - 1) > STAYS).any() else None


def _verdict_without_b(found: Alignment, fails: bool | None) -> str:
    low, high = found.supremum_interval[-1]
    measured = (
        f"at d_emb = {found.embedding_dims[-1]} the test loss decreases {found.supremum[-1]:.3g} "
        f"({low:.2g} to {high:.2g}) times as fast as the train loss at best, {_decay(found)}"
    )
    if fails:
        return (
            "Theorem 4.1, confirmed: without b, whatever the learning rates, training does not "
            f"teach copying unseen tokens as d_emb → ∞; {measured}."
        )
    if fails is None:
        return f"Theorem 4.1, undecided: {measured}; a larger d_emb would decide."
    return f"Theorem 4.1, not confirmed at this scale: {measured}."


def _decay(found: Alignment) -> str:
    if found.decay is None:
        return "which is too close to zero, or at too few d_emb, for a rate"
    decay = found.decay
    return f"falling like d_emb^−{decay.exponent:.2f} ({decay.lower:.2f} to {decay.upper:.2f})"


def _verdict_with_b(found: Alignment, copies: bool | None) -> str:
    ratios = found.of(IDENTITY)
    measured = f"R_b is from {ratios.min():.3g} to {ratios.max():.3g} at all d_emb"
    if copies:
        return (
            "Theorem 4.2, confirmed: with W_V W_Oᵀ + bI a learning rate on b makes the test loss "
            f"decrease with the train loss at every d_emb; {measured}."
        )
    if copies is None:
        return f"Theorem 4.2, undecided: {measured}, with intervals wider than 0.1; more draws."
    tied = "" if found.network.tied else ", as the embeddings are not tied"
    return f"Theorem 4.2, not confirmed: {measured}, not at 1{tied}."
