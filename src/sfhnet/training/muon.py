"""Muon for hidden matrices and AdamW for everything else, as one optimiser.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) replaces the momentum of a matrix by the nearest
orthogonal matrix: every direction of it is learnt at the same speed. It is meant for matrices between hidden layers; first
and last layers, biases and norms keep AdamW.

`torch.optim.Muon` does the same to one matrix after the other, always in bfloat16: on a CPU without bfloat16 arithmetic
that takes 25 times as long as float32. Here matrices of equal shape go through one batched product, in float32 on a CPU
and in bfloat16 on a GPU, and nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

__all__ = ["Muon", "hidden_matrices", "optimizer_for", "orthogonal"]

# Jordan et al. 2024: a quintic whose slope at zero is as large as it can be; singular values end between 0.7 and 1.2.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_N_STEP = 5


class Muon(torch.optim.Optimizer):
    """Muon on `hidden`, AdamW on `rest`; weight decay is decoupled in both and spares vectors.

    Parameters
    ----------
    hidden : iterable of Tensor
        Matrices between hidden layers.
    rest : iterable of Tensor
        All other parameters.
    lr : float
        Learning rate of AdamW. All groups share it, so a schedule sets ``group["lr"]`` of each to the same number.
    ratio : float
        Muon's learning rate over `lr`.
    momentum : float
        Decay of Muon's momentum, which is Nesterov's.
    weight_decay : float
        Share of a matrix taken off in a step, per learning rate.
    betas : tuple of float
        Decays of AdamW's moments.

    Notes
    -----
    Muon's step is ``lr ratio sqrt(max(1, rows / columns))`` times the orthogonal matrix (Jordan et al. 2024): the outputs
    of a layer then change by as much whatever its shape. The state holds tensors only: ``momentum``, or ``step``,
    ``exp_avg`` and ``exp_avg_sq``.

    As with torch's own, ``found_inf``, a tensor () on the device, tells a step not to count where it is one (its gradients
    are not finite) without the host having to look: weights stay, only Muon's momentum decays.
    """

    found_inf: Tensor | None = None

    def __init__(
        self,
        hidden: Iterable[Tensor],
        rest: Iterable[Tensor],
        *,
        lr: float = 2e-3,
        ratio: float = 10.0,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        hidden, rest = list(hidden), list(rest)
        wrong = [tuple(p.shape) for p in hidden if p.ndim != 2]
        if wrong:
            raise ValueError(f"Muon takes matrices, not parameters of shape {wrong[0]}; give them as rest")
        matrices, vectors = [p for p in rest if p.ndim >= 2], [p for p in rest if p.ndim < 2]
        groups: list[dict[str, Any]] = [
            {"params": hidden, "muon": True},
            {"params": matrices, "muon": False},
            {"params": vectors, "muon": False, "weight_decay": 0.0},
        ]
        defaults: dict[str, Any] = {
            "lr": lr,
            "ratio": ratio,
            "momentum": momentum,
            "weight_decay": weight_decay,
        }
        # Of the learning rate that a schedule sets; see `optimizer_for`.
        defaults["share"] = 1.0
        # ``fused`` also tells torch to keep the step counters on the device when it loads a state.
        defaults |= {"betas": betas, "fused": True}
        super().__init__([group for group in groups if group["params"]], defaults)

    @overload
    def step(self, closure: None = ...) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Do one step; parameters without gradient stay."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                (self._muon if group["muon"] else self._adamw)(parameters, group)
        return loss

    def _muon(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        momentum, rate = group["momentum"], group["lr"] * group["ratio"]
        grads = [p.grad for p in parameters if p.grad is not None]
        if self.found_inf is not None:
            grads = [torch.where(self.found_inf > 0, 0, grad) for grad in grads]
        for p in parameters:
            if not self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        buffers = [self.state[p]["momentum"] for p in parameters]
        torch._foreach_lerp_(buffers, grads, 1 - momentum)
        updates = orthogonal(list(torch._foreach_lerp(grads, buffers, momentum)))
        torch._foreach_mul_(updates, [max(1.0, p.shape[0] / p.shape[1]) ** 0.5 for p in parameters])
        torch._foreach_add_(updates, parameters, alpha=group["weight_decay"])
        if self.found_inf is not None:
            torch._foreach_mul_(updates, 1 - self.found_inf)
        torch._foreach_add_(parameters, updates, alpha=-rate)

    def _adamw(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for p in parameters:
            if not self.state[p]:
                self.state[p]["step"] = torch.zeros((), dtype=torch.float32, device=p.device)
                self.state[p]["exp_avg"] = torch.zeros_like(p)
                self.state[p]["exp_avg_sq"] = torch.zeros_like(p)
        states = [self.state[p] for p in parameters]
        beta1, beta2 = group["betas"]
        adamw(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            found_inf=self.found_inf,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
        )


def orthogonal(matrices: list[Tensor]) -> list[Tensor]:
    """Return matrices with the singular vectors of the given ones and singular values near one (0.7 to 1.2).

    Newton-Schulz iteration; those of equal shape, turned or not, go through it together.
    """
    alike: dict[tuple[int, int], list[int]] = {}
    for number, matrix in enumerate(matrices):
        alike.setdefault((min(matrix.shape), max(matrix.shape)), []).append(number)
    result = list(matrices)
    a, b, c = _QUINTIC
    for numbers in alike.values():
        tall = [matrices[k].shape[0] > matrices[k].shape[1] for k in numbers]
        x = torch.stack([matrices[k].mT if t else matrices[k] for k, t in zip(numbers, tall, strict=True)])
        kind = x.dtype
        x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
        x = x.to(torch.bfloat16 if x.is_cuda else torch.float32)
        for _ in range(_N_STEP):
            gram = x @ x.mT
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
        for k, t, value in zip(numbers, tall, x.to(kind), strict=True):
            result[k] = (value.mT if t else value).contiguous()
    return result


def hidden_matrices(network: nn.Module) -> list[Tensor]:
    """Return the matrices that the network's modules name as hidden by a method ``hidden_matrices``."""
    found: list[Tensor] = []
    for module in network.modules():
        named = getattr(module, "hidden_matrices", None)
        if callable(named):
            found += named()
    return found


def optimizer_for(network: nn.Module, lr: float, weight_decay: float, **options: Any) -> Muon:
    """Return the optimiser of a network: Muon on its `hidden_matrices`, AdamW on the rest.

    A network whose modules name no hidden matrix is trained by AdamW alone. What it has inherited (`Network.inherited`) learns
    at `Network.trunk_rate` times the rate, or not at all.

    Parameters
    ----------
    network : Module
    lr, weight_decay : float
    **options
        As of `Muon`.

    Returns
    -------
    Muon
    """
    inherited: frozenset[str] = getattr(network, "inherited", frozenset())
    share = float(getattr(network, "trunk_rate", 1.0))
    slow = {id(p) for name, p in network.named_parameters() if name in inherited}
    hidden = [p for p in hidden_matrices(network) if p.requires_grad]
    known = {id(p) for p in hidden}
    rest = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
    parts = [
        [[p for p in part if (id(p) in slow) is old] for part in (hidden, rest)] for old in (False, True)
    ]
    optimizer = Muon(*parts[0], lr=lr, weight_decay=weight_decay, **options)
    if share > 0 and slow:
        others = Muon(*parts[1], lr=lr, weight_decay=weight_decay, **options)
        for group in others.param_groups:
            optimizer.add_param_group({**group, "share": share})
    return optimizer
