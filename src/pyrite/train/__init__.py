"""Training of encoders and rerankers, with checkpoints that survive a kill."""

from pyrite.train.cet.settings import CetTrainer
from pyrite.train.cet.trainer import CetResult, train_cet
from pyrite.train.job import Dev, TrainingJob, TrainingResult, TrainingTexts
from pyrite.train.reranker.settings import RerankerTrainer
from pyrite.train.reranker.trainer import train_reranker
from pyrite.train.settings import LoraSettings, StaticTrainer, TrainerSettings, TransformerTrainer
from pyrite.train.trainer import train

__all__ = [
    "CetResult",
    "CetTrainer",
    "Dev",
    "LoraSettings",
    "RerankerTrainer",
    "StaticTrainer",
    "TrainerSettings",
    "TrainingJob",
    "TrainingResult",
    "TrainingTexts",
    "TransformerTrainer",
    "train",
    "train_cet",
    "train_reranker",
]
