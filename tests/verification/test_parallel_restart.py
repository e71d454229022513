"""A run that was interrupted on two ranks goes on with one, two or three."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from lipmat.fem.body import Body
from lipmat.fem.loads import Gravity, Motion, Pressure
from lipmat.fem.march import march
from lipmat.fem.record import Record
from lipmat.fem.step import critical_step
from tests.fem.laws import law
from tests.fem.runs import fields_of, stop_at
from tests.mpi import run_ranks


def solve(kind: str, folder: Path, mode: str) -> Record:
    """March on all ranks; ``stop`` it at a check, or ``resume`` it."""
    body = Body.box((1, 1, 2), (3, 3, 6), "tetrahedron", law(kind), 930.0)
    step = critical_step(body)
    loads = [Motion("z-min", (0, 0, 0)), Pressure("x-max", 300.0), Gravity((0, 0, -1.0))]
    return march(
        body,
        step,
        0.3,
        loads=loads,
        velocity=lambda x: 2.0 * x[2] * np.stack([0.5 - x[1], x[0] - 0.5, 0 * x[0]]),
        folder=folder,
        every=0.022,
        check_every=2,
        probes=[(0.5, 0.5, 2.0)],
        verify=kind == "linear",
        sharp=False,  # its random starts depend on the ranks
        progress=stop_at(21) if mode == "stop" else None,
        resume=mode == "resume",
    )


@pytest.mark.mpi
@pytest.mark.parametrize(("kind", "numbers"), [("rubber", (1, 3)), ("linear", (2,))])
def test_ranks_may_change(kind: str, numbers: tuple[int, ...], tmp_path: Path) -> None:
    """Records of all of them against an uninterrupted run on one rank."""
    whole = solve(kind, tmp_path / "whole", "whole")
    run_ranks(__file__, kind, tmp_path / "stopped", "stop")
    stopped = json.loads((tmp_path / "stopped" / "summary.json").read_text())
    assert (stopped["outcome"], stopped["ranks"]) == ("interrupted", 2)
    assert 40 < stopped["steps"] < 0.8 * whole.summary["steps"]
    expected = fields_of(tmp_path / "whole")
    history = (tmp_path / "whole" / "history.csv").read_text()
    for ranks in numbers:
        shutil.copytree(tmp_path / "stopped", tmp_path / str(ranks))
        run_ranks(__file__, kind, tmp_path / str(ranks), "resume", n=ranks)
        summary = json.loads((tmp_path / str(ranks) / "summary.json").read_text())
        assert (summary["outcome"], summary["ranks"]) == ("completed", ranks)
        assert summary["steps"] == whole.summary["steps"]
        found = fields_of(tmp_path / str(ranks))
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            if values.dtype == np.float64:
                np.testing.assert_allclose(
                    found[name], values, rtol=0, atol=1e-12 * np.abs(values).max(), err_msg=name
                )
            else:
                assert np.array_equal(found[name], values), name
        assert (tmp_path / str(ranks) / "history.csv").read_text().count("\n") == history.count(
            "\n"
        )


if __name__ == "__main__":
    solve(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
