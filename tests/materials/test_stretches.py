from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lipmat.materials.polyconvex import PolyconvexStretch
from lipmat.materials.stretches import first_piola, largest_tangent, tangent_eigenvalues

GAPS = (0.0, 1e-15, 1e-12, 1e-9, 1e-7, 2e-6, 1e-4, 1e-3)


def neo_hookean(stretches: Tensor) -> Tensor:
    """Return sum l^2 / 2 - ln J, whose tangent and stress are known in closed form."""
    return 0.5 * (stretches**2).sum() - torch.log(stretches).sum()


@pytest.mark.parametrize("gap", GAPS)
def test_stress_and_tangent_are_exact_where_stretches_coincide(gap: float) -> None:
    a, b, c = 1.3 + gap, 1.3, 1.3 - 0.7 * gap
    stretches = torch.tensor([[a, b, c], [a, b, 0.6], [1 + gap, 1.0, 1.0]], dtype=torch.float64)
    _, differences, sums = tangent_eigenvalues(neo_hookean, stretches)
    for k, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        product = stretches[:, i] * stretches[:, j]
        torch.testing.assert_close(differences[:, k], 1 + 1 / product, rtol=1e-9, atol=0)
        torch.testing.assert_close(sums[:, k], 1 - 1 / product, rtol=1e-12, atol=1e-14)

    generator = torch.Generator().manual_seed(0)
    u, v = torch.linalg.qr(torch.randn(2, 3, 3, 3, generator=generator, dtype=torch.float64))[0]
    u = u * torch.linalg.det(u @ v).sign()[:, None, None]
    f = u @ torch.diag_embed(stretches) @ v
    expected = f - torch.linalg.inv(f).transpose(1, 2)
    torch.testing.assert_close(first_piola(neo_hookean, f), expected, rtol=0, atol=1e-14)


def test_the_nine_eigenvalues_are_those_of_the_full_tangent(rubber: PolyconvexStretch) -> None:
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(20, 3, 3, generator=generator, dtype=torch.float64)
    f = torch.eye(3, dtype=torch.float64) + 0.25 * noise
    f = f[torch.linalg.det(f) > 0.3]
    assert len(f) > 10

    def energy(gradient: Tensor) -> Tensor:
        return rubber.energy(torch.linalg.svdvals(gradient.reshape(3, 3)))

    hessian, differences, sums = tangent_eigenvalues(rubber.energy, torch.linalg.svdvals(f))
    nine = torch.cat([torch.linalg.eigvalsh(hessian), differences, sums], 1).sort(1).values
    for k, gradient in enumerate(f):
        full = torch.func.jacfwd(torch.func.jacrev(energy))(gradient.reshape(9))
        expected = torch.linalg.eigvalsh(0.5 * (full + full.T))
        scale = float(expected.abs().max())
        torch.testing.assert_close(nine[k], expected, rtol=0, atol=1e-9 * scale)
        largest = float(largest_tangent(rubber.energy, torch.linalg.svdvals(gradient)[None]))
        assert largest == pytest.approx(float(expected[-1]), rel=1e-9)
