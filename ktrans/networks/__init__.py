"""Networks of finite width: random features, transformers with a I and b I, MLPs, GPT-2."""

from ktrans.networks.data import Strings, TaskData, draw_task_data
from ktrans.networks.gpt2 import draw_gpt2, gpt2_config, load_gpt2, num_parameters
from ktrans.networks.mlp import MLP, MLPConfig
from ktrans.networks.optimisation import TrainingConfig
from ktrans.networks.random_features import RandomFeatures
from ktrans.networks.training import TrainingResult, train
from ktrans.networks.transformer import Transformer, TransformerConfig

__all__ = [
    "MLP",
    "MLPConfig",
    "RandomFeatures",
    "Strings",
    "TaskData",
    "TrainingConfig",
    "TrainingResult",
    "Transformer",
    "TransformerConfig",
    "draw_gpt2",
    "draw_task_data",
    "gpt2_config",
    "load_gpt2",
    "num_parameters",
    "train",
]
