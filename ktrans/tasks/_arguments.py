"""What `TemplateTask.from_templates` takes, read into the fields of a task."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from ktrans._checks import as_real, check_kind, shown
from ktrans.tasks.meeting import label_of, same_template
from ktrans.tasks.templates import (
    Symbol,
    Template,
    Wildcard,
    as_template,
    is_wildcard_name,
    normalised,
)

Labels = np.ndarray | tuple[Symbol, ...]


def read_templates(mapping: object) -> tuple[Template, ...]:
    """The keys of the mapping as distinct templates of one length."""
    if not isinstance(mapping, Mapping):
        raise TypeError(
            f"`templates` must map templates to labels, {{'αβα': 1.0, …}}; got {shown(mapping)}."
        )
    templates = tuple(as_template(key) for key in mapping)
    check_templates(templates)
    return templates


def check_templates(templates: tuple[Template, ...]) -> None:
    """Templates of a task are distinct, at least one, and of equal length."""
    check_kind("templates", templates, tuple)
    for template in templates:
        check_kind("templates", template, Template)
    if not templates:
        raise ValueError("`templates` must have at least one template; got none.")
    for template in templates:
        if template.length != templates[0].length:
            raise ValueError(
                f"`templates` must have equal lengths; '{templates[0]}' has {templates[0].length} "
                f"symbols and '{template}' has {template.length}."
            )
    for i, template in enumerate(templates):
        if template in templates[:i]:
            raise ValueError(f"`templates` must be distinct; '{template}' occurs twice.")


def check_labels(templates: tuple[Template, ...], labels: object) -> None:
    """Labels of a task are an array of finite numbers or a tuple of symbols, one a template."""
    check_kind("labels", labels, np.ndarray | tuple)
    read_labels(templates, list(labels))  # type: ignore[call-overload]


def check_consistent(templates: tuple[Template, ...], labels: Labels) -> None:
    """One template, whatever its wildcards are called, has one label."""
    seen: dict[tuple[int, ...], list[int]] = {}
    for j, template in enumerate(templates):
        for i in seen.setdefault(template.partition, []):
            known = label_of(templates[i], labels[i])
            if same_template(templates[i], template) and known != label_of(template, labels[j]):
                raise ValueError(
                    f"`templates` must give one template one label; '{templates[i]}' and "
                    f"'{template}' differ in the names of their wildcards only, and have the "
                    f"labels {labels[i]} and {labels[j]}."
                )
        seen[template.partition].append(j)


def check_weights(templates: tuple[Template, ...], weights: object) -> None:
    """Weights of a task are an array of positive numbers, one a template."""
    check_kind("weights", weights, np.ndarray)
    read_weights(templates, weights)


def read_labels(templates: tuple[Template, ...], labels: Sequence[object]) -> Labels:
    """Numbers as an array (regression), symbols as a tuple (next token); never both."""
    if len(labels) != len(templates):
        raise ValueError(
            f"`labels` must have one label for each of the {len(templates)} templates; got "
            f"{len(labels)}."
        )
    symbolic = [isinstance(label, str | Wildcard) for label in labels]
    if any(symbolic) and not all(symbolic):
        raise ValueError(
            "labels must be all numbers (regression) or all symbols (next token); got "
            f"{shown(list(labels))}."
        )
    pairs = zip(templates, labels, strict=True)
    if all(symbolic):
        return tuple(_read_symbol(template, str(label)) for template, label in pairs)
    return np.array([as_real(f"label of '{template}'", label) for template, label in pairs])


def _read_symbol(template: Template, label: str) -> Symbol:
    name = normalised(label)
    if name in template.wildcards:
        return Wildcard(name)
    if is_wildcard_name(name) and name not in template.regular_tokens:
        raise ValueError(
            f"label of '{template}' must be one of its wildcards {list(template.wildcards)} or a "
            f"regular token; got the wildcard {name!r}."
        )
    return Template([name]).regular_tokens[0]


def read_weights(templates: tuple[Template, ...], weights: object) -> Float[np.ndarray, "r"]:
    """Probabilities of the templates: uniform unless given, by template or in their order."""
    if weights is None:
        return np.full(len(templates), 1.0 / len(templates))
    if isinstance(weights, Mapping):
        weights = _in_order(templates, weights)
    if isinstance(weights, np.ndarray):
        weights = weights.tolist()
    if not isinstance(weights, Sequence) or isinstance(weights, str | bytes):
        raise TypeError(
            f"`weights` must be a mapping from templates or a sequence; got {shown(weights)}."
        )
    if len(weights) != len(templates):
        raise ValueError(
            f"`weights` must have one weight for each of the {len(templates)} templates; got "
            f"{len(weights)}."
        )
    pairs = zip(templates, weights, strict=True)
    values = np.array([as_real(f"weight of '{template}'", weight) for template, weight in pairs])
    if np.any(values <= 0):
        raise ValueError(
            f"`weights` must be positive (leave a template out instead of weight 0); got "
            f"{shown(values.tolist())}."
        )
    return values / values.max() / np.sum(values / values.max())


def _in_order(templates: tuple[Template, ...], weights: Mapping[object, object]) -> list[object]:
    by_template = {as_template(key): weight for key, weight in weights.items()}
    if set(by_template) != set(templates):
        wrong = set(by_template) ^ set(templates)
        raise ValueError(
            "`weights` must have exactly the templates of the task as keys; check "
            f"{sorted(str(template) for template in wrong)}."
        )
    return [by_template[template] for template in templates]


def read_substitution_tokens(tokens: object) -> tuple[str, ...] | None:
    """Names of the substitution tokens, distinct regular tokens."""
    if tokens is None:
        return None
    if isinstance(tokens, str | bytes | Mapping) or not isinstance(tokens, Iterable):
        raise TypeError(f"`substitution_tokens` must be a list of tokens; got {shown(tokens)}.")
    names = list(tokens)
    symbols = Template(names).symbols if names else ()
    if not symbols or any(isinstance(symbol, Wildcard) for symbol in symbols):
        raise ValueError(
            f"`substitution_tokens` must be one or more regular tokens; got {shown(names)}."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"`substitution_tokens` must be distinct; got {shown(names)}.")
    return tuple(names)
