"""What every experiment with a result file reads from the command line."""

import argparse
from pathlib import Path


def read_arguments(description: str | None, out: Path) -> argparse.Namespace:
    """`quick`, `out` and `format`, with `out` as the default folder."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--format", choices=("png", "pdf", "svg"), default="png")
    return parser.parse_args()
