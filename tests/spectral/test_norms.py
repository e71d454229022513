from __future__ import annotations

from math import prod

import numpy as np
import pytest
import torch
from torch import Tensor

from lipmat.spectral import norms
from lipmat.spectral.norms import (
    circular_norm,
    every_size_norm,
    matrix_norm,
    zero_padded_matrix,
    zero_padded_norm,
)


def kernel(outputs: int, inputs: int, *size: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(outputs, inputs, *size, generator=generator, dtype=torch.float64)


def dense(k: Tensor, size: tuple[int, ...], padding: str) -> Tensor:
    """Return the matrix of the convolution, from torch's own layer on all unit signals."""
    outputs, inputs, *width = k.shape
    kind = (torch.nn.Conv1d, torch.nn.Conv2d)[len(size) - 1]
    half = tuple(w // 2 for w in width)
    layer = kind(inputs, outputs, tuple(width), padding=half, padding_mode=padding, bias=False)
    layer.weight = torch.nn.Parameter(k)
    units = torch.eye(inputs * prod(size), dtype=torch.float64).reshape(-1, inputs, *size)
    return layer(units).flatten(1).T.detach()


SHAPES = [(3, 2, 3), (1, 4, 5), (4, 1, 3), (2, 3, 3, 3), (3, 3, 5, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [5, 6, 9])
def test_the_bound_of_a_convolution_over_its_exact_norm_is_one(
    shape: tuple[int, ...], n: int
) -> None:
    k, size = kernel(*shape), (n,) * (len(shape) - 2)
    for padding, bound in (("circular", circular_norm), ("zeros", zero_padded_norm)):
        exact = float(torch.linalg.matrix_norm(dense(k, size, padding), 2))
        assert 1.0 <= bound(k, size) / exact <= 1.0 + 1e-12


def test_the_matrix_is_that_of_the_layer() -> None:
    for shape in SHAPES:
        size = (6,) * (len(shape) - 2)
        found = zero_padded_matrix(kernel(*shape), size)
        torch.testing.assert_close(found, dense(kernel(*shape), size, "zeros"))


def test_the_reshaped_kernel_is_no_bound() -> None:
    """A constant kernel of 9 ones has the norm 9; reshaped to a row it has 3."""
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    assert circular_norm(ones, (8, 8)) == pytest.approx(9.0, rel=1e-12)
    assert matrix_norm(ones.flatten(1)) == pytest.approx(3.0, rel=1e-12)


@pytest.mark.parametrize("shape", [(2, 2, 3), (2, 2, 5), (1, 1, 3, 3)])
def test_large_zero_padded_convolutions_are_bounded_by_longer_circles(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(norms, "_EXACT", 0)  # so that a size counts as large whose matrix is not
    size = (200,) if len(shape) == 3 else (28, 28)
    for seed in range(2):
        k = kernel(*shape, seed=seed)
        exact = float(torch.linalg.matrix_norm(dense(k, size, "zeros"), 2))
        assert 1.0 <= zero_padded_norm(k, size) / exact <= 1.01


def test_the_bound_for_every_size_holds_for_each_and_is_close_to_the_largest() -> None:
    for shape in SHAPES:
        for seed in range(5):
            k = kernel(*shape, seed=seed)
            bound = every_size_norm(k)
            found = [circular_norm(k, (n,) * (len(shape) - 2)) for n in range(5, 40)]
            assert max(found) <= bound <= 1.01 * max(found)


def test_weights_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        matrix_norm(torch.tensor([[np.nan]]))
    with pytest.raises(ValueError, match="expected >="):
        circular_norm(kernel(1, 1, 5), (4,))
