from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from lipmat.spectral.activations import MaxMin
from lipmat.spectral.composition import plain
from lipmat.spectral.recurrent import RecurrentCell

CLASSES, STEPS, NOISE = 8, 60, 0.05


def sequences(n: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return a symbol, shown once as a unit vector and then followed by noise, and its number."""
    label = torch.randint(CLASSES, (n,), generator=g)
    x = NOISE * torch.randn(n, STEPS + 1, CLASSES, generator=g, dtype=torch.float64)
    x[:, 0] = torch.eye(CLASSES, dtype=torch.float64)[label]
    return x, label


def recall(cell: RecurrentCell, steps: int, g: torch.Generator) -> float:
    """Train a cell and a readout to name the first symbol; return their share of right answers."""
    readout = nn.Linear(cell.width, CLASSES, dtype=torch.float64)
    with torch.no_grad():
        readout.weight.copy_(0.5 * torch.randn(CLASSES, cell.width, generator=g))
        readout.bias.zero_()
    optimiser = torch.optim.Adam([*cell.parameters(), *readout.parameters()], 2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        x, label = sequences(64, g)
        loss = nn.functional.cross_entropy(readout(cell.run(x)[:, -1]), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    x, label = sequences(2000, g)
    with torch.no_grad():
        found = readout(cell.eval().run(x)[:, -1]).argmax(1)
    return float((found == label).double().mean())


def test_an_orthogonal_map_remembers_the_first_symbol() -> None:
    g = torch.Generator().manual_seed(0)
    cell = RecurrentCell(CLASSES, 64, MaxMin(), cap="orthogonal", generator=g)
    assert recall(cell, 240, g) >= 0.995


def test_a_map_of_norm_0_8_forgets_it() -> None:
    g = torch.Generator().manual_seed(0)
    cell = RecurrentCell(CLASSES, 64, MaxMin(), cap="soft", target=0.8, generator=g)
    assert abs(recall(cell, 60, g) - 1.0 / CLASSES) < 0.03


@pytest.mark.parametrize("cap", ["hard", "soft", "orthogonal"])
def test_what_is_left_of_a_difference_is_below_the_bound(cap: str) -> None:
    """A symbol that is changed at one step, followed over the next ones."""
    g = torch.Generator().manual_seed(1)
    for target in (0.7, 1.0, 1.3):
        cell = RecurrentCell(3, 8, MaxMin(), cap=cap, target=target, generator=g)
        with torch.no_grad():
            cell.state.raw.mul_(1.3)
        cell.eval()
        x = torch.randn(50, 12, 3, generator=g, dtype=torch.float64)
        other = x.clone()
        other[:, 2] += torch.randn(50, 3, generator=g, dtype=torch.float64)
        change = (cell.run(other) - cell.run(x)).norm(dim=2)
        put_in = (other - x)[:, 2].norm(dim=1)
        assert not change[:, :2].any()
        for k in range(10):
            bound = cell.input_bound() * cell.state_bound() ** k
            assert bool((change[:, 2 + k] <= bound * put_in * (1.0 + 1e-12)).all())


def test_a_run_is_the_steps_of_the_cell_and_of_its_plain_copy() -> None:
    g = torch.Generator().manual_seed(2)
    cell = RecurrentCell(3, 6, nn.Tanh(), target=0.9, generator=g).eval()
    x = torch.randn(4, 5, 3, generator=g, dtype=torch.float64)
    h, states = torch.zeros(4, 6, dtype=torch.float64), []
    for step in x.unbind(1):
        h = cell(step, h)
        states.append(h)
    torch.testing.assert_close(cell.run(x), torch.stack(states, 1), rtol=1e-13, atol=1e-15)
    weights = plain(cell)
    assert {type(m) for m in weights.modules()} == {RecurrentCell, nn.Tanh, nn.Linear}
    assert torch.equal(weights.run(x), cell.run(x))
    assert weights.bound() == cell.bound()


def test_evaluation_leaves_the_power_iterations_and_training_moves_them_once_a_run() -> None:
    g = torch.Generator().manual_seed(3)
    cell = RecurrentCell(2, 4, nn.Tanh(), cap="hard", generator=g)
    with torch.no_grad():
        cell.state.raw.add_(torch.randn(4, 4, generator=g))
    once = copy.deepcopy(cell)
    once.state.follow()
    x = torch.randn(1, 7, 2, generator=g, dtype=torch.float64)
    before = cell.eval().state.cap.vector
    assert torch.equal(cell.run(x), cell.run(x))
    assert cell.state.cap.vector is before
    cell.train().run(x)
    assert torch.equal(cell.state.cap.vector, once.state.cap.vector)
