"""`ktrans tasks`: the named tasks."""

import argparse
import json
from typing import Any

import ktrans.tasks


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "tasks", help="list and describe the named tasks", allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the tasks; exit status 0."""
    rows = [_row(name) for name in ktrans.tasks.names()]
    if arguments.json:
        print(json.dumps({"tasks": rows}, ensure_ascii=False))
        return 0
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        print(f"{row['name']:{width}}  r = {row['num_templates']:<4} {row['description']}")
    return 0


def _row(name: str) -> dict[str, Any]:
    task = ktrans.tasks.load(name)
    return {
        "name": name,
        "description": ktrans.tasks.describe(name),
        "num_templates": task.num_templates,
        "context_length": task.context_length,
        "labels": "symbols" if isinstance(task.labels, tuple) else "numbers",
        "templates": [str(template) for template in task.templates],
    }
