"""How two strings coincide."""

from ktrans.patterns.classes import PairClasses as PairClasses
from ktrans.patterns.classes import as_tokens as as_tokens
from ktrans.patterns.classes import equality_pattern as equality_pattern
from ktrans.patterns.classes import pair_classes as pair_classes
