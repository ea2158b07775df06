"""Networks of finite width: random features, transformers with a I and b I, MLPs, GPT-2, BERT."""

from ktrans.networks.bert import Encoder, load_bert
from ktrans.networks.data import Strings, TaskData, draw_task_data
from ktrans.networks.documentation import read_documentation
from ktrans.networks.gpt2 import draw_gpt2, gpt2_config, load_gpt2, num_parameters
from ktrans.networks.heads import HeadIdentities, head_identities
from ktrans.networks.language_model import History, LanguageResult, train_language_model
from ktrans.networks.language_optimisation import LanguageTraining
from ktrans.networks.mlp import MLP, MLPConfig
from ktrans.networks.optimisation import TrainingConfig
from ktrans.networks.perplexity import Perplexity, perplexity
from ktrans.networks.random_features import RandomFeatures
from ktrans.networks.text import Text, read_text
from ktrans.networks.tokens import TextData, load_tokenizer, tokenize, train_tokenizer
from ktrans.networks.training import TrainingResult, train
from ktrans.networks.transformer import Transformer, TransformerConfig
from ktrans.networks.words import Sentences, single_token_words, word_features

__all__ = [
    "MLP",
    "Encoder",
    "HeadIdentities",
    "History",
    "LanguageResult",
    "LanguageTraining",
    "MLPConfig",
    "Perplexity",
    "RandomFeatures",
    "Sentences",
    "Strings",
    "TaskData",
    "Text",
    "TextData",
    "TrainingConfig",
    "TrainingResult",
    "Transformer",
    "TransformerConfig",
    "draw_gpt2",
    "draw_task_data",
    "gpt2_config",
    "head_identities",
    "load_bert",
    "load_gpt2",
    "load_tokenizer",
    "num_parameters",
    "perplexity",
    "read_documentation",
    "read_text",
    "single_token_words",
    "tokenize",
    "train",
    "train_language_model",
    "train_tokenizer",
    "word_features",
]
