"""Which heads of a network compare tokens, and which copy them: identities in trained weights."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from tqdm import tqdm

from ktrans._checks import as_int, as_probability, check_flag
from ktrans._results import Result
from ktrans.networks.heads import own, rotary
from ktrans.networks.heads.layers import read_layers, width
from ktrans.networks.heads.layouts import Layer, find_layout
from ktrans.networks.heads.sizes import read_sizes, rotary_angles
from ktrans.networks.heads.statistics import Share, center, false_discoveries, identity_share
from ktrans.networks.heads.tensors import open_tensors
from ktrans.networks.transformer import Transformer

LEVEL = 0.05
THRESHOLD = 5.0
LEAST_DIM = 4
PERMUTATIONS = 999
_OWN = "ktrans"

Heads = Float[np.ndarray, "layers heads"]


@dataclass(frozen=True, eq=False, kw_only=True)
class HeadIdentities(Result):
    """a I in W_Qᵀ W_K and b I in W_O W_V of every head, found by `head_identities`.

    Arrays are (layers, heads). With x̂ the normalised residual stream (its LayerNorm's scale is in
    the weights), a head adds a x̂_q·x̂_k to the logit of key k for query q, and b times the tokens
    that it attends to to the residual stream, beside what is not a multiple of the identity.

    Attributes:
        layout: Whose names and shapes the file has.
        dim: d, width of the residual stream.
        head_dim: Width of a head.
        query_key: z of a, exact: standard deviations from the mean over permutations of the
            coordinates of the residual stream on one side.
        value_output: z of b, likewise.
        a: In units of logits for each unit of x̂_q·x̂_k, 1/√head_dim included; a token that meets
            itself has x̂·x̂ = d.
        b: Residual stream for each unit of x̂.
        query_key_p, value_output_p: Upper bounds on two-sided p-values under the permutations.
        query_key_rank, value_output_rank: Effective ranks (Σσ²)²/Σσ⁴, from 1 to head_dim.
        added_a, added_b: The trained scalars c·a_h and c·b_h of networks of ktrans that have them;
            not part of a, b or z, which are the weights' own.
        rotary: Whether positions are rotary. Then `query_key` and a hold for a token compared with
            itself, at distance 0; the sign and size at others are in `distance_a`. b is not
            concerned.
        distances: Distances between query and key, 0 first; empty if not rotary.
        distance_a: a at these distances, (layers, heads, distances).
        level: Bound on the false-discovery rate over all heads, and a and b.
        permutations: How many permutations were drawn for each layer.
        null_beyond: Share of the permuted heads, over all heads and a and b, with |z| > 5.
    """

    layout: str
    dim: int
    head_dim: int
    query_key: Heads
    value_output: Heads
    a: Heads
    b: Heads
    query_key_p: Heads
    value_output_p: Heads
    query_key_rank: Heads
    value_output_rank: Heads
    added_a: Heads | None
    added_b: Heads | None
    rotary: bool
    distances: tuple[int, ...]
    distance_a: Float[np.ndarray, "layers heads distances"]
    level: float
    permutations: int
    null_beyond: float

    @property
    def num_layers(self) -> int:
        """Number of layers."""
        return self.query_key.shape[0]

    @property
    def num_heads(self) -> int:
        """Number of (query) heads of a layer."""
        return self.query_key.shape[1]

    @property
    def found(self) -> Bool[np.ndarray, "2 layers heads"]:
        """Which heads have a I, and which b I, at most a share `level` falsely (expected)."""
        return false_discoveries(np.stack([self.query_key_p, self.value_output_p]), self.level)

    def beyond(self, threshold: float = THRESHOLD) -> tuple[int, int]:
        """How many heads have |z| above a threshold, of a and of b."""
        counts = (np.abs(z) > threshold for z in (self.query_key, self.value_output))
        query_key, value_output = (int(np.count_nonzero(each)) for each in counts)
        return query_key, value_output

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON has words for."""
        record = {name: _plain(value) for name, value in vars(self).items()}
        names = ("query_key_found", "value_output_found")
        found = dict(zip(names, self.found.tolist(), strict=True))
        return {"num_layers": self.num_layers, "num_heads": self.num_heads, **record, **found}

    def __str__(self) -> str:
        """One sentence: how many heads compare, and how many copy."""
        of = self.num_layers * self.num_heads
        compare, copy = self.found.reshape(2, -1).sum(axis=1)
        return (
            f"{self.layout}, {self.num_layers} layers of {self.num_heads} heads: {compare} of {of} "
            f"have an identity in W_Qᵀ W_K, {copy} of {of} in W_O W_V (false-discovery rate "
            f"{self.level:g})."
        )


class _Source(NamedTuple):
    """Layers, and what is said beside them."""

    layout: str
    layers: Iterable[Layer]
    angles: Float[np.ndarray, "pairs"] | None
    pairing: str
    added: tuple[Heads | None, Heads | None]


class _Measured(NamedTuple):
    """One layer."""

    query_key: list[Share]
    value_output: list[Share]
    turned: Float[np.ndarray, "heads distances"]
    head_dim: int
    dim: int


def head_identities(
    network: str | Path | Transformer,
    *,
    heads: int | None = None,
    names: object = None,
    prefix: str | None = None,
    member: int = 0,
    level: float = LEVEL,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    progress: bool = False,
) -> HeadIdentities:
    """How much of a I and b I each head of a trained network has in its weights.

    For a head with M = W_Qᵀ W_K the nearest multiple of the identity is tr M/d, and
    z = (tr M − mean)/deviation over permutations of the columns of W_K, whose mean and deviation
    are known exactly. The same for W_O W_V and b. Scales of the norm before the heads are folded
    into the weights, biases are left out, and both sides are centred, as LayerNorm does.

    What it cannot say: positions that are added to tokens are part of the residual stream, so a
    head may compare positions; rotary positions leave a at distance 0 and what `distance_a` says;
    norms inside a head (Qwen3) leave the sign of a, its size up to a factor for each token.

    Args:
        network: A safetensors file, the index of a sharded one, a GGUF file (by the package
            `gguf`), a folder with one of them, the checkpoint folder of a training by ktrans, or a
            `Transformer`. Layouts: BERT, DistilBERT, ViT, GPT-2, Llama (Mistral, Qwen, Gemma; keys
            and values may be shared by heads), OPT, Phi-3, GPT-NeoX.
        heads: Heads of a layer, where neither the file nor a config.json beside it says it.
        names: For other layouts, {role: pattern} for the roles query, key, value, output and, if
            there is a norm before the heads, norm; {i} stands for the layer. Weights are
            (out, in).
        prefix: What stands before the names, where a file holds several networks.
        member: Which of the networks that ktrans trained together, from 0.
        level: Bound on the false-discovery rate, between 0 and 1.
        permutations: B, drawn for each layer; p-values from them are at least 2/(B + 1).
        seed: Of the permutations.
        progress: Show a bar.

    Returns:
        z, a and b (exact), bounds on p-values (valid whatever the weights), ranks. One layer is in
        memory at a time.

    Raises:
        ImportError: the library that reads the file is not installed.
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another kind, a tensor is missing, not finite, or of
            the wrong type or shape, or the number of heads does not fit.

    References:
        Boix-Adserà et al. (2024), Observations 1.2 and 1.4. Hoeffding (1951), A combinatorial
        central limit theorem, for the mean and deviation.

    Example:
        >>> import jax
        >>> from ktrans.networks import TransformerConfig, head_identities
        >>> config = TransformerConfig(num_tokens=9, context_length=4, depth=2, heads=4, dim=64)
        >>> found = head_identities(config.build(jax.random.key(0)))
        >>> found.query_key.shape, found.beyond()
        ((2, 4), (0, 0))
    """
    as_int("permutations", permutations, 1, 10**6)
    check_flag("progress", progress)
    share = as_probability("level", level)
    source = _open(network, heads, names, prefix, member)
    rng = np.random.default_rng(as_int("seed", seed, 0))
    measured = [_measure(layer, source, rng, permutations) for layer in _bar(source, progress)]
    return _collect(source, measured, share, permutations)


def _open(
    network: Any, heads: object, names: object, prefix: str | None, member: object
) -> _Source:
    if isinstance(network, Transformer):
        return _own_source(own.from_network(network))
    path = Path(network)
    if own.is_checkpoint(path):
        return _own_source(own.from_checkpoint(path, member))
    tensors = open_tensors(path)
    found = find_layout(tensors, names, prefix)
    sizes = read_sizes(tensors, found.layout, heads, width(tensors, found))
    layers = read_layers(tensors, found, sizes)
    if not sizes.pairing:
        return _Source(found.layout.name, layers, None, "", (None, None))
    first = next(read_layers(tensors, found, sizes))
    angles = rotary_angles(tensors, first.query.shape[1])
    return _Source(found.layout.name, layers, angles, sizes.pairing, (None, None))


def _own_source(found: own.Own) -> _Source:
    return _Source(_OWN, found.layers, None, "", (found.a, found.b))


def _bar(source: _Source, progress: bool) -> Iterator[Layer]:
    yield from tqdm(source.layers, desc="layers", disable=not progress, leave=False)


def _measure(layer: Layer, source: _Source, rng: np.random.Generator, count: int) -> _Measured:
    heads, head_dim, dim = layer.query.shape
    if dim < LEAST_DIM:
        raise ValueError(f"`network` must have a width of at least {LEAST_DIM}; got {dim}.")
    drawn = rng.permuted(np.tile(np.arange(dim), (count, 1)), axis=1)
    products = [center(layer.query[h], layer.key[h]) for h in range(heads)]
    outputs = (center(layer.output[h], layer.value[h]) for h in range(heads))
    return _Measured(
        query_key=[identity_share(each, drawn) for each in products],
        value_output=[identity_share(each, drawn) for each in outputs],
        turned=_turned(products, source),
        head_dim=head_dim,
        dim=dim,
    )


def _turned(products: list[Any], source: _Source) -> Float[np.ndarray, "heads distances"]:
    if source.angles is None:
        return np.zeros((len(products), 0))
    each = (rotary.coefficients(p, source.angles, source.pairing) for p in products)
    return np.stack(list(each))


def _collect(
    source: _Source, measured: list[_Measured], level: float, permutations: int
) -> HeadIdentities:
    query_key, value_output = (
        [getattr(layer, name) for layer in measured] for name in ("query_key", "value_output")
    )
    first, unit = measured[0], measured[0].head_dim ** -0.5
    rotates = source.angles is not None
    null = np.concatenate([s.null for layer in (*query_key, *value_output) for s in layer])
    return HeadIdentities(
        layout=source.layout,
        dim=first.dim,
        head_dim=first.head_dim,
        query_key=_array(query_key, "z"),
        value_output=_array(value_output, "z"),
        a=_array(query_key, "coefficient") * unit,
        b=_array(value_output, "coefficient"),
        query_key_p=_array(query_key, "p"),
        value_output_p=_array(value_output, "p"),
        query_key_rank=_array(query_key, "rank"),
        value_output_rank=_array(value_output, "rank"),
        added_a=source.added[0],
        added_b=source.added[1],
        rotary=rotates,
        distances=rotary.DISTANCES if rotates else (),
        distance_a=np.stack([layer.turned for layer in measured]) * unit,
        level=level,
        permutations=permutations,
        null_beyond=float(np.mean(np.abs(null) > THRESHOLD)),
    )


def _array(layers: list[list[Share]], name: str) -> Heads:
    return np.array([[getattr(share, name) for share in layer] for layer in layers], np.float64)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
