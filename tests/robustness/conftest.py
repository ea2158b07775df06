"""Bad input meets the sentences of ktrans: the hook that checks types would answer before them."""

import jaxtyping
import pytest


@pytest.fixture(autouse=True)
def _without_the_hook():
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
