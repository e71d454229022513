"""Normal equations in blocks against the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lipmat.experiments.normal_equations import BLOCK, Samples, bordered, normal

STATES = 2 * BLOCK + 7


def samples() -> Samples:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(STATES, *shape)) for shape in ((3,), (2, 3), (2,))]
    arrays[2] /= np.linalg.norm(arrays[2])
    return Samples(*map(torch.from_numpy, arrays))


def columns(x: Tensor) -> Tensor:
    return torch.stack([x, x**2, torch.ones_like(x), x.flip(1)], 2)


def more(x: Tensor) -> Tensor:
    return torch.stack([torch.sin(x), x**3], 2)


def whole(data: Samples, *functions: object) -> tuple[np.ndarray, np.ndarray]:
    both = torch.cat([f(data.x) for f in functions], 2)  # type: ignore[operator]
    return (data.seen @ both).flatten(0, 1).numpy(), data.measured.flatten().numpy()


def test_blocks_add_up() -> None:
    data = samples()
    a, y = whole(data, columns)
    found = normal(data, columns)
    np.testing.assert_allclose(found.square, a.T @ a, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.right, a.T @ y, rtol=1e-12, atol=1e-12)
    x = 1e-2 * np.arange(1.0, 5.0)
    assert found.squared_error(x) == pytest.approx(((a @ x - y) ** 2).sum(), rel=1e-12)


def test_a_border_joins_further_columns() -> None:
    data = samples()
    a, y = whole(data, columns, more)
    found = bordered(data, normal(data, columns), columns, more)
    np.testing.assert_allclose(found.square, a.T @ a, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.right, a.T @ y, rtol=1e-12, atol=1e-12)


def test_thinned_samples_are_few_and_of_size_one() -> None:
    data = samples()
    few = data.thinned(100)
    assert 50 < len(few.x) <= 100
    assert float((few.measured**2).sum()) == pytest.approx(1.0)
    every = data.x[::6], data.seen[::6], data.measured[::6]
    assert torch.equal(few.x, every[0])
    size = float(every[2].norm())
    torch.testing.assert_close(size * few.seen, every[1])
    torch.testing.assert_close(size * few.measured, every[2])
    assert data.thinned(STATES) is data
