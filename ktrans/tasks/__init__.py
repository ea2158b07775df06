"""What is to be learned: templates, template tasks and the data drawn from them."""

from ktrans.tasks.library import describe, load, names
from ktrans.tasks.substitution import Zipf
from ktrans.tasks.task import Dataset, TemplateTask
from ktrans.tasks.templates import Template, Wildcard

__all__ = [
    "Dataset",
    "Template",
    "TemplateTask",
    "Wildcard",
    "Zipf",
    "describe",
    "load",
    "names",
]
