"""The layers of a file, one after the other, with the scales of their norms folded in."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float32

from ktrans.networks.heads.layouts import Found, Layer, read_norm, read_scale
from ktrans.networks.heads.sizes import Sizes
from ktrans.networks.heads.tensors import Tensors

Weight = Float32[np.ndarray, "out in"]


def width(tensors: Tensors, found: Found) -> int:
    """d, the width of the residual stream."""
    name = found.prefix + found.layout.query.format(i=0)
    return tensors.read(name, 2).shape[0 if found.layout.transposed else 1]


def read_layers(tensors: Tensors, found: Found, sizes: Sizes) -> Iterator[Layer]:
    """Each layer, read when it is asked for: no two are in memory at once."""
    for i in range(found.num_layers):
        yield _read_layer(tensors, found, sizes, i)


def _read_layer(tensors: Tensors, found: Found, sizes: Sizes, i: int) -> Layer:
    read = _Reader(tensors, found, i)
    scale = read_norm(tensors, found, i)
    parts = read.fused(sizes) if found.layout.fused else read.separate(sizes)
    query, key, value = (read.fold(part, scale) for part in parts)
    group = len(query) // len(key)
    return Layer(
        query=read.scaled(query, found.layout.query_norm),
        key=read.scaled(np.repeat(key, group, axis=0), found.layout.key_norm),
        value=np.repeat(value, group, axis=0),
        output=read.output(query.shape),
    )


class _Reader:
    """Reads the weights of one layer."""

    def __init__(self, tensors: Tensors, found: Found, i: int):
        self.tensors, self.found, self.i = tensors, found, i

    def name(self, pattern: str) -> str:
        """The full name of a tensor of this layer."""
        return self.found.prefix + pattern.format(i=self.i, before=self.i - 1)

    def weight(self, pattern: str) -> Weight:
        """A weight, (out, in)."""
        weight = self.tensors.read(self.name(pattern), 2)
        return weight.T if self.found.layout.transposed else weight

    def separate(self, sizes: Sizes) -> list[Any]:
        """Queries (h, p, d), keys and values (g, p, d), from three weights."""
        layout = self.found.layout
        query = self.split(layout.query, self.weight(layout.query), sizes.heads)
        _, p, d = query.shape
        if sizes.head_dim not in (None, p):
            self.refuse(layout.query, f"{sizes.heads} heads of {sizes.head_dim} rows", query.shape)
        others = [self.weight(pattern) for pattern in (layout.key, layout.value)]
        for pattern, other in zip((layout.key, layout.value), others, strict=True):
            groups = sizes.key_value_heads or max(len(other) // p, 1)
            if other.shape != (groups * p, d) or sizes.heads % groups:
                wanted = f"heads of {p} rows, a divisor of {sizes.heads}, over {d} columns"
                self.refuse(pattern, wanted, other.shape)
        return [query, *(other.reshape(-1, p, d) for other in others)]

    def fused(self, sizes: Sizes) -> list[Any]:
        """The same from one weight."""
        layout, joint = self.found.layout, self.weight(self.found.layout.query)
        groups = sizes.key_value_heads or sizes.heads
        heads = self.split(layout.query, joint, sizes.heads + 2 * groups)
        if layout.fused == "heads":
            return [heads[j::3] for j in range(3)]
        return np.split(heads, [sizes.heads, sizes.heads + groups])

    def split(self, pattern: str, weight: Weight, count: int) -> Any:
        """(count, rows/count, d)."""
        if len(weight) % count:
            self.refuse(pattern, f"a multiple of {count} rows, one set for each head", weight.shape)
        return weight.reshape(count, -1, weight.shape[1])

    def output(self, shape: tuple[int, ...]) -> Any:
        """The output weight by head, (h, p, d)."""
        heads, p, d = shape
        weight = self.weight(self.found.layout.output)
        if weight.shape != (d, heads * p):
            self.refuse(self.found.layout.output, f"shape {(d, heads * p)}", weight.shape)
        return weight.T.reshape(heads, p, d)

    def fold(self, part: Any, scale: Any) -> Any:
        """W diag(scale)."""
        if np.ndim(scale) and len(scale) != part.shape[2]:
            wanted = f"columns for a norm of {len(scale)} scales"
            self.refuse(self.found.layout.query, wanted, part.shape)
        return part * scale

    def scaled(self, part: Any, pattern: str) -> Any:
        """The rows of every head times the scale of a norm inside it, where there is one."""
        name = self.name(pattern) if pattern else ""
        if name not in self.tensors.names:
            return part
        scale = read_scale(self.tensors, name)
        if scale.size not in (part.shape[1], part.shape[0] * part.shape[1]):
            self.refuse(pattern, f"{part.shape[1]} scales", scale.shape)
        return part * scale.reshape(-1, part.shape[1], 1)

    def refuse(self, pattern: str, wanted: str, shape: tuple[int, ...]) -> None:
        """Say which tensor does not fit; the number of heads may be what is wrong."""
        raise ValueError(
            f"{str(self.tensors.path)!r} must hold {self.name(pattern)!r} with {wanted}; got shape "
            f"{shape}: give the right `heads`, or the right file."
        )
