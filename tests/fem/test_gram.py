from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from lipmat.fem.gram import Gram


def expected(nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    rows, width = nodes.shape
    columns = 3 * nodes.reshape(-1, 1) + np.arange(3)
    starts = 3 * width * np.arange(rows + 1)
    r = csr_matrix((values.ravel(), columns.ravel(), starts), (rows, 3 * (nodes.max() + 1)))
    return (r @ r.T).toarray()


def test_the_gram_matrix_of_rows_that_share_nodes() -> None:
    """The sparse product of scipy, also where the values change and where nodes are left out."""
    rng = np.random.default_rng(0)
    nodes = np.stack([rng.choice(40, 8, replace=False) for _ in range(30)]).astype(np.int32)
    values = rng.standard_normal((nodes.size, 3))
    gram = Gram(nodes, values)
    for _ in range(2):
        gram.update()
        assert np.abs(gram.matrix.toarray() - expected(nodes, values)).max() <= 1e-13
        x = rng.standard_normal(30)
        assert gram @ x == pytest.approx(gram.matrix @ x, rel=1e-12, abs=1e-12)
        values[:] = rng.standard_normal(values.shape)


def test_rows_without_a_common_node() -> None:
    nodes = np.arange(8, dtype=np.int32).reshape(2, 4)
    gram = Gram(nodes, np.ones((8, 3)))
    gram.update()
    found = gram.matrix.tocoo()
    assert sorted(zip(found.row.tolist(), found.col.tolist(), strict=True)) == [(0, 0), (1, 1)]
    assert found.data.tolist() == [12.0, 12.0]
