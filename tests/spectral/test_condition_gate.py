from __future__ import annotations

import numpy as np
import pytest
import torch

from lipmat.spectral.composition import sampled_gain
from lipmat.spectral.condition_gate import ConditionGate
from lipmat.spectral.gate_training import REACH, GateData, GateStack


def gate(inputs: int, seed: int, size: float = 1.0) -> ConditionGate:
    g = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return size * torch.randn(*shape, generator=g, dtype=torch.float64)

    return ConditionGate(random(5, inputs), random(5), random(2, 5), random(2))


def points(inputs: int, n: int = 4000) -> torch.Tensor:
    inside = 2.0 * torch.rand(n, inputs, dtype=torch.float64) - 1.0
    return torch.cat([inside, inside[:500].sign()])


@pytest.mark.parametrize(("inputs", "seed"), [(1, 0), (2, 1), (3, 2), (4, 3), (10, 4)])
def test_no_sample_leaves_the_ranges_and_no_slope_exceeds_its_bound(inputs: int, seed: int) -> None:
    torch.manual_seed(seed)
    g, x = gate(inputs, seed), points(inputs).requires_grad_()
    values, ranges = g(x), g.ranges()
    found = values.detach().numpy()
    assert (found >= ranges.lo).all()
    assert (found <= ranges.hi).all()
    assert (ranges.lo >= 0).all()
    assert (ranges.hi <= 1).all()
    for k, bounds in enumerate(g.gains()):
        (slopes,) = torch.autograd.grad(values[:, k].sum(), x, retain_graph=True)
        assert (slopes.abs().amax(0).numpy() <= bounds).all()
    assert sampled_gain(g, x.detach()[:300]) <= g.bound()


def test_ranges_of_few_inputs_are_sharp() -> None:
    torch.manual_seed(0)
    g = gate(2, 0)
    found, ranges = g(points(2, 50_000)).numpy(), g.ranges()
    assert (ranges.hi - found.max(0) < 0.01).all()
    assert (found.min(0) - ranges.lo < 0.01).all()


def test_inputs_are_clipped_to_their_range() -> None:
    g = gate(2, 0)
    ends = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    assert torch.equal(g(3.0 * ends), g(ends))


def test_arrays_that_do_not_fit_are_refused() -> None:
    one = torch.ones(3, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"gate: found weights \(3, 2\) and \(3, 2\)"):
        ConditionGate(one, torch.zeros(3), one, torch.zeros(3))
    with pytest.raises(ValueError, match="biases that do not fit the weights"):
        ConditionGate(one, torch.zeros(2), one.T, torch.zeros(2))


def data(n: int = 60, inputs: int = 6) -> GateData:
    """Return data of two gates that depend on the first two inputs."""
    rng = np.random.default_rng(0)
    c = rng.uniform(-1.0, 1.0, (n, inputs))
    targets = np.stack([0.5 + 0.3 * c[:, 0], 0.5 + 0.2 * c[:, 1] ** 2], 1)
    targets += 0.01 * rng.standard_normal(targets.shape)
    size = np.linalg.norm(targets - targets.mean(0))
    roots = torch.eye(2, dtype=torch.float64).expand(n, 2, 2) / size
    return GateData(torch.from_numpy(c), torch.from_numpy(targets), roots)


def test_the_penalty_shuts_inputs_exactly_and_caps_hold() -> None:
    d, penalties = data(), torch.tensor([0.0, 0.1, 10.0], dtype=torch.float64)
    rows = torch.ones(3, len(d.inputs), dtype=torch.float64)
    stack = GateStack(d, torch.ones(3, 6, dtype=torch.float64), rows, penalties, seed=0)
    stack.train(400)
    free, some, none = stack.support().tolist()
    assert all(free)
    assert some == [True, True, False, False, False, False]
    assert not any(none)
    assert (stack.factors[1, 2:] == 0.0).all()
    errors = d.errors(stack()).sum(1)
    assert errors[1] < 0.2 < 0.9 < errors[2]
    for weight, most in ((stack.hidden_weight, 1.0), (stack.output_weight, REACH)):
        assert float(torch.linalg.matrix_norm(weight, 2).max()) <= most * (1.0 + 1e-12)


def test_a_gate_without_its_shut_inputs_is_the_same_function() -> None:
    d = data()
    rows = torch.ones(1, len(d.inputs), dtype=torch.float64)
    chosen = torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    stack = GateStack(d, chosen, rows, torch.zeros(1, dtype=torch.float64), seed=0)
    stack.train(50)
    pruned = stack.gate(0)
    assert pruned.hidden_weight.shape[1] == 2
    torch.testing.assert_close(pruned(d.inputs[:, :2]), stack()[0], rtol=0, atol=1e-14)


def test_gates_of_a_batch_are_trained_as_if_alone() -> None:
    d = data()
    rows = torch.ones(2, len(d.inputs), dtype=torch.float64)
    rows[1, :30] = 0.0
    penalty = torch.tensor([0.01, 0.1], dtype=torch.float64)
    both = GateStack(d, torch.ones(2, 6, dtype=torch.float64), rows, penalty, seed=0)
    alone = GateStack(d, torch.ones(1, 6, dtype=torch.float64), rows[1:], penalty[1:], seed=0)
    both.train(60)
    alone.train(60)
    torch.testing.assert_close(both()[1], alone()[0], rtol=0, atol=1e-9)
