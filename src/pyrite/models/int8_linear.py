"""Linear layers in 8-bit integers: weights rounded once for each output, values for each token as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyrite.errors import ModelError
from pyrite.models.packed_linear import takes_gelu
from pyrite.processor import multiplies_in

if TYPE_CHECKING:
    from torch import nn

__all__ = ["quantise_linear_layers"]

# A value is a multiple of a scale, from -127 to 127.
_STEPS = 127


def quantise_linear_layers(model: nn.Module) -> int:
    """Replace the linear layers of a model that is for inference on a CPU alone; return how many were replaced.

    The product is exact; what is rounded are the two factors, the weights by their largest in a row, the values by
    the largest of a token, so that no token depends on what else is in its batch. All else computes in bfloat16. Such
    a model can be neither trained nor saved.

    Args:
        model: In fp32, on the CPU, used by nobody else.

    Raises:
        ModelError: The processor has no instructions for it, the model has no linear layer, or is on another device.
    """
    import torch

    if any(parameter.device.type != "cpu" for parameter in model.parameters()):
        raise ModelError("precision int8: computes on a CPU alone; set the device to cpu")
    if not multiplies_in("int8"):
        raise ModelError(
            "precision int8: wants a processor with AVX-VNNI, AVX512-VNNI or AMX, and Linux, to ask it; "
            "take bf16 or fp32"
        )
    layer = _int8_linear()
    count = 0
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear:
                setattr(module, name, layer(child, gelu=name == "dense" and takes_gelu(module)))
                count += 1
    if not count:
        raise ModelError("precision int8: the model has no linear layer to compute in it; take fp32 or bf16")
    model.to(torch.bfloat16)
    return count


def _int8_linear() -> Any:
    """Return the class, which cannot be written down before torch is imported."""
    import torch
    from torch import Tensor, nn

    from pyrite.models import int8_kernels

    class Int8Linear(nn.Module):
        def __init__(self, linear: nn.Linear, *, gelu: bool) -> None:
            super().__init__()
            weight = linear.weight.detach().float()
            scales = weight.abs().amax(dim=1) / _STEPS
            # A row of zeros stays one under any scale.
            steps = (weight / torch.where(scales > 0, scales, 1.0)[:, None]).round()
            # None of these are parameters or buffers: `to` would round them.
            self._steps = steps.to(torch.int8).T.contiguous()
            self._scales = scales.numpy()
            bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach().float()
            self._bias = bias.numpy().copy()
            self._scale = int8_kernels.scale_products_gelu if gelu else int8_kernels.scale_products

        def forward(self, values: Tensor) -> Tensor:
            # Some models keep a layer in float32.
            rows = values.reshape(-1, values.shape[-1]).to(torch.bfloat16).contiguous()
            steps = torch.empty(rows.shape, dtype=torch.int8)
            scales = np.empty(len(rows), dtype=np.float32)
            int8_kernels.quantise_rows(rows.view(torch.uint16).numpy(), steps.numpy(), scales)
            products = torch._int_mm(steps, self._steps)
            out = torch.empty(products.shape, dtype=torch.bfloat16)
            self._scale(products.numpy(), scales, self._scales, self._bias, out.view(torch.uint16).numpy())
            return out.view(*values.shape[:-1], -1).to(values.dtype)

    return Int8Linear
