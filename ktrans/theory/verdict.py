"""What the theory says about one task, at its own diversity, in one sentence."""

from typing import Literal, NamedTuple

from ktrans.tasks import TemplateTask
from ktrans.theory.curves.floor import Floor

Decision = Literal["Certified", "Refuted", "Undecided", "Not covered"]


class Verdict(NamedTuple):
    """A decision and why."""

    decision: Decision
    reason: str

    def __str__(self) -> str:
        return f"{self.decision}: {self.reason}."


class Findings(NamedTuple):
    """What a verdict is made of.

    Attributes:
        task: The task.
        nonsingular: True or False where certified of N, else None.
        follows: Whether predictions on unseen symbols can be the labels, None for undecided.
        indefinite: Whether N has an eigenvalue that is certified negative.
        floor: At the task's diversity, None where it was not computed.
        target: The error that counts as learnt.
        samples: n at which the closed form reaches it.
    """

    task: TemplateTask
    nonsingular: bool | None
    follows: bool | None
    indefinite: bool
    floor: Floor | None
    target: float
    samples: float | None


def judge(found: Findings) -> Verdict:
    """The verdict: refuted only where failure is proved, not covered where the lemma stops short.

    Args:
        found: What is known.

    Returns:
        "Certified" if the lemma's conditions hold and the floor at the task's own diversity is not
        above the target; "Refuted" if N cannot follow the labels or the floor is certified to be
        above it; "Not covered" for what the lemma says nothing about; "Undecided" otherwise.
    """
    outside = _not_covered(found)
    if outside is not None:
        return outside
    if found.follows is False:
        return Verdict("Refuted", _CANNOT)
    if found.task.contradiction is not None:
        return Verdict("Not covered", _contradiction(found.task))
    if found.nonsingular is None:
        return Verdict("Undecided", "σ_min(N) is not separated from zero by the error bound")
    if found.nonsingular is False and found.follows is None:
        return Verdict("Undecided", _OPEN)
    return _at_own_diversity(found)


_CANNOT = (
    "N is singular, equal entries by symmetry make it so; predictions on unseen symbols cannot "
    "follow the labels of this task, whatever n and ρ are"
)
_OPEN = (
    "N is singular, equal entries by symmetry make it so; predictions on unseen symbols cannot "
    "follow every labelling of the templates, and whether they can follow this one is open"
)


def _not_covered(found: Findings) -> Verdict | None:
    if found.task.is_symbolic:
        return Verdict(
            "Not covered",
            "the labels are symbols, and the theorem is about numbers as labels; "
            "`verify_next_token` covers them",
        )
    if found.indefinite:
        return Verdict(
            "Not covered",
            "N has an eigenvalue that is certified negative, so this function is not positive "
            "semi-definite and the theorem says nothing about it",
        )
    return None


def _contradiction(task: TemplateTask) -> str:
    return (
        f"the lemma needs disjoint templates, or equal labels where they meet, and "
        f"{describe_meeting(task, task.contradiction)} with different labels"
    )


def describe_meeting(
    task: TemplateTask, meeting: tuple[int, int, tuple[str, ...]] | None
) -> str | None:
    """A string that matches two templates, in words; None where there is none."""
    if meeting is None:
        return None
    i, j, string = meeting
    return f"'{' '.join(string)}' matches both {task.templates[i]} and {task.templates[j]}"


def _at_own_diversity(found: Findings) -> Verdict:
    """The lemma holds: does this task have the diversity it needs?"""
    floor, state = found.floor, _state(found)
    if floor is None:
        return Verdict("Certified", f"{state}; the floor at this ρ takes too many kernel values")
    rho = f"at ρ = {floor.diversity:.4g}"
    if _exceeds(floor, found.target):
        return _too_few_tokens(floor, f"N is {_kind(found)}, but {rho}")
    if floor.certified and floor.mse + floor.mse_error > found.target:
        return Verdict(
            "Undecided", f"{rho} the floor of the error is not separated from {found.target:.3g}"
        )
    return Verdict("Certified", f"{state}; {rho} {_reached(found, floor)}")


def _exceeds(floor: Floor, target: float) -> bool:
    lowest = floor.mse - floor.mse_error if floor.certified else floor.mse
    return lowest > target


def _too_few_tokens(floor: Floor, start: str) -> Verdict:
    if floor.certified:
        value = f"{floor.mse - floor.mse_error:.4g}"
        return Verdict(
            "Refuted",
            f"{start} the error cannot fall below {value} however many samples there are; a larger "
            "alphabet lowers that floor",
        )
    return Verdict("Undecided", f"{start} the error is estimated not to fall below {floor.mse:.4g}")


def _kind(found: Findings) -> str:
    return "nonsingular" if found.nonsingular else "singular with the labels in its range"


def _state(found: Findings) -> str:
    templates = (
        "the templates are disjoint" if found.task.disjoint else "templates meet with equal labels"
    )
    return (
        f"{templates} and N is {_kind(found)}, so ridge regression generalises on unseen symbols "
        "as n and ρ grow"
    )


def _reached(found: Findings, floor: Floor) -> str:
    word = "" if floor.certified else " (an estimate)"
    text = f"the error falls to {floor.mse:.3g}{word} as n grows"
    if found.samples is None:
        return text
    return f"{text}, to {found.target:.3g} at about n = {found.samples:.3g}"
