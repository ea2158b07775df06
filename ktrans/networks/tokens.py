"""Byte-pair tokens of a text, by the `tokenizers` library, and their cache on disk."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import UInt
from tqdm import tqdm

from ktrans._checks import Whole, as_int, one_line, shown
from ktrans._files import check_array, check_size, refuse_damage, write_whole
from ktrans._results import Result
from ktrans.networks.text import Text

END = "<|endoftext|>"  # GPT-2's token behind every document

_BYTES = 256
MAX_TOKENIZER = 2**28  # bytes of each file of a tokenizer
MAX_CACHE = 2**40  # bytes of a file of ids, which is mapped and not read as a whole
_REMEDY = "give the files of another tokenizer"
# Characters of a piece, and pieces of a batch: what the library holds in memory at once.
_PIECE, _BATCH = 2**16, 64
# Where a text may be cut without changing a token of GPT-2: before the blank that its next word
# takes in. White space before that blank is one token, with or without something behind it.
_CUT = re.compile(r"(?= \S)")


@dataclass(frozen=True, eq=False)
class TextData(Result):
    """What language models are trained, stopped and tested on; made by `tokenize`.

    Args:
        train: (n,) token ids, documents one after another.
        validation: (n1,) token ids.
        test: (n2,) token ids.
        num_tokens: m, size of the vocabulary.

    Raises:
        TypeError, ValueError: a part is no array (n,) of integers from 0 to m − 1.
    """

    train: Any
    validation: Any
    test: Any
    num_tokens: int

    def __post_init__(self) -> None:
        size = as_int("num_tokens", self.num_tokens, 1)
        for name in Text._fields:
            check_ids(name, getattr(self, name), size)

    def fingerprint(self) -> str:
        """A hash of all ids, by which a checkpoint knows its data."""
        hashed = hashlib.sha256(str(self.num_tokens).encode())
        for name in Text._fields:
            part = getattr(self, name)
            hashed.update(f"{name} {part.dtype} {len(part)}".encode())
            hashed.update(np.ascontiguousarray(part).data)
        return hashed.hexdigest()


def train_tokenizer(text: Text, vocab_size: Whole) -> Any:
    """A byte-level byte-pair tokenizer of GPT-2's kind, trained on the training documents.

    Args:
        text: From `read_text`.
        vocab_size: m: the 256 bytes, the token behind documents, and m − 257 merged pairs.

    Returns:
        A `tokenizers.Tokenizer`; its `save(path)` writes a tokenizer.json.

    Raises:
        ImportError: the package `tokenizers` is not installed.
        TypeError, ValueError: `vocab_size` is below 257, or has more pairs than the text.

    References:
        Radford et al. (2019), Language models are unsupervised multitask learners, section 2.2.

    Example:
        >>> from ktrans.networks import train_tokenizer
        >>> from ktrans.networks.text import Text
        >>> tokenizer = train_tokenizer(Text(("to be or not to be\\n",), (), ()), 260)
        >>> tokenizer.decode(tokenizer.encode("be α").ids)
        'be α'
    """
    tokenizers = _library()
    size = as_int("vocab_size", vocab_size, _BYTES + 1)
    tokenizer = _byte_level(tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.train, trainer)
    if tokenizer.get_vocab_size() < size:
        raise ValueError(
            f"`vocab_size` must be at most {tokenizer.get_vocab_size()}, as the training text has "
            f"no more pairs to merge; got {size}."
        )
    return tokenizer


def load_tokenizer(path: str | Path) -> Any:
    """A tokenizer from disk.

    Args:
        path: A tokenizer.json, or a folder that has one, or GPT-2's vocab.json and merges.txt.

    Returns:
        A `tokenizers.Tokenizer`.

    Raises:
        ImportError: the package `tokenizers` is not installed.
        FileNotFoundError: these files are not there.
        ValueError: they hold no tokenizer, or are too large.

    Example:
        >>> from ktrans.networks import load_tokenizer
        >>> load_tokenizer("tokenizer.json")
        Traceback (most recent call last):
        FileNotFoundError: There is no 'tokenizer.json'; give the path of what to read.
    """
    tokenizers = _library()
    given = Path(path)
    whole = given / "tokenizer.json" if given.is_dir() else given
    vocabulary, merges = given / "vocab.json", given / "merges.txt"
    if whole.is_file():
        return _read_tokenizer(tokenizers.Tokenizer.from_file, whole)
    if vocabulary.is_file() and merges.is_file():
        return _byte_level(_read_tokenizer(tokenizers.models.BPE.from_file, vocabulary, merges))
    if given.is_dir():
        raise FileNotFoundError(
            f"{str(given)!r} has neither 'tokenizer.json' nor both 'vocab.json' and 'merges.txt'."
        )
    raise FileNotFoundError(f"There is no '{given}'; give the path of what to read.")


def _read_tokenizer(read: Callable[..., Any], *files: Path) -> Any:
    """What the library makes of the files; it does not say in which of them something is wrong."""
    for file in files:
        check_size(file, MAX_TOKENIZER, _REMEDY)
    try:
        return read(*map(str, files))
    except Exception as error:  # the library raises nothing more special
        names = " with ".join(repr(str(file)) for file in files)
        raise ValueError(f"{names} holds no tokenizer: {one_line(error)}; {_REMEDY}.") from None


def tokenize(
    text: Text, tokenizer: Any, *, cache: str | Path | None = None, progress: bool = False
) -> TextData:
    """The token ids of a text, <|endoftext|> behind every document if the tokenizer has it.

    Args:
        text: From `read_text`.
        tokenizer: From `train_tokenizer` or `load_tokenizer`.
        cache: Folder for one .npy a part, named by a hash of documents and tokenizer; what is
            there is mapped into memory, not computed again. None: nowhere, all in memory.
        progress: Show a bar.

    Returns:
        The ids, uint16 if the vocabulary allows it, else uint32.

    Raises:
        ValueError: a file of the cache is damaged.
        OSError: the cache cannot be written.

    Example:
        >>> from ktrans.networks import tokenize, train_tokenizer
        >>> from ktrans.networks.text import Text
        >>> text = Text(("to be or not to be\\n",), ("or not\\n",), ("to be\\n",))
        >>> data = tokenize(text, train_tokenizer(text, 260))
        >>> data.num_tokens, data.train.dtype
        (260, dtype('uint16'))
    """
    folder = None if cache is None else Path(cache)
    total = sum(len(document) for part in text for document in part)
    bar = tqdm(total=total, disable=not progress, unit="B", unit_scale=True, desc="tokens")
    with bar:
        parts = [
            _cached(name, documents, tokenizer, folder, bar)
            for name, documents in zip(Text._fields, text, strict=True)
        ]
    return TextData(*parts, num_tokens=tokenizer.get_vocab_size())


def _cached(
    name: str, documents: tuple[str, ...], tokenizer: Any, folder: Path | None, bar: tqdm
) -> UInt[np.ndarray, "n"]:
    if folder is None:
        return _encode(documents, tokenizer, bar)
    path = folder / f"{name}-{_fingerprint(documents, tokenizer)[:16]}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        ids = _encode(documents, tokenizer, bar)
        write_whole(path, lambda stream: np.save(stream, ids))
    return _map_ids(path, tokenizer.get_vocab_size())


def _map_ids(path: Path, num_tokens: int) -> UInt[np.ndarray, "n"]:
    """The ids of a file, which may be larger than memory."""
    check_size(path, MAX_CACHE)
    with refuse_damage(path):
        ids = np.lib.format.open_memmap(path, mode="r")
        check_array("the array", ids, (None,), _kind(num_tokens))
        if len(ids) and int(ids.max()) >= num_tokens:
            raise ValueError(f"token id {int(ids.max())} of a vocabulary of {num_tokens}")
    return ids


def _fingerprint(documents: tuple[str, ...], tokenizer: Any) -> str:
    hashed = hashlib.sha256(tokenizer.to_str().encode())
    for document in documents:
        # Documents of their own, not the text they make together.
        hashed.update(hashlib.sha256(document.encode()).digest())
    return hashed.hexdigest()


def _encode(documents: tuple[str, ...], tokenizer: Any, bar: tqdm) -> UInt[np.ndarray, "n"]:
    kind = _kind(tokenizer.get_vocab_size())
    end = tokenizer.token_to_id(END)
    ids = [np.zeros(0, kind)]
    for document in documents:
        for batch in _batches(document):
            found = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            ids += [np.array(one.ids, kind) for one in found]
            bar.update(sum(map(len, batch)))
        if end is not None:
            ids.append(np.array([end], kind))
    return np.concatenate(ids)


def _kind(num_tokens: int) -> type[np.unsignedinteger]:
    return np.uint16 if num_tokens <= 2**16 else np.uint32


def _batches(document: str) -> Iterator[list[str]]:
    pieces = list(_pieces(document))
    for begin in range(0, len(pieces), _BATCH):
        yield pieces[begin : begin + _BATCH]


def _pieces(document: str) -> Iterator[str]:
    begin = 0
    while begin < len(document):
        cut = _CUT.search(document, begin + _PIECE)
        end = cut.start() if cut else len(document)
        yield document[begin:end]
        begin = end


def _byte_level(model: Any) -> Any:
    """A tokenizer with GPT-2's way from text to bytes and back."""
    tokenizers = _library()
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return tokenizer


def check_ids(name: str, ids: Any, num_tokens: int) -> None:
    """Raise unless the ids are an array (n,) of integers that embeddings have rows for."""
    if not isinstance(ids, np.ndarray) or ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise TypeError(f"`{name}` must be an array (n,) of integer token ids; got {shown(ids)}.")
    # Embeddings would take the last row for an id that is too large, and say nothing.
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < num_tokens:
        raise ValueError(
            f"`{name}` must hold token ids from 0 to {num_tokens - 1}; got {int(ids.min())} to "
            f"{int(ids.max())}."
        )


def _library() -> ModuleType:
    try:
        import tokenizers
    except ImportError:
        raise ImportError(
            "byte-pair tokens need the package `tokenizers`; install it, or ktrans[gpt2]."
        ) from None
    return tokenizers
