"""Linear layers with their weights laid out once for the processor, not at each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["pack_linear_layers", "takes_gelu"]

# oneDNN chooses a layout for about this many rows; any number may follow.
_ROWS = 4096


def pack_linear_layers(model: nn.Module) -> int:
    """Replace the linear layers of a model that is for inference on a CPU alone; return how many were replaced.

    The products are those of the plain layer up to rounding. A layer that is followed by the exact GELU, as BERT's
    kin have it, applies that in the same pass. The weights of a packed layer are no parameters any more: such a model
    can be neither trained nor saved.

    Returns:
        0, and the model is as it was, where this torch has no oneDNN.
    """
    import torch

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return 0
    packed = _packed_linear()
    count = 0
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear and child.weight.device.type == "cpu":
                setattr(module, name, packed(child, gelu=name == "dense" and takes_gelu(module)))
                count += 1
    return count


def takes_gelu(module: Any) -> bool:
    """Say whether a block is `activation(dense(x))` with the exact GELU, and take the activation out of it if so."""
    from torch import nn

    activation = getattr(module, "intermediate_act_fn", None)
    if type(activation).__name__ != "GELUActivation" or getattr(activation, "act", None) is not nn.functional.gelu:
        return False
    module.intermediate_act_fn = nn.Identity()
    return True


def _packed_linear() -> Any:
    """Return the class, which cannot be written down before torch is imported."""
    import torch
    from torch import Tensor, nn

    class PackedLinear(nn.Module):
        def __init__(self, linear: nn.Linear, *, gelu: bool) -> None:
            super().__init__()
            self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _ROWS)
            self._bias = None if linear.bias is None else linear.bias.detach()
            self._after: tuple[str, list[Any], str] = ("gelu", [], "none") if gelu else ("none", [], "")

        def forward(self, values: Tensor) -> Tensor:
            product: Tensor = torch.ops.mkldnn._linear_pointwise(values, self._weight, self._bias, *self._after)
            return product

    return PackedLinear
