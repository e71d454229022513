r"""A Wasserstein generator of bounded slope: it learns the distribution of a few given points.

A generator maps a normal latent variable to points; a critic of slope 1 tells them from the given
ones, and the generator lowers what the critic finds (Arjovsky, Chintala & Bottou, ICML 2017; Miyato
et al., ICLR 2018). Few points are easily learned by heart. Here the generator cannot: it is

    G(z) = m + S (I + q f_B) ... (I + q f_1)(z),   |f_i| <= 1,  q < 1,

with mean m and covariance ``S S^T`` of the given points, which it is about at first. Whatever it
learns, its slope is at most ``(1 + q)^B |S|``, and at least ``(1 - q)^B`` over ``|S^-1|``: it is
smooth between the given points, spreads where they scatter, and cannot collapse on them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lipmat.spectral.blocks import Residual
from lipmat.spectral.composition import lipschitz_bound, settle
from lipmat.spectral.layers import SpectralLinear
from lipmat.spectral.norms import matrix_norm

Progress = Callable[[int, int, float], None]

BLOCKS = 3
SHARE = 0.5
WIDTH = 16
CRITIC_STEPS = 3
BATCH = 128
WARMING = 50  # steps of the critic alone, without which the generator learns from a poor one
JUDGED_EVERY, JUDGED = 10, 500
AVERAGED = 50  # steps over which the distance is averaged that progress is told


class Generator(nn.Module):  # type: ignore[misc]  # torch is not followed
    """A map of bounded slope from normal numbers to points like the given ones.

    Args:
        given: Points (n, d).
        generator: Source of the random weights.
    """

    def __init__(self, given: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        d = given.shape[1]
        self.register_buffer("mean", given.mean(0))
        self.register_buffer("spread", _root(torch.cov(given.T).reshape(d, d)))
        branches = [
            nn.Sequential(
                SpectralLinear(d, WIDTH, cap="soft", generator=generator),
                nn.Tanh(),
                SpectralLinear(WIDTH, d, cap="soft", generator=generator),
            )
            for _ in range(BLOCKS)
        ]
        with torch.no_grad():
            for branch in branches:  # the blocks begin as the identity
                branch[-1].raw.mul_(1e-2)
        self.blocks = nn.Sequential(*(Residual(branch, SHARE) for branch in branches))

    def forward(self, latent: Tensor) -> Tensor:
        """Return points (n, d) of standard normal numbers (n, d)."""
        return self.mean + self.blocks(latent) @ self.spread.T

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return n random points (n, d)."""
        return self(torch.randn(n, len(self.mean), generator=generator, dtype=torch.float64))

    def bound(self) -> float:
        """Return a bound of the slope."""
        return matrix_norm(self.spread) * lipschitz_bound(self.blocks) * (1.0 + 1e-15)


def _root(covariance: Tensor) -> Tensor:
    """Return the symmetric root; a direction without scatter stays without."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors @ (values.clamp_min(0.0).sqrt().unsqueeze(1) * vectors.T)


def train_generator(
    network: Generator,
    critic: nn.Module,
    seen: Callable[[Tensor], Tensor],
    given: Tensor,
    steps: int,
    generator: torch.Generator,
    rates: tuple[float, float] = (1e-2, 2e-2),
    progress: Progress | None = None,
) -> None:
    """Lower the distance of drawn points to the given ones that a critic finds.

    The two play against each other and circle around where they agree. The generator that is kept
    is the one on the way whose draws have the least energy distance to the given points.

    Args:
        network: The generator.
        critic: Of a norm that its layers hold; it takes what ``seen`` gives.
        seen: What the critic sees of points (n, d), shape (n, k).
        given: What it sees of the given points, shape (m, k).
        steps: Of the generator; the rates fall to zero along a cosine.
        generator: Source of the latent variables.
        rates: First ones of generator and critic, of Adam.
        progress: Called with step, steps and the critic's mean estimate of the distance.
    """
    makers = [
        torch.optim.Adam(module.parameters(), rate, betas=(0.5, 0.9))
        for module, rate in zip((network, critic), rates, strict=True)
    ]
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(m, steps) for m in makers]
    for module in (network, critic):
        module.train()
    recent: list[float] = []
    best = _Best(network, seen, given, generator)
    for step in range(1, steps + 1):
        for _ in range(CRITIC_STEPS if step > 1 else WARMING):
            with torch.no_grad():
                drawn = seen(network.draw(BATCH, generator))
            gain = critic(given).mean() - critic(drawn).mean()
            _move(makers[1], -gain)
        _move(makers[0], -critic(seen(network.draw(BATCH, generator))).mean())
        for schedule in schedules:
            schedule.step()
        recent = [*recent[1 - AVERAGED :], float(gain.detach())]
        if step % JUDGED_EVERY == 0 or step == steps:
            best.judge()
        if progress:
            progress(step, steps, sum(recent) / len(recent))
    best.restore()
    for module in (network, critic):
        settle(module.eval())


class _Best:
    """Keeps the best generator so far, by draws of the same latent variables."""

    def __init__(
        self,
        network: Generator,
        seen: Callable[[Tensor], Tensor],
        given: Tensor,
        generator: torch.Generator,
    ) -> None:
        self.network, self.seen, self.given = network, seen, given
        shape = JUDGED, len(network.mean)
        self.latent = torch.randn(shape, generator=generator, dtype=torch.float64)
        self.least = float("inf")
        self.judge()

    def judge(self) -> None:
        with torch.no_grad():
            distance = energy_distance(self.seen(self.network(self.latent)), self.given)
        if distance < self.least:
            self.least, self.state = distance, copy.deepcopy(self.network.state_dict())

    def restore(self) -> None:
        self.network.load_state_dict(self.state)


def _move(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def energy_distance(first: Tensor, second: Tensor) -> float:
    """Return Székely's energy distance of two sets of points (n, d) and (m, d).

    ``2 E|x - y| - E|x - x'| - E|y - y'|`` over all pairs, those of a point with itself too: that of
    the two sets as distributions, which is 0 only where they agree (Székely & Rizzo, J. Stat. Plan.
    Inference 143 (2013) 1249).
    """
    across, one, other = (
        float(torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").mean())
        for a, b in ((first, second), (first, first), (second, second))
    )
    return 2.0 * across - one - other
