"""The ring of eight Gaussians: which modes a generator finds with a capped critic and without."""

from __future__ import annotations

from itertools import pairwise
from math import pi

import pytest
import torch
from torch import Tensor, nn

from lipmat.spectral.wasserstein import critic

MODES, SPREAD, BATCH = 8, 0.02, 128
STEPS = 400


def centres() -> Tensor:
    angle = torch.arange(MODES, dtype=torch.float64) * (2.0 * pi / MODES)
    return torch.stack([angle.cos(), angle.sin()], 1)


def draw(n: int, g: torch.Generator) -> Tensor:
    chosen = centres()[torch.randint(MODES, (n,), generator=g)]
    return chosen + SPREAD * torch.randn(n, 2, generator=g, dtype=torch.float64)


def dense(activation: nn.Module, *sizes: int) -> nn.Sequential:
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), activation)]
    return nn.Sequential(*layers[:-1]).double()


def modes_found(held: str, seed: int, steps: int) -> int:
    """Return the modes that have 1 % of the points within five deviations."""
    g = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        maker = dense(nn.ReLU(), 4, 64, 64, 2)
        ordinary = dense(nn.LeakyReLU(0.2), 2, 64, 64, 64, 1)
    judge = critic(2, 64, 3, cap="hard", generator=g) if held == "cap" else ordinary

    def made(n: int) -> Tensor:
        return maker(torch.randn(n, 4, generator=g, dtype=torch.float64))

    of_maker = torch.optim.Adam(maker.parameters(), 1e-3, betas=(0.5, 0.9))
    of_judge = torch.optim.Adam(judge.parameters(), 3e-3, betas=(0.5, 0.9))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(of_maker, steps)
    for _ in range(steps):
        for _ in range(2):
            values = judge(torch.cat([draw(BATCH, g), made(BATCH).detach()]))
            of_judge.zero_grad()
            (values[BATCH:].mean() - values[:BATCH].mean()).backward()
            of_judge.step()
            if held == "clipping":
                with torch.no_grad():
                    for p in judge.parameters():
                        p.clamp_(-0.1, 0.1)
        of_maker.zero_grad()
        (-judge(made(BATCH)).mean()).backward()
        of_maker.step()
        schedule.step()
    with torch.no_grad():
        distance, mode = torch.cdist(made(2000), centres()).min(1)
    hits = torch.bincount(mode[distance < 5.0 * SPREAD], minlength=MODES)
    return int((hits >= 20).sum())


def test_a_capped_critic_leads_to_all_modes() -> None:
    assert modes_found("cap", 0, STEPS) == MODES


@pytest.mark.parametrize("held", ["clipping", "nothing"])
def test_other_critics_find_fewer_in_that_time(held: str) -> None:
    assert modes_found(held, 0, STEPS) < MODES
