"""Tasks in TOML files: what a file may say, read with limits, and the text that says it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ktrans._checks import shown
from ktrans.tasks._toml import check_keys, check_kind, need, parse
from ktrans.tasks.substitution import Substitution, Zipf

MAX_TEMPLATES = 1000
MAX_LENGTH = 256
MAX_VOCAB_SIZE = 10**7

TASK_KEYS = {
    "name": str,
    "vocab_size": int,
    "noise_std": (int, float),
    "substitution": (str, list, dict),
    "substitution_tokens": list,
}
ROW_KEYS = {"template": (str, list), "label": (int, float, str), "weight": (int, float)}


def read(path: Path) -> dict[str, Any]:
    """The keyword arguments of `TemplateTask.from_templates` that the file holds.

    Args:
        path: a TOML file of at most 1 MiB; `TemplateTask.from_file` describes its keys.

    Returns:
        Keyword arguments; kinds and sizes are checked here, meanings by the task.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is too large, no TOML, or has an unknown, missing or wrong key.
    """
    document = parse(path, "task")
    check_keys(path, "the file", document, {"task": dict, "templates": list})
    task, rows = need(path, document, "task"), need(path, document, "templates")
    check_keys(path, "[task]", task, TASK_KEYS)
    _check_rows(path, rows)
    if task.get("vocab_size", 0) > MAX_VOCAB_SIZE:
        raise ValueError(f"{path}: `vocab_size` must be at most {MAX_VOCAB_SIZE} in a file.")
    _check_name(path, task.get("name", ""))
    return {
        **task,
        "name": task.get("name", path.stem),
        "substitution": _substitution(path, task.get("substitution", "uniform")),
        "templates": {_key(row["template"]): row["label"] for row in rows},
        "weights": _weights(rows),
    }


def _check_rows(path: Path, rows: Sequence[Any]) -> None:
    if len(rows) > MAX_TEMPLATES:
        raise ValueError(
            f"{path}: at most {MAX_TEMPLATES} templates may stand in a file; got {len(rows)}."
        )
    for i, row in enumerate(rows):
        where = f"[[templates]] number {i + 1}"
        check_kind(path, where, row, dict)
        check_keys(path, where, row, ROW_KEYS)
        template = need(path, row, "template")
        need(path, row, "label")
        if len(template) > MAX_LENGTH:
            raise ValueError(f"{path}: {where} must have at most {MAX_LENGTH} symbols.")
        if isinstance(template, list):
            for token in template:
                check_kind(path, f"a token of {where}", token, str)
    _check_repeats(path, [_key(row["template"]) for row in rows])


def _check_repeats(path: Path, keys: Sequence[str | tuple[str, ...]]) -> None:
    repeated = {key for key in keys if keys.count(key) > 1}
    if repeated:
        raise ValueError(
            f"{path}: templates must be distinct; {shown(min(map(str, repeated)))} occurs twice."
        )


def _check_name(path: Path, name: str) -> None:
    if not name.isprintable() or len(name) > MAX_LENGTH:
        raise ValueError(
            f"{path}: `name` must be at most {MAX_LENGTH} printable characters; got {shown(name)}."
        )


def _key(template: Any) -> str | tuple[str, ...]:
    return template if isinstance(template, str) else tuple(template)


def _weights(rows: Sequence[Mapping[str, Any]]) -> list[Any] | None:
    return [row.get("weight", 1.0) for row in rows] if any("weight" in r for r in rows) else None


def _substitution(path: Path, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    check_keys(path, "`substitution`", value, {"zipf": (int, float)})
    try:
        return Zipf(need(path, value, "zipf"))
    except ValueError as error:
        raise ValueError(f"{path}: `zipf` in `substitution`: {error}") from None


def render(
    *,
    name: str,
    vocab_size: int,
    noise_std: float,
    substitution: Substitution,
    substitution_tokens: Sequence[str] | None,
    rows: Sequence[tuple[str | list[str], float | str, float]],
) -> str:
    """The TOML text of a task.

    Args:
        name, vocab_size, noise_std, substitution, substitution_tokens: as in `TemplateTask`.
        rows: for each template what builds it, its label and its weight.

    Returns:
        Text that `read` takes back.
    """
    head = {"name": name, "vocab_size": vocab_size, "noise_std": noise_std}
    if substitution_tokens is not None:
        head["substitution_tokens"] = list(substitution_tokens)
    lines = ["[task]", *(f"{key} = {_value(value)}" for key, value in head.items())]
    lines.append(f"substitution = {_substitution_value(substitution)}")
    for template, label, weight in rows:
        lines += ["", "[[templates]]", f"template = {_value(template)}"]
        lines += [f"label = {_value(label)}", f"weight = {weight!r}"]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    # JSON strings, lists of strings and numbers are TOML as well.
    return json.dumps(value, ensure_ascii=False)


def _substitution_value(substitution: Substitution) -> str:
    if isinstance(substitution, Zipf):
        return f"{{ zipf = {float(substitution.exponent)!r} }}"
    return _value(list(substitution) if isinstance(substitution, tuple) else substitution)
