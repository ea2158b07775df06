"""What several rooms' tests share."""

import jaxtyping
import pytest


@pytest.fixture
def unchecked():
    """Bad input meets the sentences of ktrans, not the hook that checks types."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
