"""One process of a sharded run: python -m tests.gram.sharded_worker OUT [ADDRESS COUNT ID]."""

import sys

import jax
import numpy as np

import ktrans as kt
from tests.gram.small_kernel import SmallKernel

SIZE = 700
RIDGE = 0.1


def training_data() -> kt.Dataset:
    """Templates of unequal width, few tokens, so that sets of one and of two are shared."""
    specs = {"αβα": 1.0, "αββ": -1.0, "ααα": 0.5}
    return kt.TemplateTask.from_templates(specs, vocab_size=60, noise_std=0.1).sample(SIZE)


def answers(mesh: object) -> dict[str, np.ndarray]:
    """Products, dual coefficients by both iterative methods, and predictions."""
    data = training_data()
    gram = kt.GramOperator(SmallKernel(), data, mesh=mesh)
    vectors = np.random.default_rng(0).standard_normal((SIZE, 1))
    options = {"ridge": RIDGE, "tolerance": 1e-13, "on_failure": "return"}
    tables = kt.KernelRidge(SmallKernel(), method="tables", **options).fit(gram, data.labels)
    plain = kt.KernelRidge(SmallKernel(), method="conjugate_gradients", **options)
    return {
        "product": gram @ vectors,
        "tables": tables.dual_coef_,
        "plain": plain.fit(gram, data.labels).dual_coef_,
        "unseen": tables.predict_unseen(),
    }


def main(out: str, *process: str) -> None:
    if process:
        address, count, identity = process
        jax.distributed.initialize(address, int(count), int(identity))
    found = answers(jax.make_mesh((jax.device_count(),), ("samples",)))
    np.savez(out, devices=jax.device_count(), processes=jax.process_count(), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
