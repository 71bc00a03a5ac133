"""Samplers: frozen settings with one pure method that draws from what the filters left."""

from typing import Annotated

from pydantic import Field

from pyrite.mining.samplers.top import TopSampler
from pyrite.mining.samplers.uniform import UniformSampler

__all__ = ["SamplerSettings", "TopSampler", "UniformSampler"]

SamplerSettings = Annotated[TopSampler | UniformSampler, Field(discriminator="type")]
"""A sampler by its `type`: `top` or `uniform`."""
