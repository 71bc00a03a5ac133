"""Samplers: frozen settings with one pure method that draws from what the filters left."""

from typing import Annotated

from pydantic import Field

from pyrite.mining.samplers.cet import CetSampler
from pyrite.mining.samplers.sampler import Drawn, Sampler
from pyrite.mining.samplers.simans import SimansSampler
from pyrite.mining.samplers.stratified import StratifiedSampler
from pyrite.mining.samplers.top import TopSampler
from pyrite.mining.samplers.uniform import UniformSampler

__all__ = [
    "CetSampler",
    "Drawn",
    "Sampler",
    "SamplerSettings",
    "SimansSampler",
    "StratifiedSampler",
    "TopSampler",
    "UniformSampler",
]

SamplerSettings = Annotated[
    TopSampler | UniformSampler | StratifiedSampler | SimansSampler | CetSampler, Field(discriminator="type")
]
"""A sampler by its `type`: `top`, `uniform`, `stratified`, `simans` or `cet`."""
