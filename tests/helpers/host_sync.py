"""A watch on operations that make the host wait for a device; it works on the CPU too."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_WAITS = {
    "_local_scalar_dense",
    "equal",
    "is_nonzero",
    "item",
    "linalg_cholesky",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "_unique2",
}


class NoHostSync(TorchDispatchMode):
    """Raise when an operation inside needs a value or a size that only the device knows."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.split(".")[0]
        indices = args[1] if name in ("index", "index_put", "index_put_") else ()
        by_mask = any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)
        if name in _WAITS or by_mask:
            raise AssertionError(f"{name} makes the host wait")
        return func(*args, **(kwargs or {}))
