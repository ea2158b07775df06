"""Kernel functions of neural-tangents as kernels of ours, and ours as theirs.

A kernel function maps two batches of inputs, and "nngp" or "ntk", to a matrix. On strings its
inputs are one-hot arrays: flat, of shape (n, k·m), or of shape (n, k, m) with positions and tokens
as axes (channels last, for convolutions and attention over the positions).
"""

from collections import namedtuple
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from ktrans._checks import Whole, as_array, as_int, as_real, one_line, shown
from ktrans._numerics import in_float64
from ktrans.kernels._perceptron import KINDS, AbstractPerceptronKernel
from ktrans.kernels.base import Bounded, TokenSymmetricKernel
from ktrans.patterns.classes import equality_pattern

KernelFunction = Callable[..., Any]

ENCODINGS = ("flat", "positions")

# What renaming may change in a value, relative to the largest: above what ReLU's angles lose.
RTOL = 1e-9

_CHECK_SEED = 0
_CHECKED_STRINGS = 6
_RENAMINGS = 4
_SHOWN = 200  # characters of somebody else's error message


class ForeignKernel(TokenSymmetricKernel):
    """A kernel function of others on one-hot strings; build it with `from_neural_tangents`."""

    kernel_fn: Any = eqx.field(static=True)
    get: Any = eqx.field(static=True)
    context_length: Any = eqx.field(static=True)
    vocab_size: Any = eqx.field(static=True)
    encoding: Any = eqx.field(static=True)
    input_scale: Any = eqx.field(static=True, converter=partial(as_real, "input_scale"))

    def __check_init__(self) -> None:
        _check_choice("get", self.get, KINDS)
        _check_choice("encoding", self.encoding, ENCODINGS)
        as_int("context_length", self.context_length, 1)
        as_int("vocab_size", self.vocab_size, 2)
        if not callable(self.kernel_fn):
            raise TypeError(f"`kernel_fn` must be a function; got {shown(self.kernel_fn)}.")

    def evaluate_pairs(
        self, tokens1: Int[np.ndarray, "c k"], tokens2: Int[np.ndarray, "c k"]
    ) -> Bounded:
        """The kernel for each row: estimates, as nobody states a bound on their error.

        The tokens of a pair are renamed 0, 1, …, so that few different strings are evaluated.
        """
        length = tokens1.shape[1]
        renamed = equality_pattern(np.hstack([tokens1, tokens2]))
        self._check_strings(length, int(renamed.max(initial=0)) + 1)
        first, row = np.unique(renamed[:, :length], axis=0, return_inverse=True)
        second, column = np.unique(renamed[:, length:], axis=0, return_inverse=True)
        value = self.on_strings(first, second)[row.reshape(-1), column.reshape(-1)]
        return Bounded(value, RTOL * np.abs(value), certified=False)

    @in_float64
    def on_strings(
        self, tokens1: Int[np.ndarray, "n1 k"], tokens2: Int[np.ndarray, "n2 k"]
    ) -> Float[np.ndarray, "n1 n2"]:
        """The kernel function on the one-hot strings, tokens below `vocab_size` as they are."""
        inputs = [jnp.asarray(self._encode(tokens)) for tokens in (tokens1, tokens2)]
        try:
            result = self.kernel_fn(*inputs, self.get)
        except Exception as error:
            reason = one_line(error)[:_SHOWN]
            raise ValueError(
                f"`kernel_fn` must take two one-hot arrays, of shape {inputs[0].shape} with "
                f'encoding "{self.encoding}"; it raised {type(error).__name__}: {reason}'
            ) from error
        return _as_gram(result, (len(tokens1), len(tokens2)))

    def _encode(self, tokens: Int[np.ndarray, "n k"]) -> Float[np.ndarray, "..."]:
        one_hot = self.input_scale * np.eye(self.vocab_size)[tokens]
        return one_hot.reshape(len(tokens), -1) if self.encoding == "flat" else one_hot

    def _check_strings(self, length: int, num_tokens: int) -> None:
        if length != self.context_length:
            raise ValueError(
                f"`tokens` must be strings of the `context_length` {self.context_length} that the "
                f"kernel was made for; got length {length}."
            )
        if num_tokens > self.vocab_size:
            raise ValueError(
                f"`vocab_size` must be at least the number of different tokens in two strings; got "
                f"{self.vocab_size} for {num_tokens}."
            )


def from_neural_tangents(
    kernel_fn: object,
    *,
    get: object,
    context_length: object,
    vocab_size: Whole,
    encoding: object = "flat",
    input_scale: object = 1.0,
) -> ForeignKernel:
    """A kernel function of neural-tangents, or any of its form, as a kernel of ours.

    It must be token-symmetric: K(πX, πY) = K(X, Y) for one-hot X, Y and every permutation π of the
    vocabulary. That is tried on random strings and permutations. Fully connected and convolutional
    networks on one-hot strings are; a network whose weights know tokens apart is not.

    Args:
        kernel_fn: `kernel_fn(x1, x2, get)`, as `stax.serial` returns it, with a matrix as result.
        get: "nngp" or "ntk".
        context_length: k, the length of the strings, [CLS] counted.
        vocab_size: m, the size of the one-hot vectors; 2k holds the tokens of any two strings.
        encoding: "flat" for inputs of shape (n, k·m), "positions" for (n, k, m).
        input_scale: Multiplies the one-hot vectors. A dense layer of `stax` divides by the fan-in
            k·m, `MLPKernel` by k: √m makes up for it.

    Returns:
        A kernel of estimates: nothing states a bound on their error, so `verify` certifies none of
        them. Float64 whatever the setting of JAX.

    Raises:
        TypeError: if kernel_fn is no function or a size no integer.
        ValueError: if kernel_fn is not token-symmetric or returns no matrix of finite numbers, or
            an argument is out of range.

    Example:
        >>> import numpy as np
        >>> from ktrans.interop.kernel_functions import from_neural_tangents
        >>> def agreements(x1, x2, get):
        ...     return x1 @ x2.T
        >>> kernel = from_neural_tangents(agreements, get="nngp", context_length=3, vocab_size=6)
        >>> kernel([[0, 1, 0]], [[0, 1, 0], [7, 1, 7]])
        array([[3., 1.]])
    """
    kernel = ForeignKernel(kernel_fn, get, context_length, vocab_size, encoding, input_scale)
    _check_token_symmetry(kernel)
    return kernel


def to_neural_tangents(
    kernel: TokenSymmetricKernel | str,
    *,
    ntk: object = None,
    context_length: int | None = None,
) -> KernelFunction:
    """A kernel of ours as a kernel function in the form of neural-tangents.

    It serves `predict.gradient_descent_mse_ensemble` (whose time is ours times the number of
    samples) and, through its matrices, `predict.gp_inference`.

    Args:
        kernel: Answers "nngp". A perceptron kernel answers "ntk" too, with its other kind.
        ntk: The kernel that answers "ntk", for others.
        context_length: k, where inputs are flat one-hot arrays of shape (n, k·m).

    Returns:
        `kernel_fn(x1, x2=None, get=None)` on one-hot arrays (n, k, m) or, with `context_length`,
        (n, k·m): a float64 NumPy array for a single word in get, else a named tuple of them.

    Raises:
        TypeError: if a kernel is not token-symmetric.

    Example:
        >>> import numpy as np
        >>> import ktrans as kt
        >>> from ktrans.interop.kernel_functions import to_neural_tangents
        >>> kernel = kt.MLPKernel(kind="ntk", depth=1, activation=kt.Identity(),
        ...     weight_variance=1.0, bias_variance=0.0)
        >>> kernel_fn = to_neural_tangents(kernel)
        >>> kernel_fn(np.eye(4)[[[0, 1, 0]]], None, ("nngp", "ntk"))
        Grams(nngp=array([[1.]]), ntk=array([[2.]]))
    """
    known = _by_kind(kernel, ntk)
    if context_length is not None:
        as_int("context_length", context_length, 1)

    def kernel_fn(x1: ArrayLike, x2: ArrayLike | None = None, get: Any = None) -> Any:
        tokens1 = _decode("x1", x1, context_length)
        tokens2 = None if x2 is None else _decode("x2", x2, context_length)
        words = (get,) if isinstance(get, str) else tuple(known if get is None else get)
        for word in words:
            _check_choice("get", word, tuple(known))
        grams = [known[word](tokens1, tokens2) for word in words]
        return grams[0] if isinstance(get, str) else namedtuple("Grams", words)(*grams)

    return kernel_fn


def _by_kind(kernel: TokenSymmetricKernel | str, ntk: object) -> dict[str, TokenSymmetricKernel]:
    own = _as_kernel("kernel", kernel)
    found: dict[str, TokenSymmetricKernel] = {"nngp": own}
    if isinstance(own, AbstractPerceptronKernel):
        found = {kind: own.with_kind(kind) for kind in ("nngp", "ntk")}
    return found if ntk is None else found | {"ntk": _as_kernel("ntk", ntk)}


def _as_kernel(name: str, value: object) -> TokenSymmetricKernel:
    if not isinstance(value, TokenSymmetricKernel):
        raise TypeError(f"`{name}` must be a token-symmetric kernel; got {shown(value)}.")
    return value


def _decode(name: str, inputs: ArrayLike, context_length: int | None) -> Int[np.ndarray, "n k"]:
    """The tokens of one-hot strings."""
    array = as_array(name, inputs)
    if array.ndim == 2 and context_length and array.shape[1] % context_length == 0:
        array = array.reshape(len(array), context_length, -1)
    if array.ndim != 3:
        raise ValueError(
            f"`{name}` must have shape (n, k, m), or (n, k·m) with k given as `context_length`; "
            f"got shape {array.shape} and `context_length` {context_length}."
        )
    tokens = array.argmax(axis=2)
    if not np.array_equal(array, np.eye(array.shape[2])[tokens]):
        raise ValueError(f"`{name}` must be one-hot: a single 1 in each position and zeros.")
    return tokens


def _check_token_symmetry(kernel: ForeignKernel) -> None:
    """Renaming the tokens of random strings, and exchanging the strings, must change nothing."""
    rng = np.random.default_rng(_CHECK_SEED)
    size, length = kernel.vocab_size, kernel.context_length
    # From few tokens, so that strings have some in common.
    first, second = rng.integers(min(size, length + 1), size=(2, _CHECKED_STRINGS, length))
    names = [np.arange(size), *(rng.permutation(size) for _ in range(_RENAMINGS))]
    stacked = [np.concatenate([name[strings] for name in names]) for strings in (first, second)]
    blocks = kernel.on_strings(*stacked).reshape(2 * (len(names), _CHECKED_STRINGS))
    if not np.isfinite(blocks).all():
        raise ValueError("`kernel_fn` must return finite numbers; got some that are not.")
    wanted, *renamed = np.einsum("aiaj->aij", blocks)
    _check_same("token-symmetric: renaming the tokens", renamed, wanted)
    _check_same("symmetric: exchanging its inputs", [kernel.on_strings(second, first).T], wanted)


def _check_same(what: str, found: list[np.ndarray], wanted: np.ndarray) -> None:
    change = float(
        np.max(np.abs(np.array(found) - wanted)) / np.max(np.abs(wanted), initial=1e-300)
    )
    if change > RTOL:
        raise ValueError(
            f"`kernel_fn` is not {what} of random one-hot strings changes its values by "
            f"{change:.1e} of the largest; a kernel may know only which tokens are equal."
        )


def _as_gram(result: Any, shape: tuple[int, int]) -> Float[np.ndarray, "n1 n2"]:
    found = np.asarray(result) if hasattr(result, "__array__") else None
    if found is None or found.shape != shape or found.dtype.kind not in "fiu":
        told = type(result).__name__ if found is None else f"{found.dtype} of shape {found.shape}"
        raise ValueError(
            f"`kernel_fn` must return an array of real numbers of shape {shape}; got {told} (a "
            "network over positions must end in Flatten or GlobalAvgPool)."
        )
    return found.astype(np.float64)


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"`{name}` must be {' or '.join(map(repr, choices))}; got {shown(value)}.")
