"""Tasks over words: strings of a task as sentences, and a network's states on them as features."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int

from ktrans._checks import as_int, check_kind, check_word
from ktrans.networks.bert import Encoder
from ktrans.tasks import TemplateTask

READ_OUTS = ("mean", "first")
BAG, EMBEDDINGS, LAYER = "bag of words", "embeddings", "layer {}"
_WORD = re.compile(r"[a-z]{3,}")
_SLOT = "{}"
_BATCH = 256


def single_token_words(tokenizer: Any) -> tuple[str, ...]:
    """The words of three or more Latin letters that are one token of a WordPiece vocabulary.

    Args:
        tokenizer: A `tokenizers.Tokenizer`.

    Returns:
        The words in the order of their ids, which is from frequent to rare.
    """
    ids = tokenizer.get_vocab()
    return tuple(word for word in sorted(ids, key=ids.__getitem__) if _WORD.fullmatch(word))


@dataclass(frozen=True, eq=False, kw_only=True)
class Sentences:
    """The strings of a task as the token ids of sentences.

    Each token of the task stands for a word that is one token of the network; regular tokens stand
    for themselves.

    Args:
        task: The task; its [CLS] is left out, the network has its own.
        tokenizer: A `tokenizers.Tokenizer` with [CLS] and [SEP].
        frame: The sentence, with {} for all words of a string in a row, or one {} for each.
        words: The words to draw from; None: all words that are one token.
        seed: Of which word stands for which token.

    Raises:
        ValueError: too few words for the tokens, a regular token or word that is not one token, or
            a frame with another number of {}.

    Example:
        >>> import ktrans as kt
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> vocabulary = ["[CLS]", "[SEP]", "the", "words", *(a + "oo" for a in "bcdfghjklmnpr")]
        >>> ids = {word: i for i, word in enumerate(vocabulary)}
        >>> tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[SEP]"))
        >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> task = kt.tasks.load("aba_abb", vocab_size=5)
        >>> sentences = Sentences(task=task, tokenizer=tokenizer, frame="the words {}")
        >>> [vocabulary[i] for i in sentences(task.sample(1).tokens)[0]]
        ['[CLS]', 'the', 'words', 'moo', 'loo', 'loo', '[SEP]']
    """

    task: TemplateTask
    tokenizer: Any
    frame: str = _SLOT
    words: Sequence[str] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_kind("task", self.task, TemplateTask)
        check_kind("frame", self.frame, str)
        length = self.task.context_length - 1
        if self.frame.count(_SLOT) not in (1, length):
            raise ValueError(
                f"`frame` must have one {{}}, or {length} for the {length} words of a string; got "
                f"{self.frame!r}."
            )
        _ = self.ids, self._pieces

    @cached_property
    def ids(self) -> Int[np.ndarray, "m"]:
        """The token of the network for each token of the task; −1 for [CLS]."""
        task, known = self.task, self.tokenizer.get_vocab()
        regular = task.regular_token_ids
        given = single_token_words(self.tokenizer) if self.words is None else self.words
        words = [word for word in given if word not in regular]
        free = [i for i in range(task.num_tokens) if i != task.cls_id and i not in regular.values()]
        if len(words) < len(free):
            raise ValueError(
                f"`task` must have at most {len(words)} tokens, the words that are one token of "
                f"the network; got {len(free)}: give a smaller vocab_size."
            )
        rng = np.random.default_rng(as_int("seed", self.seed, 0))
        drawn = rng.permutation(len(words))[: len(free)]
        chosen = dict(zip(free, (words[j] for j in drawn), strict=True))
        chosen |= {i: name for name, i in regular.items()}
        found = np.full(task.num_tokens, -1)
        for i, word in chosen.items():
            found[i] = _one_token(known, word)
        return found

    @cached_property
    def _pieces(self) -> list[list[int]]:
        """The tokens before, between and after the words."""
        known = self.tokenizer.get_vocab()
        texts = self.frame.split(_SLOT)
        if len(texts) == 2:
            texts = [texts[0], *[""] * (self.task.context_length - 2), texts[1]]
        pieces = [_encode(self.tokenizer, text) for text in texts]
        pieces[0].insert(0, _one_token(known, "[CLS]"))
        pieces[-1].append(_one_token(known, "[SEP]"))
        return pieces

    def __call__(self, tokens: Int[np.ndarray, "n k"]) -> Int[np.ndarray, "n l"]:
        """The token ids of the sentences of strings."""
        words = self.ids[tokens[:, :-1]]
        columns = [np.tile(self._pieces[0], (len(words), 1))]
        for j, piece in enumerate(self._pieces[1:]):
            columns += [words[:, [j]], np.tile(np.array(piece, int), (len(words), 1))]
        return np.concatenate(columns, axis=1).astype(np.int32)


def _encode(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a piece of text, without what the tokenizer fills up with."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return [i for i, kept in zip(encoding.ids, encoding.attention_mask, strict=True) if kept]


def _one_token(known: dict[str, int], word: str) -> int:
    if word not in known:
        raise ValueError(
            f"`task` must have words that are one token of the network; {word!r} is not."
        )
    return known[word]


def word_features(
    encoder: Encoder, sentences: Sentences, *, read_out: str = "mean"
) -> Callable[[Any], dict[str, Float[np.ndarray, "n d"]]]:
    """The states of an encoder on the sentences of a task, layer by layer, as features.

    Args:
        encoder: From `load_bert`.
        sentences: How strings become sentences.
        read_out: "mean" over all positions, as sentence embeddings are, or the "first" one, [CLS].

    Returns:
        A callable from tokens (n, k) to features (n, d) by layer, for `ktrans.probe`. The first,
        "bag of words", is a control: the sum of the words' embeddings, which cannot know which
        words are equal.
    """
    check_kind("encoder", encoder, Encoder)
    check_kind("sentences", sentences, Sentences)
    check_word("read_out", read_out, READ_OUTS)
    read = _reader(read_out)
    table = np.asarray(encoder.token_embedding)

    def features(tokens: Any) -> dict[str, Float[np.ndarray, "n d"]]:
        strings = np.asarray(tokens)
        bag = table[sentences.ids[strings[:, :-1]]].sum(axis=1)
        states = _in_batches(lambda ids: read(encoder, ids), sentences(strings))
        names = [EMBEDDINGS, *(LAYER.format(i + 1) for i in range(len(encoder.blocks)))]
        return {BAG: bag, **dict(zip(names, states.transpose(1, 0, 2), strict=True))}

    return features


def _reader(read_out: str) -> Callable[[Encoder, Any], Any]:
    @eqx.filter_jit
    def read(encoder: Encoder, ids: Any) -> Any:
        states = jax.vmap(encoder.states)(ids)  # (n, layers, k, d)
        return states.mean(axis=2) if read_out == "mean" else states[:, :, 0]

    return read


def _in_batches(call: Callable[[Any], Any], ids: Int[np.ndarray, "n l"]) -> np.ndarray:
    """Of one size each, so that one program serves all; the last is filled up."""
    filled = np.concatenate([ids, np.repeat(ids[-1:], -len(ids) % _BATCH, axis=0)])
    parts = [np.asarray(call(filled[i : i + _BATCH])) for i in range(0, len(filled), _BATCH)]
    return np.concatenate(parts)[: len(ids)]
