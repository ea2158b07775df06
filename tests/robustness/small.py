"""Small tasks, kernels and data that many refusals are tried on."""

import functools

import numpy as np

import ktrans as kt

COSINE = kt.Cosine(b1=1.0, b2=0.5)
MLP = kt.MLPKernel(
    kind="nngp", depth=1, activation=kt.ReLU(), weight_variance=2.0, bias_variance=0.0
)
ATTENTION = kt.AttentionKernel(beta=0.0, gamma=0.7)
TRANSFORMER = kt.TransformerKernel(beta=0.0, gamma=0.7, activation=COSINE)
TASK = kt.tasks.load("aba_abb", vocab_size=20)
SYMBOLIC = kt.tasks.load("copy", vocab_size=20)
DATA = TASK.sample(12, seed=0)
MANY = np.broadcast_to(np.array([[0, 1, 0]]), (10**5, 3))


def task_of(templates=None, **options):
    """αβα against αββ, or other templates, with options of `from_templates`."""
    labelled = {"αβα": 1.0, "αββ": -1.0} if templates is None else templates
    return kt.TemplateTask.from_templates(labelled, **{"vocab_size": 20} | options)


@functools.cache
def gram():
    return kt.GramOperator(MLP, DATA)


@functools.cache
def spectrum():
    return kt.population_spectrum(MLP, TASK)
