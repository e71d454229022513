"""Gates trained side by side, with an L1 penalty that shuts inputs exactly.

In front of a capped network stands a factor ``a_j >= 0`` for each input. The sum of the factors is
penalised by proximal steps, so that those of inputs that do not matter are zero and not just small.
The weights behind them are kept below a norm by projection (Gouk et al., Machine Learning 110
(2021) 393), or they would undo the penalty. Many gates (penalties, folds, sets of inputs) make one
batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lipmat.spectral.condition_gate import ConditionGate

HIDDEN = 6
REACH = 4.0
"""Largest norm of the output weights: gates reach from 0.02 to 0.98."""
RATE = 2e-2
_BETAS = (0.9, 0.99)
_TINY = 1e-12
_PARAMETERS = ("factors", "hidden_weight", "hidden_bias", "output_weight", "output_bias")


@dataclass(frozen=True, eq=False)
class GateData:
    """What gates are to meet: ``sum over n of |R_n (g(c_n) - G_n)|^2`` is to be small.

    Attributes:
        inputs: c, shape (n, inputs), in [-1, 1].
        targets: G, shape (n, gates).
        roots: R, shape (n, gates, gates).
    """

    inputs: Tensor
    targets: Tensor
    roots: Tensor

    def errors(self, gates: Tensor) -> Tensor:
        """Return ``|R_n (g_n - G_n)|^2`` of gates (..., n, gates), shape (..., n)."""
        off = torch.einsum("nij,...nj->...ni", self.roots, gates - self.targets)
        return off.square().sum(-1)


class GateStack:
    """A batch of gates that are trained at once.

    Args:
        data: What they are to meet.
        open_inputs: Which inputs each may use, shape (batch, inputs), 0 or 1.
        rows: Weight of each datum for each gate, shape (batch, n); 0: held out.
        penalty: Of the L1 norm of the factors, shape (batch,).
        seed: Of the random weights, the same for all gates of the batch.
    """

    def __init__(
        self, data: GateData, open_inputs: Tensor, rows: Tensor, penalty: Tensor, seed: int
    ) -> None:
        self.data, self.open, self.rows, self.penalty = data, open_inputs, rows, penalty
        batch, inputs = open_inputs.shape
        outputs = data.targets.shape[1]
        generator = torch.Generator().manual_seed(seed)

        def alike(*shape: int) -> Tensor:
            one = torch.randn(shape, generator=generator, dtype=torch.float64)
            return one.expand(batch, *shape).clone()

        mean = data.targets.mean(0).clamp(0.05, 0.95)
        self.factors = 0.5 * open_inputs.clone()
        self.hidden_weight = alike(HIDDEN, inputs) * open_inputs[:, None]
        self.hidden_bias = torch.zeros(batch, HIDDEN, dtype=torch.float64)
        self.output_weight = alike(outputs, HIDDEN)
        self.output_bias = torch.logit(mean).expand(batch, outputs).clone()
        self._project()

    def train(self, steps: int, rate: float = RATE) -> None:
        """Take steps of Adam, without torch's own, which imports the compiler first."""
        leaves = [getattr(self, name).requires_grad_() for name in _PARAMETERS]
        first, second = ([torch.zeros_like(p) for p in leaves] for _ in range(2))
        for step in range(1, steps + 1):
            now = rate if step <= (3 * steps) // 4 else 0.2 * rate
            cost = (self.rows * self.data.errors(self())).sum()
            slopes = torch.autograd.grad(cost, leaves)
            sizes = []
            with torch.no_grad():
                for p, slope, m, v in zip(leaves, slopes, first, second, strict=True):
                    m.lerp_(slope, 1.0 - _BETAS[0])
                    v.lerp_(slope * slope, 1.0 - _BETAS[1])
                    sizes.append((v / (1.0 - _BETAS[1] ** step)).sqrt_().add_(_TINY))
                    p.addcdiv_(m, sizes[-1], value=-now / (1.0 - _BETAS[0] ** step))
                self._shrink(now / sizes[0])
                self._project()
        for p in leaves:
            p.requires_grad_(False)

    def __call__(self) -> Tensor:
        """Return the gates at all data, shape (batch, n, gates)."""
        weight = self.hidden_weight * self.factors.unsqueeze(1)
        hidden = torch.tanh(self.data.inputs @ weight.transpose(1, 2) + self.hidden_bias[:, None])
        return torch.sigmoid(
            hidden @ self.output_weight.transpose(1, 2) + self.output_bias[:, None]
        )

    def support(self) -> Tensor:
        """Return which inputs are open, shape (batch, inputs), boolean."""
        return self.factors > 0

    def gate(self, i: int) -> ConditionGate:
        """Return a gate of the inputs that it may use, in their order."""
        used = self.open[i] > 0
        weight = (self.hidden_weight[i] * self.factors[i])[:, used]
        return ConditionGate(
            weight, self.hidden_bias[i], self.output_weight[i], self.output_bias[i]
        )

    def _shrink(self, rates: Tensor) -> None:
        """Take the proximal step of the penalty in Adam's own metric (Yun et al., NeurIPS 2021)."""
        shrunk = torch.relu(self.factors - rates * self.penalty[:, None])
        self.factors.copy_(self.open * shrunk)

    def _project(self) -> None:
        for weight, most in ((self.hidden_weight, 1.0), (self.output_weight, REACH)):
            norm = torch.linalg.matrix_norm(weight, 2)
            weight.mul_((most / norm.clamp_min(most))[:, None, None])
