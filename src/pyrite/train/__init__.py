"""Contrastive training of encoders, with checkpoints that survive a kill."""

from pyrite.train.job import Dev, TrainingJob, TrainingResult, TrainingTexts
from pyrite.train.settings import LoraSettings, StaticTrainer, TrainerSettings, TransformerTrainer
from pyrite.train.trainer import train

__all__ = [
    "Dev",
    "LoraSettings",
    "StaticTrainer",
    "TrainerSettings",
    "TrainingJob",
    "TrainingResult",
    "TrainingTexts",
    "TransformerTrainer",
    "train",
]
