r"""The plain recurrent law: a spectrally normalised recurrent cell from strain history to stress.

At the n-th of equal steps of time, with the strains e as Mandel vectors,

    h_n = phi(W h_{n-1} + U e_n / e_0),      s_n = C e_0 V h_n,      h = 0 before the first,

with ``|W| <= cap`` and ``|U|, |V| <= 1``. It is how the literature learns path dependence
(Mozaffar et al., PNAS 116 (2019) 26414; Gorji et al., J. Mech. Phys. Solids 143 (2020) 103972;
the capped maps: Miyato et al., ICLR 2018), and the baseline here. Its bounds:

**A change of the strain.** Let two histories differ at step k alone, by ``de``. Then the states
differ by ``|dh_k| <= |U| |de| / e_0`` at once, as phi is 1-Lipschitz, and by ``|dh_n| <= |W|
|dh_{n-1}|`` after that, as the strains agree. Hence

    |ds_n| <= C |V| |W|^(n-k) |U| |de| <= C cap^(n-k) |de|.

**All changes together** add up. If no strain changes by more than ``de``, the stress changes by at
most ``C / (1 - cap) |de|`` where cap < 1, whatever the length of the history.

What it does not have is a potential: its tangent ``ds_n / de_n`` is not symmetric, work can be
drawn from a closed cycle, and nothing is dissipated by construction. So there is no energy that
a run could be shown to keep, no certificate of one, and this law is not one of the registry. It
also knows one step of time only, that of its training. The laws of
:mod:`lipmat.materials.memory` have neither fault.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from lipmat.spectral.cap import CapKind
from lipmat.spectral.composition import lipschitz_bound, settle
from lipmat.spectral.layers import SpectralLinear
from lipmat.spectral.recurrent import RecurrentCell

_UP = 1.0 + 1e-14
COMPONENTS = 6


class RecurrentLaw(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Stress of a strain history, with bounded response and bounded memory.

    Without strain there is no stress; with the default activation the stress is odd in the strain.

    Args:
        width: Of the state h.
        stiffness: C, the most that the stress may change at once per change of strain [Pa].
        strain_scale: e_0, the strain at which the activation bends [-].
        cap: How ``|W|`` is held: ``soft`` (not above it), ``hard`` (equal to it) or ``orthogonal``.
        memory: The cap of ``|W|``; below 1 the law forgets.
        activation: phi, 1-Lipschitz with phi(0) = 0; None: tanh.
        generator: Source of the random weights.

    Raises:
        ValueError: A setting is not admissible.
    """

    def __init__(
        self,
        width: int,
        stiffness: float,
        *,
        strain_scale: float = 1.0,
        cap: CapKind = "soft",
        memory: float = 1.0,
        activation: nn.Module | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not (stiffness > 0.0 and strain_scale > 0.0):
            found = f"{stiffness} Pa and {strain_scale}"
            raise ValueError(f"stiffness and strain scale: found {found}, expected numbers > 0")
        self.stiffness, self.strain_scale = stiffness, strain_scale
        phi = nn.Tanh() if activation is None else activation
        if lipschitz_bound(phi) > 1.0 + 1e-9 or bool(phi(torch.zeros(1, width).double()).any()):
            raise ValueError("activation: expected one of slope 1 at most that is 0 at 0")
        self.cell = RecurrentCell(
            COMPONENTS, width, phi, cap=cap, target=memory, bias=False, generator=generator
        )
        self.readout = SpectralLinear(
            width, COMPONENTS, cap="soft", bias=False, generator=generator
        )

    def forward(self, history: Tensor) -> Tensor:
        """Return the stresses [Pa] of strain histories (n, steps, 6), same shape.

        Raises:
            ValueError: The strains have another shape.
        """
        if history.ndim != 3 or history.shape[-1] != COMPONENTS:
            found = tuple(history.shape)
            raise ValueError(f"strain history: found the shape {found}, expected (n, steps, 6)")
        states = self.cell.run(history / self.strain_scale)
        return cast(Tensor, self.stiffness * self.strain_scale * self.readout(states))

    def forgetting(self) -> float:
        """Return the share of a difference of states that is left after a step at most."""
        return self.cell.state_bound()

    def bound(self, delay: int = 0) -> float:
        """Return the most that a strain can change the stress so many steps later [Pa]."""
        at_once = self.stiffness * lipschitz_bound(self.readout) * self.cell.input_bound()
        return at_once * self.forgetting() ** delay * _UP

    def history_bound(self) -> float:
        """Return the most that changes of all strains change the stress, per largest one [Pa].

        It is infinite where the law need not forget.
        """
        left = 1.0 - self.forgetting()
        return self.bound() / left * _UP if left > 0.0 else float("inf")


def train(
    law: RecurrentLaw, strain: Tensor, stress: Tensor, steps: int, rate: float = 1e-2
) -> float:
    """Fit a law to measured histories through time; return its R² on them.

    Args:
        law: The law; it is left in evaluation mode, with its caps met to rounding.
        strain: Strain histories, shape (n, steps, 6).
        stress: Stresses, same shape [Pa].
        steps: Of Adam; the rate falls to zero along a cosine.
        rate: The first one.

    Raises:
        ValueError: The shapes differ, or the stresses do not vary.
    """
    spread = (stress - stress.mean((0, 1))).square().sum()
    if strain.shape != stress.shape or not float(spread) > 0.0:
        shapes = f"{tuple(strain.shape)} and {tuple(stress.shape)}"
        raise ValueError(f"histories: found {shapes}, expected equal shapes and a varying stress")
    optimiser = torch.optim.Adam(law.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    law.train()
    for _ in range(steps):
        loss = (law(strain) - stress).square().sum() / spread
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    settle(law.eval())
    with torch.no_grad():
        return 1.0 - float((law(strain) - stress).square().sum() / spread)
