"""What holds for all template tasks: what is sampled is what was asked for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ktrans.tasks import TemplateTask, Zipf

SUBSTITUTION_TOKENS = list("abcdefg")
substitutions = st.one_of(
    st.just("uniform"),
    st.builds(Zipf, st.floats(0.0, 3.0)),
    arrays.arrays(float, 7, elements=st.floats(0.01, 100.0)),
)


@st.composite
def tasks(draw):
    k = draw(st.integers(1, 5))
    specs = draw(st.sets(st.text("abzαβγ", min_size=k, max_size=k), min_size=1, max_size=4))
    return TemplateTask.from_templates(
        # One label for one template, whatever its wildcards are called.
        {spec: float(sum(map(ord, filter(str.isascii, spec)))) for spec in sorted(specs)},
        substitution_tokens=SUBSTITUTION_TOKENS,
        substitution=draw(substitutions),
    )


@given(tasks(), st.integers(0, 2**70))
@settings(max_examples=50, deadline=None)
def test_sampled_strings_match_their_templates(task, seed):
    names = dict(enumerate(SUBSTITUTION_TOKENS)) | {
        i: name for name, i in task.regular_token_ids.items()
    }
    data = task.sample(20, seed=seed)
    for row, z in zip(data.tokens.tolist(), data.template_ids, strict=True):
        assert task.templates[z].matches([names[token] for token in row[:-1]])
        assert row[-1] == task.cls_id


@given(tasks())
@settings(max_examples=50, deadline=None)
def test_unseen_tokens_are_never_seen_ones(task):
    unseen = task.sample_unseen(20).substitutions
    assert np.all(np.isin(unseen[unseen >= 0], task.unseen_ids))
    assert not set(task.unseen_ids) & {*task.substitution_ids, *task.regular_token_ids.values()}


@given(tasks())
@settings(max_examples=50, deadline=None)
def test_diversity_is_at_least_one_and_at_most_that_of_uniform_substitution(task):
    uniform = TemplateTask.from_templates(
        dict(zip(task.templates, task.labels, strict=True)),
        substitution_tokens=SUBSTITUTION_TOKENS,
    )
    # The quadrature for three wildcards is right to about 1e-12.
    assert 1.0 - 1e-11 <= task.diversity <= uniform.diversity * (1 + 1e-11)
