"""Bad input meets the sentences of ktrans: a test that expects a refusal runs without the hook.

The hook that checks types (`--jaxtyping-packages`) would answer before them.
"""

import inspect

import jaxtyping
import pytest


@pytest.fixture(autouse=True)
def _refusals_without_the_hook(request):
    test = getattr(request, "function", None)
    refuses = test is not None and "pytest.raises" in inspect.getsource(test)
    jaxtyping.config.update("jaxtyping_disable", refuses)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
