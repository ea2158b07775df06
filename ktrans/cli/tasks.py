"""`ktrans tasks`: the named tasks."""

import argparse
from typing import Any

import ktrans.tasks
from ktrans.cli.output import print_json, print_lines


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the tasks; exit status 0."""
    rows = [_row(name) for name in ktrans.tasks.names()]
    if arguments.json:
        print_json({"tasks": rows})
        return 0
    width = max(len(row["name"]) for row in rows)
    print_lines(
        f"{row['name']:{width}}  r = {row['num_templates']:<4} {row['description']}" for row in rows
    )
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
