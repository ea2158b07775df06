"""Template tasks: distributions over templates and substitution maps, and data drawn from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ktrans._checks import as_int, as_non_negative, check_kind, shown
from ktrans._results import Result
from ktrans.tasks import files
from ktrans.tasks._arguments import (
    Labels,
    check_consistent,
    check_labels,
    check_templates,
    check_weights,
    read_labels,
    read_substitution_tokens,
    read_templates,
    read_weights,
)
from ktrans.tasks.meeting import Drawable, drawable_meeting
from ktrans.tasks.substitution import (
    Alphabet,
    Substitution,
    as_substitution,
    draw_by_alphabet,
    fill,
    sample_diversity,
    token_weights,
    weight_table,
)
from ktrans.tasks.templates import Symbol, Template, Wildcard

# `sample` and `sample_unseen` with one seed draw from independent streams.
SEEN_STREAM, UNSEEN_STREAM = 0, 1
LARGEST_VOCABULARY, MOST_SAMPLES = 10**8, 10**9


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Result):
    """Strings drawn from a template task, with their labels; duplicates are kept.

    Attributes:
        tokens: (n, k) int32 ids, [CLS] last.
        labels: (n,) float64 with label noise (regression) or int32 token ids (next token).
        template_ids: (n,) int32, which of `task.templates` each string was made from.
        substitutions: (n, w_max) int32, the token of wildcard j in column j, −1 beyond the
            template's wildcards.
        task: the task.

    Example:
        >>> import ktrans as kt
        >>> data = kt.tasks.load("aba_abb", vocab_size=50).sample(8)
        >>> data.tokens.shape, data.subset(data.template_ids == 0).tokens.shape[1], len(data)
        ((8, 4), 4, 8)
    """

    tokens: Int[np.ndarray, "n k"]
    labels: np.ndarray
    template_ids: Int[np.ndarray, "n"]
    substitutions: Int[np.ndarray, "n w"]
    task: "TemplateTask"

    def __post_init__(self):
        check_kind("task", self.task, TemplateTask)
        for name in ("tokens", "labels", "template_ids", "substitutions"):
            self._check_rows(name, getattr(self, name))

    def _check_rows(self, name: str, array: np.ndarray) -> None:
        """Refuse what is no array with a row for each string; make it read-only."""
        check_kind(name, array, np.ndarray)
        axes = 2 if name in ("tokens", "substitutions") else 1
        if array.ndim != axes or len(array) != len(self.tokens):
            raise ValueError(
                f"`{name}` must be an array of {axes} axes with a row for each of the "
                f"{len(self.tokens)} strings; got shape {array.shape}."
            )
        array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        n, k = self.tokens.shape
        return f"Dataset(n={n}, k={k}, task={self.task!r})"

    def subset(self, indices: object) -> "Dataset":
        """The samples at `indices`: integers, a mask or a slice, in that order."""
        try:
            rows = np.arange(len(self))[indices]  # type: ignore[index]
        except (IndexError, TypeError, ValueError):
            rows = None
        if np.ndim(rows) != 1:  # type: ignore[arg-type]
            raise ValueError(
                f"`indices` must be integers below {len(self)}, a mask or a slice; got "
                f"{shown(indices)}."
            )
        return Dataset(
            tokens=self.tokens[rows],
            labels=self.labels[rows],
            template_ids=self.template_ids[rows],
            substitutions=self.substitutions[rows],
            task=self.task,
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TemplateTask(Result):
    """A template task: x = sub(z, s), y = f*(z) + N(0, σ²), or y = s(f*(z)) for symbolic labels.

    Build one with `from_templates`, `from_file` or `ktrans.tasks.load`. Token ids:

        0 … m−1                  substitution tokens
        m …                      regular tokens that are no substitution tokens
        cls_id                   [CLS]
        cls_id+1 … cls_id+m      unseen tokens, which only `sample_unseen` draws

    Attributes:
        templates: r templates, without [CLS].
        labels: (r,) array f*(z), or a tuple of r symbols (next token).
        weights: (r,) probabilities.
        vocab_size: m, number of substitution tokens.
        noise_std: σ.
        substitution: "uniform", `Zipf` or a weight for each of the m tokens; `draw_maps` in
            ktrans.tasks.substitution says what weights mean (successive sampling).
        substitution_tokens: names of the m tokens, or None where they have none.
        name: for reports.

    References:
        Boix-Adserà et al. (2024), definition of template task and of sample diversity.

    Example:
        >>> import ktrans as kt
        >>> task = kt.TemplateTask.from_templates({"αβα": 1.0, "αββ": -1.0}, vocab_size=100)
        >>> task.num_templates, task.context_length, task.disjoint, task.diversity
        (2, 4, True, 50.0)
    """

    templates: tuple[Template, ...]
    labels: Labels
    weights: Float[np.ndarray, "r"]
    vocab_size: int
    noise_std: float = 0.0
    substitution: Substitution = "uniform"
    substitution_tokens: tuple[str, ...] | None = None
    name: str = field(default="")

    def __post_init__(self):
        check_templates(self.templates)
        check_labels(self.templates, self.labels)
        check_consistent(self.templates, self.labels)
        check_weights(self.templates, self.weights)
        self.weights.setflags(write=False)
        if isinstance(self.labels, np.ndarray):
            self.labels.setflags(write=False)
        if as_int("vocab_size", self.vocab_size, 1) > LARGEST_VOCABULARY:
            raise ValueError(
                f"`vocab_size` must be at most {LARGEST_VOCABULARY} (ids are 32-bit integers); "
                f"got {self.vocab_size}."
            )
        as_non_negative("noise_std", self.noise_std)
        as_substitution(self.substitution)
        self._check_vocabulary()
        if self.is_symbolic and self.noise_std > 0:
            raise ValueError(
                f"`noise_std` must be 0 for labels that are symbols; got {self.noise_std}."
            )
        for template, tokens in zip(self.templates, self._allowed_counts, strict=True):
            if tokens < template.num_wildcards:
                raise ValueError(
                    f"`vocab_size` must leave a token for each wildcard; '{template}' has "
                    f"{template.num_wildcards} wildcards but {tokens} tokens that may replace them."
                )

    @classmethod
    def from_templates(
        cls,
        templates: object,
        *,
        vocab_size: object = None,
        noise_std: object = 0.0,
        weights: object = None,
        substitution: object = "uniform",
        substitution_tokens: object = None,
        name: Any = "",
    ) -> "TemplateTask":
        """A task from a mapping of templates to labels.

        Args:
            templates: {template: label}. A template is a string, a tuple of tokens or a `Template`;
                labels are all numbers, or all symbols: wildcards of their template or regular
                tokens (next-token prediction).
            vocab_size: m ≥ 1; may be left out where `substitution_tokens` are given.
            noise_std: σ ≥ 0 of the label noise.
            weights: {template: weight} or r weights, positive and relative; None: uniform.
            substitution: "uniform", "zipf", `Zipf(exponent)`, or m non-negative relative weights.
                Wildcards take tokens in order of appearance, each from those not yet used and not
                regular in the template, in proportion to the weights.
            substitution_tokens: m distinct token names, with ids 0 … m−1. A regular token named
                here shares its id; else regular tokens have ids of their own.
            name: for reports.

        Returns:
            The task; its [CLS] is appended to every string.

        Raises:
            TypeError: an argument of the wrong kind.
            ValueError: unequal lengths, duplicates, labels that are not finite or mixed, a wildcard
                label that its template lacks, weights that are not positive, too few tokens.

        Example:
            >>> task = TemplateTask.from_templates({"α": "α"}, vocab_size=10)
            >>> data = task.sample(3)
            >>> bool((data.labels == data.tokens[:, 0]).all())
            True
        """
        check_kind("name", name, str)
        read = read_templates(templates)
        tokens = read_substitution_tokens(substitution_tokens)
        size = len(tokens) if vocab_size is None and tokens else vocab_size
        if size is None:
            raise ValueError("`vocab_size` must be given, the number of substitution tokens.")
        return cls(
            templates=read,
            labels=read_labels(read, list(templates.values())),  # type: ignore[attr-defined]
            weights=read_weights(read, weights),
            vocab_size=as_int("vocab_size", size, 1),
            noise_std=as_non_negative("noise_std", noise_std),
            substitution=as_substitution(substitution),
            substitution_tokens=tokens,
            name=name,
        )

    @classmethod
    def from_file(cls, path: str | Path) -> "TemplateTask":
        """A task from a TOML file.

            [task]
            name = "aba_abb"
            vocab_size = 1000             # or substitution_tokens = ["a", "b", ...]
            noise_std = 0.1               # optional
            substitution = "uniform"      # optional: "zipf", { zipf = 1.5 }, or a list of weights

            [[templates]]
            template = "αβα"              # or ["?x", "?y", "?x"]
            label = 1.0                   # or a symbol, "β" (next token)
            weight = 1.0                  # optional

        Args:
            path: the file, at most 1 MiB.

        Returns:
            The task.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError, TypeError: what the file says is no task; the message names file and key.
        """
        specification = files.read(Path(path))
        try:
            return cls.from_templates(**specification)
        except (ValueError, TypeError) as error:
            raise type(error)(f"{path}: {error}") from None

    def to_toml(self) -> str:
        """The TOML text from which `from_file` builds the same task."""
        labels = [str(y) for y in self.labels] if self.is_symbolic else self._numbers.tolist()
        return files.render(
            name=self.name,
            vocab_size=self.vocab_size,
            noise_std=float(self.noise_std),
            substitution=self.substitution,
            substitution_tokens=self.substitution_tokens,
            rows=[
                (template.spec, label, weight)
                for template, label, weight in zip(
                    self.templates, labels, self.weights.tolist(), strict=True
                )
            ],
        )

    def __repr__(self) -> str:
        shown_templates = ", ".join(str(template) for template in self.templates[:4])
        more = ", …" if self.num_templates > 4 else ""
        return f"TemplateTask({self.name!r}: {shown_templates}{more}; vocab_size={self.vocab_size})"

    @property
    def num_templates(self) -> int:
        """Number r of templates."""
        return len(self.templates)

    @property
    def context_length(self) -> int:
        """Number k of positions, [CLS] counted."""
        return self.templates[0].length + 1

    @property
    def max_wildcards(self) -> int:
        """The largest number of wildcards of a template."""
        return max(template.num_wildcards for template in self.templates)

    @property
    def is_symbolic(self) -> bool:
        """Whether labels are symbols (next token) rather than numbers (regression)."""
        return isinstance(self.labels, tuple)

    @property
    def is_uniform(self) -> bool:
        """Whether substitution maps are uniform over the injective ones."""
        if self.substitution == "uniform":
            return True
        weights = self._token_weights[self._token_weights > 0]
        return bool(len(weights) == self.vocab_size and np.all(weights == weights[0]))

    @property
    def disjoint(self) -> bool:
        """Whether no string that can be drawn matches two of the templates; exact."""
        return self.meeting is None

    @cached_property
    def meeting(self) -> tuple[int, int, tuple[str, ...]] | None:
        """The first two templates i < j that meet, with a string that matches both; or None.

        Only strings that are drawn with positive probability count.

        Example:
            >>> TemplateTask.from_templates({"Aα": 1, "αB": -1}, vocab_size=9).meeting is None
            True
            >>> tokens = ["A", "B", "c"]
            >>> TemplateTask.from_templates({"Aα": 1, "αB": -1}, substitution_tokens=tokens).meeting
            (0, 1, ('A', 'B'))
        """
        return next(self._meetings(), None)

    @cached_property
    def contradiction(self) -> tuple[int, int, tuple[str, ...]] | None:
        """The first two templates that meet and have different labels; or None.

        Labels that are symbols count as different.
        """
        return next((each for each in self._meetings() if self._differ(*each[:2])), None)

    def _meetings(self) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        earlier: dict[tuple[int, ...], list[int]] = {}
        for j, template in enumerate(self.templates):
            # Only templates with the same partition of positions can meet.
            for i in earlier.setdefault(template.partition, []):
                witness = drawable_meeting(self.templates[i], template, self._drawable)
                if witness is not None:
                    yield i, j, witness
            earlier[template.partition].append(j)

    def _differ(self, i: int, j: int) -> bool:
        return self.is_symbolic or bool(self._numbers[i] != self._numbers[j])

    @cached_property
    def _drawable(self) -> Drawable:
        regular = {name: i for name, i in self.regular_token_ids.items() if i < self.vocab_size}
        if self.substitution == "uniform" and self.substitution_tokens is None:
            return Drawable(frozenset(), None, self.vocab_size)
        positive = set(np.flatnonzero(self._token_weights > 0).tolist())
        others = sorted(positive - set(regular.values()))
        names = self.substitution_tokens
        return Drawable(
            frozenset(name for name, i in regular.items() if i in positive),
            names and tuple(names[i] for i in others),
            len(others),
        )

    @cached_property
    def diversity(self) -> float:
        """Sample diversity ρ = min over templates z and tokens t of 1 / P[t ∈ s(wildcards of z)].

        m / w for uniform substitution, where w is the largest number of wildcards and no regular
        token is a substitution token. Templates without wildcards have no say; ρ = ∞ if all are so.

        Returns:
            Exact to rounding; to about 1e-12 for unequal token weights and w ≥ 3.
        """
        kinds = {(self._avoided(t), t.num_wildcards) for t in self.templates if t.wildcards}
        each = (sample_diversity(self._weights_avoiding(ids), w) for ids, w in kinds)
        return min(each, default=float("inf"))

    @cached_property
    def regular_token_ids(self) -> dict[str, int]:
        """Ids of all regular tokens of templates and labels, without [CLS]."""
        names = dict.fromkeys(t for template in self.templates for t in template.regular_tokens)
        if isinstance(self.labels, tuple):
            names |= dict.fromkeys(label for label in self.labels if isinstance(label, str))
        ids = {name: i for i, name in enumerate(self.substitution_tokens or ())}
        outside = (name for name in names if name not in ids)
        own = {name: self.vocab_size + i for i, name in enumerate(outside)}
        return {name: (ids | own)[name] for name in names}

    @property
    def cls_id(self) -> int:
        """Id of the [CLS] token."""
        return max([self.vocab_size - 1, *self.regular_token_ids.values()]) + 1

    @property
    def substitution_ids(self) -> Int[np.ndarray, "m"]:
        """Ids of the substitution tokens, 0 … m−1."""
        return np.arange(self.vocab_size, dtype=np.int32)

    @property
    def unseen_ids(self) -> Int[np.ndarray, "m"]:
        """Ids of the m tokens that `sample_unseen` substitutes and `sample` never draws."""
        return self.substitution_ids + np.int32(self.cls_id + 1)

    @property
    def num_tokens(self) -> int:
        """Number of ids in all, unseen ones counted: the rows of an embedding matrix."""
        return self.cls_id + 1 + self.vocab_size

    @cached_property
    def template_codes(self) -> Int[np.ndarray, "r k"]:
        """Templates with [CLS]: ids of regular tokens, −1−j for wildcard j of the template."""
        rows = [[self._code(z, symbol) for symbol in z.symbols] for z in self.templates]
        return np.array([[*row, self.cls_id] for row in rows], dtype=np.int32)

    @cached_property
    def label_codes(self) -> Int[np.ndarray, "r"]:
        """Symbolic labels, coded as in `template_codes`.

        Raises:
            ValueError: labels are numbers.
        """
        if not isinstance(self.labels, tuple):
            raise ValueError("`label_codes` needs symbolic labels; those of this task are numbers.")
        pairs = zip(self.templates, self.labels, strict=True)
        return np.array([self._code(z, label) for z, label in pairs], dtype=np.int32)

    def sample(self, n: object, seed: object = 0) -> Dataset:
        """Draw n samples: templates by weight, substitution maps, labels; all independent.

        Args:
            n: at least 1.
            seed: at least 0. One seed and n give the same data; other n give other data, not
                a prefix.

        Returns:
            Dataset of n samples in order of drawing, duplicates kept.

        Raises:
            TypeError, ValueError: `n` or `seed` is not an integer or is too small.

        Example:
            >>> import ktrans as kt
            >>> kt.tasks.load("aba_abb", vocab_size=10).sample(5, seed=1).tokens.shape
            (5, 4)
        """
        return self._draw(n, seed, SEEN_STREAM)

    def sample_unseen(self, n: object, seed: object = 0) -> Dataset:
        """Draw n samples whose wildcards take tokens that no call of `sample` can draw.

        Substitution is uniform over `unseen_ids`, whatever `substitution` says; templates, regular
        tokens, [CLS] and label noise are those of `sample`.

        Args:
            n: at least 1.
            seed: at least 0.

        Returns:
            Dataset of n samples.

        Raises:
            TypeError, ValueError: `n` or `seed` is not an integer or is too small.
        """
        return self._draw(n, seed, UNSEEN_STREAM)

    def fresh_strings(self) -> tuple[Int[np.ndarray, "r k"], Int[np.ndarray, "r k"]]:
        """Two strings for each template in which all substituted tokens are pairwise distinct.

        They are distinct within and across the two sets and are neither substitution tokens, nor
        regular tokens, nor [CLS]; some are beyond `num_tokens`.

        Returns:
            Tokens (r, k) and (r, k), exact: K of the first with the second is the template matrix.
        """
        ids = np.arange(2 * self.num_templates * self.max_wildcards, dtype=np.int32)
        maps = (ids + np.int32(self.cls_id + 1)).reshape(2, self.num_templates, -1)
        return fill(self.template_codes, maps[0]), fill(self.template_codes, maps[1])

    @property
    def _numbers(self) -> np.ndarray:
        assert isinstance(self.labels, np.ndarray)
        return self.labels

    @cached_property
    def _token_weights(self) -> Float[np.ndarray, "m"]:
        return token_weights(self.substitution, self.vocab_size)

    @cached_property
    def _allowed_counts(self) -> list[int]:
        if self.substitution == "uniform":
            return [self.vocab_size - len(self._avoided(z)) for z in self.templates]
        positive = self._token_weights > 0
        total = int(positive.sum())
        return [total - int(positive[list(self._avoided(z))].sum()) for z in self.templates]

    def _check_vocabulary(self) -> None:
        given: dict[str, Sequence[object] | None] = {
            "`substitution_tokens`": self.substitution_tokens
        }
        if isinstance(self.substitution, tuple):
            given["`substitution`"] = self.substitution
        for name, values in given.items():
            if values is not None and len(values) != self.vocab_size:
                raise ValueError(
                    f"{name} must have one entry for each of the {self.vocab_size} substitution "
                    f"tokens of `vocab_size`; got {len(values)}."
                )

    def _code(self, template: Template, symbol: Symbol) -> int:
        if isinstance(symbol, Wildcard):
            return -1 - template.wildcards.index(symbol.name)
        return self.regular_token_ids[symbol]

    def _avoided(self, template: Template) -> tuple[int, ...]:
        ids = (self.regular_token_ids[token] for token in template.regular_tokens)
        return tuple(sorted(i for i in ids if i < self.vocab_size))

    def _weights_avoiding(self, ids: Sequence[int]) -> Float[np.ndarray, "m"]:
        weights = self._token_weights.copy()
        weights[list(ids)] = 0.0
        return weights

    def _draw(self, n: object, seed: object, stream: int) -> Dataset:
        size = as_int("n", n, 1, MOST_SAMPLES)
        entropy = np.random.SeedSequence(as_int("seed", seed, 0), spawn_key=(stream,))
        rng = np.random.default_rng(entropy)
        z = rng.choice(self.num_templates, size=size, p=self.weights).astype(np.int32)
        counts = np.array([template.num_wildcards for template in self.templates])
        alphabets = self._alphabets(unseen=stream == UNSEEN_STREAM)
        maps = draw_by_alphabet(rng, alphabets, z, counts)
        return Dataset(
            tokens=fill(self.template_codes[z], maps),
            labels=self._draw_labels(rng, z, maps),
            template_ids=z,
            substitutions=maps,
            task=self,
        )

    def _alphabets(self, *, unseen: bool) -> list[Alphabet]:
        if unseen:
            table = weight_table(self.unseen_ids, np.ones(self.vocab_size))
            return [Alphabet(tuple(range(self.num_templates)), table)]
        avoided = [self._avoided(template) for template in self.templates]
        return [
            Alphabet(
                tuple(i for i, ids in enumerate(avoided) if ids == group),
                weight_table(self.substitution_ids, self._weights_avoiding(group)),
            )
            for group in dict.fromkeys(avoided)
        ]

    def _draw_labels(
        self, rng: np.random.Generator, z: Int[np.ndarray, "n"], maps: Int[np.ndarray, "n w"]
    ) -> Any:
        if self.is_symbolic:
            return fill(self.label_codes[z][:, None], maps)[:, 0]
        labels = self._numbers[z]
        return labels + self.noise_std * rng.standard_normal(len(z)) if self.noise_std else labels
