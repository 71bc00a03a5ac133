"""Low-rank adapters (LoRA) on the layers of a model: weights of their own, or worked into the model's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["is_adapted", "merge_adapters"]


def is_adapted(model: nn.Module) -> bool:
    """Say whether a model has adapters that are not merged."""
    return any(getattr(module, "_hf_peft_config_loaded", False) for module in model.modules())


def merge_adapters(model: nn.Module) -> int:
    """Work the adapters of a model into the weights that they stand beside, and take them out.

    A layer W x + s B A x becomes (W + s B A) x: the same up to rounding, at the cost of the layer alone.

    Returns:
        How many layers had one; with 0 the model is as it was.
    """
    adapted = [module for module in model.modules() if getattr(module, "_hf_peft_config_loaded", False)]
    if not adapted:
        return 0
    from peft.tuners.tuners_utils import BaseTunerLayer

    count = 0
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, BaseTunerLayer):
                layer: Any = child
                layer.merge()
                setattr(module, name, layer.get_base_layer())
                count += 1
    for network in adapted:
        network._hf_peft_config_loaded = False  # type: ignore[assignment]
        del network.peft_config
        # How an adapter's file names its tensors; saving would write the merged ones by those names.
        if hasattr(network, "_weight_conversions"):
            del network._weight_conversions
    return count
