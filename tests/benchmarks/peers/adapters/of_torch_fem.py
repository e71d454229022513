"""torch-fem: a Solid whose material gives the stress alone, as explicit steps need no tangent."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
from torchfem import Solid
from torchfem.materials import Hyperelastic3D

from tests.benchmarks.peers.adapters.with_torch import compiled_stress
from tests.benchmarks.peers.peer import Array, State, central_difference
from tests.benchmarks.peers.problem import Problem


class TorchFem:
    """torch-fem."""

    name, law, rule = "torch-fem", "learned", ""
    way = "integrate_material without stiffness, stress by torch.compile, shape gradients kept"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        stress = compiled_stress(problem)

        class Material(Hyperelastic3D):  # type: ignore[misc]
            def step(self, h: Any, f: Any, stress_before: Any, state: Any, *_: Any) -> Any:
                return stress(f + h), state, None

        class Column(Solid):  # type: ignore[misc]
            def eval_shape_functions(self, xi: Any) -> Any:
                if not hasattr(self, "_shapes"):
                    self._shapes = super().eval_shape_functions(xi)
                return self._shapes

        points, cells = torch.tensor(problem.points), torch.tensor(problem.cells)
        parameters = torch.zeros(len(cells), 1)
        self._model = Column(points, cells, Material(lambda f, p: 0.0, parameters))
        shape = (8, len(cells), 3, 3)
        self._rest = torch.eye(3).expand(shape).contiguous()
        self._none = torch.zeros(shape), torch.zeros(8, len(cells), 0)

    def version(self) -> str:
        return version("torch-fem")

    def _force(self, u: Any) -> Any:
        model, (stress, state) = self._model, self._none
        with torch.inference_mode():
            parts = model.integrate_material(
                u, self._rest, stress, state, u, stress[0], 0, compute_stiffness=False
            )
            return model.assemble_rhs(parts[1]).view(-1, 3)

    def force(self, u: Array) -> Array:
        out: Array = self._force(torch.from_numpy(u)).numpy()
        return out

    def repeated(self, u: Array) -> Callable[[], object]:
        place = torch.from_numpy(u)
        return lambda: self._force(place)

    def march(self, start: State, step: float, count: int) -> State:
        return central_difference(self.force, self.problem, start, step, count)

    def own_step(self) -> float | None:
        return None
