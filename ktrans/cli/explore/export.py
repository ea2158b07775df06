"""A setting of the explorer as files and as Python, from which others get the same numbers."""

import json
from typing import Any

import numpy as np

from ktrans.kernels.registry import kernel_to_dict
from ktrans.measure.exploration import View
from ktrans.tasks import TemplateTask, Zipf
from ktrans.tasks.diversity import with_vocabulary

_SCRIPT = """\
import ktrans as kt

task = kt.TemplateTask.from_templates(
    {templates},
    {options},
)
kernel = {kernel}

certificate = kt.verify(kernel, task, ridge={ridge!r})
print("σ_min(N) =", certificate.sigma_min, "±", certificate.sigma_min_error)

curve = kt.learning_curve(kernel, task, num_samples=[{n}], ridge={ridge!r})
print("predicted for ρ → ∞:", curve.mse)

errors = []
for seed in range({seeds}):
    model = kt.KernelRidge(kernel, ridge={ridge!r}).fit(task.sample({n}, seed=seed))
    errors.append(task.weights @ (model.predict_unseen() - task.labels) ** 2)
print("measured:", errors)
"""


def task_toml(task: TemplateTask, view: View) -> str:
    """The task at the vocabulary of the view, as `TemplateTask.from_file` reads it."""
    return with_vocabulary(task, view.setting.vocab_size).to_toml()


def sweep_toml(view: View) -> str:
    """The view's kernel and data as `ktrans sweep` reads them, the task in task.toml beside it."""
    setting = view.setting
    table = kernel_to_dict(_kernel(view))
    kernel = "\n".join(f"{key} = {_toml(value)}" for key, value in table.items())
    return (
        f"[sweep]\nvocab_sizes = [{setting.vocab_size}]\nnum_samples = [{setting.num_samples}]\n"
        f"ridges = [{setting.ridge!r}]\nseeds = {setting.num_sets}\n\n"
        f'[[tasks]]\nfile = "task.toml"\n\n[[kernels]]\n{kernel}\n'
    )


def python_script(task: TemplateTask, view: View) -> str:
    """Python that certifies σ_min(N) and measures the error at the largest n of the view.

    With a certified view its numbers are the same; an estimated one is what they correct.
    """
    known, kernel = with_vocabulary(task, view.setting.vocab_size), _kernel(view)
    setting = view.setting
    return _SCRIPT.format(
        templates=_templates(known),
        options=",\n    ".join(f"{key}={value}" for key, value in _options(known).items()),
        kernel=_expression(kernel_to_dict(kernel), type(kernel).__name__),
        ridge=setting.ridge,
        n=setting.num_samples,
        seeds=setting.num_sets,
    )


def _kernel(view: View) -> Any:
    return view.setting.kernel() if view.rtol is None else view.setting.kernel(view.rtol)


def _templates(task: TemplateTask) -> str:
    specs = [template.spec for template in task.templates]
    keys = [spec if isinstance(spec, str) else tuple(spec) for spec in specs]
    return repr(dict(zip(keys, map(float, task.labels), strict=True)))


def _options(task: TemplateTask) -> dict[str, str]:
    """Keyword arguments of `from_templates` that are not its defaults, as text."""
    options = {"vocab_size": repr(task.vocab_size), "name": repr(task.name)}
    if task.noise_std:
        options["noise_std"] = repr(float(task.noise_std))
    if np.ptp(task.weights):
        options["weights"] = repr(task.weights.tolist())
    if task.substitution != "uniform":
        zipf = isinstance(task.substitution, Zipf)
        options["substitution"] = f"{'kt.tasks.' * zipf}{task.substitution!r}"
    if task.substitution_tokens is not None:
        options["substitution_tokens"] = repr(task.substitution_tokens)
    return options


def _expression(table: dict[str, Any], name: str) -> str:
    """What builds the kernel."""
    shown = {key: repr(value) for key, value in table.items() if key not in ("type", "method")}
    shown["activation"] = "kt.Cosine(b1={b1!r}, b2={b2!r})".format(**table["activation"])
    return f"kt.{name}({', '.join(f'{key}={value}' for key, value in shown.items())})"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
