"""The same task at another sample diversity."""

from dataclasses import replace
from typing import Any

from ktrans._checks import as_int, as_real, check_kind
from ktrans.tasks import TemplateTask, Zipf


def can_change_vocabulary(task: TemplateTask) -> bool:
    """Whether the substitution tokens are known by number only, so that there can be more."""
    unnamed = task.substitution_tokens is None
    return unnamed and (task.substitution == "uniform" or isinstance(task.substitution, Zipf))


def with_vocabulary(task: Any, vocab_size: Any) -> TemplateTask:
    """The same task with another number of substitution tokens.

    Raises:
        ValueError: if the task names or weights its tokens one by one, or the tokens are too few.

    Example:
        >>> import ktrans as kt
        >>> with_vocabulary(kt.tasks.load("aba_abb", vocab_size=10), 40).diversity
        20.0
    """
    check_kind("task", task, TemplateTask)
    if as_int("vocab_size", vocab_size, 1) == task.vocab_size:
        return task
    if not can_change_vocabulary(task):
        raise ValueError(
            f"`vocab_size` cannot become {vocab_size}: the task names or weights its "
            f"{task.vocab_size} substitution tokens one by one."
        )
    return replace(task, vocab_size=vocab_size)


def vocabulary_for(task: TemplateTask, diversity: float) -> int:
    """The number of tokens m at which uniform substitution has about the diversity ρ = m / w.

    Args:
        task: Its templates say w.
        diversity: ρ, finite and at least 1.

    Raises:
        ValueError: if ρ is below 1 or not finite.

    Example:
        >>> import ktrans as kt
        >>> vocabulary_for(kt.tasks.load("aba_abb", vocab_size=10), 20.0)
        40
    """
    check_kind("task", task, TemplateTask)
    if as_real("rho", diversity) < 1:
        raise ValueError(f"`rho` must be at least 1; got {diversity}.")
    widest = max(template.num_wildcards for template in task.templates)
    return round(diversity * max(widest, 1))
