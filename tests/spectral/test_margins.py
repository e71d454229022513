"""Certified radii are right: no attack gets in, and where they can be exact they are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lipmat.spectral.margins import (
    attacked_accuracy,
    certified_accuracy,
    certified_radii,
    classifier,
    train_classifier,
)
from tests.benchmarks.digits import RADII, accuracies


def test_digits() -> None:
    found = accuracies(0, width=32, hidden=2, steps=80, attack=8)
    assert found.clean >= 0.93
    assert found.certified[0.25] >= 0.75
    for radius in RADII:
        assert found.certified[radius] <= found.attacked[radius] <= found.clean
    assert found.certified[0.5] < found.certified[0.25]


def test_the_radius_of_a_linear_classifier_is_the_distance() -> None:
    layer = nn.Linear(2, 3, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 0.0], [0.0, 9.0]]))
        layer.bias.copy_(torch.tensor([0.0, 3.0, -9.0]))
    network = nn.Sequential(layer)
    x = torch.tensor([[2.0, 0.0], [0.5, 0.0], [0.0, 0.0]], dtype=torch.float64)
    radii = certified_radii(network, x, torch.tensor([0, 0, 1]))
    assert radii.tolist() == pytest.approx([1.0, -0.5, 1.0], rel=1e-9)
    assert certified_accuracy(network, x, torch.tensor([0, 0, 1])) == pytest.approx(2 / 3)
    labels = torch.tensor([0, 0, 1])
    inside = attacked_accuracy(network, x, labels, 0.999, restarts=0)
    assert (inside, certified_accuracy(network, x, labels, 0.999)) == (2 / 3, 2 / 3)
    assert attacked_accuracy(network, x, labels, 1.001, restarts=0) == 0.0


def test_two_shells_are_told_apart_up_to_their_distance() -> None:
    g = torch.Generator().manual_seed(0)
    direction = torch.randn(400, 2, generator=g, dtype=torch.float64)
    size = torch.tensor([1.0, 3.0], dtype=torch.float64).repeat(200)
    x = size.unsqueeze(1) * direction / direction.norm(dim=1, keepdim=True)
    labels = (size > 2.0).long()
    network = classifier(2, 2, 32, 3, g)
    train_classifier(network, x, labels, 200, radius=1.0, generator=g)
    radii = certified_radii(network, x, labels)
    assert 0.7 < float(radii.median()) <= 1.0 + 1e-9  # half their distance
    assert float(radii.mean()) <= 1.0


def test_a_readout_that_is_not_dense_is_refused() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    with pytest.raises(ValueError, match="the last layer is a Tanh, expected a dense one"):
        certified_radii(network, torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))


def test_numbers_that_are_not_float64_are_refused() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"expected network\.double"):
        certified_radii(network, torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
