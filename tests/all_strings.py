"""All strings of a task at a small vocabulary, by the definition."""

import itertools

import numpy as np

import ktrans as kt


def all_strings(task: kt.TemplateTask) -> tuple[np.ndarray, np.ndarray]:
    """Every sub(z, s) once for each template z and map s, and its probability."""
    strings, weights = [], []
    for template, code, weight in zip(
        task.templates, task.template_codes, task.weights, strict=True
    ):
        maps = list(itertools.permutations(range(task.vocab_size), template.num_wildcards))
        for tokens in maps:
            strings.append([tokens[-1 - symbol] if symbol < 0 else symbol for symbol in code])
            weights.append(weight / len(maps))
    return np.array(strings), np.array(weights)


def dense_eigenvalues(kernel: kt.TokenSymmetricKernel, task: kt.TemplateTask) -> np.ndarray:
    """Eigenvalues of the weighted Gram matrix of all strings, ascending."""
    strings, weights = all_strings(task)
    root = np.sqrt(weights)
    return np.linalg.eigvalsh(root[:, None] * np.asarray(kernel(strings)) * root)
