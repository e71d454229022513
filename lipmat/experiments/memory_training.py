"""The least-squares problem of a Maxwell body that is fitted to histories.

All parameters are unknown together: the weights of the equilibrium law, the shear moduli, and of
each branch the flow curve and the hardening. The stress of a branch depends on its own unknowns
only, so one scan with as many laws side by side as a branch has unknowns gives the derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipmat.errors import InputError
from lipmat.experiments.dataset import Dataset, Test
from lipmat.experiments.flow_curves import FlowCurves
from lipmat.experiments.histories import (
    History,
    batch_of,
    check_axes,
    history_of,
    same_width,
)
from lipmat.experiments.memory_prediction import CHANGE
from lipmat.experiments.memory_scan import scan
from lipmat.experiments.memory_start import catalogue, choose, hardening_knots, rates_of
from lipmat.experiments.modes import measurement
from lipmat.experiments.problem import Problem
from lipmat.experiments.report import measured_values
from lipmat.experiments.strain_tests import Kinematics, pairs_of
from lipmat.experiments.volume import LEARNED, volume_of
from lipmat.materials.memory import Remainder
from lipmat.materials.springs import Spring

Array = NDArray[np.float64]
STIFFNESS = 1e-4  # weight of the branches' stiffness; one value for all data
BENDS = 0.3, 1e-4  # weights of the bends of flow curves and of hardening; the same for all data
ROUGHNESS = 4e-3  # weight of that of the equilibrium law; the same for all data
ELASTIC = 10.0  # weight of Young's modulus of the dataset, relative
NUDGE = 1e-6  # of an unknown, for the derivative
LEAST = 1e-6  # viscosity of a branch, over its size


@dataclass(frozen=True)
class MemoryOptions:
    """How to fit a Maxwell body.

    Attributes:
        branches: Their number at most.
        hardening: Whether the strength of the branches changes with their flow.
        kinematics: ``small`` or ``log``.
        bulk_modulus: Of the linear volume change [Pa]; None: from the data.
        seed: Of the regularisation of the equilibrium law.
        spring: Springs of the branches.
    """

    branches: int
    hardening: bool
    kinematics: Kinematics
    bulk_modulus: float | None
    seed: int
    spring: Spring = "hencky"


class Training:
    """Residuals of a fit as a function of the unknowns.

    The unknowns are those of the equilibrium law, where there is one, and the shear moduli of the
    branches, all over :attr:`scale`; then those of the branches' flow (:class:`FlowCurves`).

    Attributes:
        volume: The change of volume apart from the equilibrium law.
        equilibrium: The problem of its equilibrium law; None where there is none.
        histories: The tests.
        shear_modulus: Of the elastic constants of the dataset, which all branches have together
            [Pa]; None where there are none.
        scale: Root mean square stress of the tests [Pa].
        target: All readings, less what does not depend on the unknowns, over the scale (m,).
        weight: Of the readings; the stress of a test has the same weighted norm as that of any
            other. Within a test it is one over the column ``deviation``, if there is one (m,).
        curves: Flow curves of the branches, once :meth:`start` has chosen them.

    Raises:
        InputError: A test is no history, or does not suit the law.
    """

    curves: FlowCurves

    def __init__(self, data: Dataset, tests: Sequence[Test], options: MemoryOptions) -> None:
        self.options = options
        for test in tests:
            check_axes(test, options.kinematics)
        self.volume = volume_of(data, tests, options.bulk_modulus, options.kinematics)
        rubber = options.kinematics == "log" and data.bulk_modulus is None
        _check_volume(tests, self.volume == LEARNED, rubber)
        bulk = self.volume.bulk_modulus
        if not rubber:
            tests = [test for test in tests if test.mode != "volumetric"]
        if not tests:
            raise InputError(f"{data.folder}: no test changes the shape of the material")
        self.histories = [_history(test, options.kinematics, bulk) for test in tests]
        measured = [_by_column(h, measured_values(h.test)) for h in self.histories]
        self.scale = float(np.sqrt(np.mean([(m**2).mean() for m in measured])))
        if not self.scale > 0:
            raise InputError(f"{data.folder}: found no stress at any point of the tests")
        self.shear_modulus = None if rubber else _shear_modulus(data)
        self.equilibrium = None
        columns = [np.zeros((*m.shape, 0)) for m in measured]
        offsets = [h.values(_pressure(h, 0.0 if rubber else bulk or 0.0)) for h in self.histories]
        if rubber:
            self.equilibrium = Problem([measurement(t) for t in tests], options.seed, bulk)
            models, factor = self.equilibrium.columns(), self.equilibrium.scale / self.scale
            columns = [
                factor * model.columns.numpy().reshape(*m.shape, -1)
                for model, m in zip(models, measured, strict=True)
            ]
            offsets = [
                self.equilibrium.scale * model.offset.numpy().reshape(m.shape)
                for model, m in zip(models, measured, strict=True)
            ]
        self._arrange(measured, columns, offsets)
        self.divide(1)

    def _arrange(
        self, measured: Sequence[Array], columns: Sequence[Array], offsets: Sequence[Array]
    ) -> None:
        """Put all readings end to end; those of tests that have fewer rows or columns are not."""
        rows, number = max(m.shape[1] for m in measured), max(len(m) for m in measured)
        width = max(h.strain.shape[1] for h in self.histories)
        count = len(measured)
        self._there = torch.zeros(rows, count, number, dtype=torch.bool)
        self._factors = torch.zeros(rows, count, number, dtype=torch.float64)
        self._probes = torch.zeros(count, number, width, dtype=torch.float64)
        target = torch.zeros(rows, count, number, dtype=torch.float64)
        weight, test = target.clone(), torch.zeros_like(target, dtype=torch.int64)
        known = torch.zeros(rows, count, number, columns[0].shape[2], dtype=torch.float64)
        for i, (h, m, c, o) in enumerate(
            zip(self.histories, measured, columns, offsets, strict=True)
        ):
            there = (slice(m.shape[1]), i, slice(len(m)))
            self._there[there] = True
            self._factors[there] = torch.from_numpy(h.factors.T.copy())
            self._probes[i, : len(m)] = torch.from_numpy(same_width(h.probes, width))
            target[there] = torch.from_numpy((m - o).T / self.scale)
            share = 1.0 / _deviation(h.test, m)
            size = np.linalg.norm(share * m) / self.scale * np.sqrt(count)
            if not size > 0:
                raise InputError(f"{h.test.path}: found no stress at any point")
            weight[there] = torch.from_numpy(share.T / size)
            test[there] = i
            known[there] = torch.from_numpy(c.transpose(1, 0, 2).copy())
        self.target, self.weight = target[self._there], weight[self._there]
        self._known, self._test = known[self._there], test[self._there]

    def divide(self, substeps: int) -> None:
        """Reach each row in some substeps, and in twice as many, to be extrapolated to none."""
        self._batches = [batch_of(self.histories, n * substeps) for n in (1, 2)]

    def start(self) -> Tensor:
        """Choose the branches and return the unknowns to start from."""
        curves, offered = catalogue(self.histories, rates_of(self.histories))
        units = self.units(curves.remainder(offered.unsqueeze(0)), 1, len(offered))[:, 0]
        w = self.weight.unsqueeze(1)
        known, unknowns = w * self._known, self._known.shape[1]
        if self.equilibrium is not None:
            known = torch.cat([known, self.equilibrium.regularisation(ROUGHNESS)])
        missing = units.new_zeros(len(known) - len(units), len(offered))
        wanted = [self.weight * self.target, missing[:, 0]]
        some = [w * units, missing]
        if self.shear_modulus is not None:
            row = torch.full((1, len(offered)), self._elastic, dtype=torch.float64)
            some, wanted = [*some, row], [*wanted, row.new_tensor([ELASTIC])]
            known = torch.cat([known, row.new_zeros(1, unknowns)])
        chosen, weights = choose(
            known.numpy(),
            torch.cat(some).numpy(),
            torch.cat(wanted).numpy(),
            self.options.branches,
        )
        knots = hardening_knots(self.histories) if self.options.hardening else np.zeros(1)
        self.curves = replace(curves, size=curves.size[chosen], flows=torch.from_numpy(knots))
        flat = torch.zeros(len(chosen), len(knots) - 1, dtype=torch.float64)
        own = torch.cat([offered[chosen], flat], 1)
        x = torch.cat([torch.from_numpy(weights[: unknowns + len(chosen)]), own.flatten()])
        return torch.maximum(x, torch.from_numpy(self.lower))

    @property
    def lower(self) -> Array:
        """Least unknowns, minus infinity where there is no bound."""
        own = np.zeros((len(self.curves.size), self.curves.unknowns))
        own[:, len(self.curves.rates)] = LEAST
        own[:, len(self.curves.rates) + 1 :] = -np.inf
        return np.concatenate([np.zeros(self._known.shape[1] + len(own)), own.ravel()])

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the unknowns of the equilibrium law, the moduli (B,), and the flow's (B, n)."""
        b, n = len(self.curves.size), self.curves.unknowns
        rest, moduli, own = x.split([self._known.shape[1], b, b * n])
        return rest, moduli, own.reshape(b, n)

    def follow(self, x: Tensor) -> None:
        """Let the regularisation of the equilibrium law follow the unknowns."""
        if self.equilibrium is not None:
            self.equilibrium.follow(self.split(x)[0])

    def values(self, x: Tensor) -> Tensor:
        """Return what the law predicts for all readings, over the scale (m,)."""
        rest, moduli, own = self.split(x)
        units = self.units(self.curves.remainder(own.unsqueeze(0)), 1, len(moduli))
        return self._known @ rest + units[:, 0] @ moduli

    def settled(self, values: Callable[[], Tensor], substeps: int) -> bool:
        """Tell whether twice the substeps change no test by more than CHANGE of its stress."""
        before = values()
        self.divide(2 * substeps)
        after = values()
        return all(
            float((after - before)[one].abs().max()) <= CHANGE * float(after[one].abs().max())
            for one in (self._test == i for i in range(len(self.histories)))
        )

    def linearised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return relative errors and regularisation (m,), and their derivative (m, unknowns).

        Both are turned, which changes no product of theirs, so that m is one more than the
        unknowns.
        """
        rest, moduli, own = self.split(x)
        b, n = own.shape
        laws = own + NUDGE * torch.cat(
            [torch.zeros(1, n), torch.eye(n, dtype=torch.float64)]
        ).unsqueeze(1)
        units = self.units(self.curves.remainder(laws), n + 1, b)
        rates = (units[:, 1:] - units[:, :1]) / NUDGE * moduli
        rows = [self._known, units[:, 0], rates.transpose(1, 2).flatten(1)]
        error = self._known @ rest + units[:, 0] @ moduli - self.target
        w = self.weight
        parts = [(w * error, w.unsqueeze(1) * torch.cat(rows, 1)), *self._regularisation(x, laws)]
        errors, derivatives = zip(*parts, strict=True)
        every = torch.cat([torch.cat(derivatives), torch.cat(errors).unsqueeze(1)], 1)
        turned = torch.linalg.qr(every, mode="r").R
        return turned[:, -1], turned[:, :-1]

    def _regularisation(self, x: Tensor, laws: Tensor) -> list[tuple[Tensor, Tensor]]:
        rest, _, own = self.split(x)
        b, n = own.shape
        total = torch.zeros(1, len(x), dtype=torch.float64)
        total[:, len(rest) : len(rest) + b] = 1.0
        if self.shear_modulus is None:
            reach = max(np.linalg.norm(h.deviator, axis=1).max() for h in self.histories)
            total *= 2.0 * STIFFNESS * float(reach)
            parts = [(total @ x, total)]
        else:
            total *= self._elastic
            parts = [(total @ x - ELASTIC, total)]
        bends = [self.curves.roughness(law) for law in laws]
        rough = torch.stack(
            [torch.cat([w * c for w, c in zip(BENDS, found, strict=True)], 1) for found in bends]
        )
        if rough.shape[2]:
            rates = (rough[1:] - rough[0]) / NUDGE  # (n, b, k)
            out = torch.zeros(b, rough.shape[2], b, n, dtype=torch.float64)
            for i in range(b):
                out[i, :, i] = rates[:, i].T
            jacobian = torch.cat(
                [
                    out.new_zeros(b * rough.shape[2], len(rest) + b),
                    out.reshape(b * rough.shape[2], b * n),
                ],
                1,
            )
            parts.append((rough[0].flatten(), jacobian))
        if self.equilibrium is not None:
            rows = self.equilibrium.regularisation(ROUGHNESS)
            rows = torch.nn.functional.pad(rows, (0, len(x) - len(rest)))
            parts.append((rows @ x, rows))
        return parts

    @property
    def _elastic(self) -> float:
        """What the modulus of a branch adds to the residual of the elastic constants."""
        assert self.shear_modulus is not None
        return ELASTIC * self.scale / self.shear_modulus

    def units(self, remainder: Remainder, laws: int, branches: int) -> Tensor:
        """Return what branches of unit modulus make of all readings, (m, laws, branches) [-]."""
        coarse, fine = (
            scan(remainder, batch, self._probes, laws, branches, self.options.spring)[0]
            for batch in self._batches
        )
        units = (2.0 * fine - coarse) * self._factors[:, None, :, :, None]
        return units.permute(0, 2, 3, 1, 4)[self._there]

    def elastic(self, remainder: Remainder, branches: int) -> float:
        """Return the largest size of an elastic strain of any branch in the tests [-]."""
        return float(scan(remainder, self._batches[1], self._probes, 1, branches)[1].max())


def _check_volume(tests: Sequence[Test], untold: bool, rubber: bool) -> None:
    for test in tests:
        free = test.lateral == "free" and test.mode not in ("simple_shear", "volumetric", "tensor")
        if rubber and free:
            raise InputError(
                f"{test.path}: found lateral = 'free' for a law with memory in logarithmic strain, "
                "expected 'incompressible' or 'measured', or young and poisson in dataset.toml"
            )
    if untold:
        raise InputError(
            f"{tests[0].path}: nothing tells the bulk modulus, expected it given, young and "
            "poisson in dataset.toml, a volumetric test, or lateral = 'incompressible'"
        )


def _shear_modulus(data: Dataset) -> float | None:
    if data.young is None or data.poisson is None:
        return None
    return data.young / (2.0 * (1.0 + data.poisson))


def _history(test: Test, kinematics: Kinematics, bulk_modulus: float | None) -> History:
    """Return a test as a history, free lateral strains from the stress that was measured."""
    if test.lateral == "free" and test.mode in ("uniaxial", "equibiaxial", "planar", "biaxial"):
        return history_of(test, kinematics, pairs_of(test, kinematics, bulk_modulus).strain)
    return history_of(test, kinematics)


def _deviation(test: Test, values: Array) -> Array:
    """Return the deviations of readings (c, n), or ones where nothing tells them."""
    if "deviation" not in test.columns:
        return np.ones_like(values)
    deviation = test.columns["deviation"]
    if not (deviation > 0).all():
        row = int(np.argmin(deviation))
        raise InputError(
            f"{test.path}: column 'deviation': found {deviation[row]:g} Pa in row {row + 1}, "
            "expected more than 0, which a law with memory weighs its readings by, or no such "
            "column"
        )
    return np.broadcast_to(deviation, values.shape)


def _pressure(history: History, bulk_modulus: float) -> Array:
    """Return the stress of the volume change, of the shape of the strain [Pa]."""
    out = np.zeros_like(history.strain)
    out[:, :3] = bulk_modulus * history.strain[:, :3].sum(1, keepdims=True)
    return out


def _by_column(history: History, values: Array) -> Array:
    """Return ordered values as (c, n)."""
    if history.test.mode == "tensor":
        return np.asarray(values.reshape(-1, 6).T)
    return np.asarray(values.reshape(len(history.probes), -1))
