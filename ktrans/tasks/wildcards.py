"""Tasks whose templates were meant to have wildcards."""

from ktrans.tasks.task import TemplateTask
from ktrans.tasks.templates import Template

_GREEK = "αβγδεζηθικλμνξοπρστυφχψω"


def check_wildcards(task: TemplateTask) -> TemplateTask:
    """The task, if one of its templates has a wildcard.

    Without wildcards there are no unseen symbols to generalise to, and no diversity.

    Raises:
        ValueError: no template has a wildcard; the sentence shows what may have been meant.

    Example:
        >>> import ktrans as kt
        >>> check_wildcards(kt.TemplateTask.from_templates({"ABA": 1, "ABB": -1}, vocab_size=9))
        Traceback (most recent call last):
        ...
        ValueError: template 'ABA' has no wildcards; did you mean 'αβα'?
    """
    if task.max_wildcards == 0:
        first = task.templates[0]
        raise ValueError(f"template '{first}' has no wildcards; did you mean '{_meant(first)}'?")
    return task


def _meant(template: Template) -> str:
    """The template with a wildcard for each token."""
    tokens = template.regular_tokens
    if template.is_plain and len(tokens) <= len(_GREEK):
        return "".join(_GREEK[rank] for rank in template.partition)
    return " ".join(f"?{tokens[rank]}" for rank in template.partition)
