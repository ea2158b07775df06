"""What every refusal of bad input must be: one sentence, said at the door."""

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import ktrans

LONGEST = 600
# A whole word that says what to do, or what is known: “because” is not “use”.
REMEDY = re.compile(
    r"\b(must|use|give|leave|needs?|call|pass|known:|did you mean|has no|delete|move away)(?!\w)",
    re.IGNORECASE,
)
_HERE = Path(ktrans.__file__).parent


class Refusal(NamedTuple):
    """A call that must be refused, by which exception, and words that the sentence must hold."""

    call: Callable[[], Any]
    error: type[Exception]
    words: tuple[str, ...]


def refused(name, call, error, *words):
    """A row of a table of refusals."""
    return pytest.param(Refusal(call, error, words), id=name)


def check_refusal(row):
    """The call raises just that exception, in ktrans itself, and says what is wrong and right."""
    with pytest.raises(row.error) as caught:
        row.call()
    assert caught.type is row.error
    raised_in = Path(traceback.extract_tb(caught.value.__traceback__)[-1].filename)
    assert raised_in.is_relative_to(_HERE)
    check_sentence(str(caught.value), row.words)


def check_sentence(said, words):
    """One line of moderate length that ends, holds the words, and offers a remedy."""
    assert "\n" not in said
    assert len(said) <= LONGEST
    assert said.endswith((".", "?"))
    assert [word for word in words if word not in said] == []
    assert REMEDY.search(said), said
