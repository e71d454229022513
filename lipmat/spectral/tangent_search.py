r"""The range of a graph's Hessian over a box, by branch and bound with a certificate to check.

Over each box the Hessian is at most ``C + sum_i t_i G_i``, ``|t_i| <= 1``, in Loewner order (see
``jets``). With ``C = V diag(l) V^T`` and ``B`` the sum of the sizes of ``V^T G_i V``, entry by
entry,

    lambda_max(H) <= lambda_max(diag(l) + B)         (Perron and Frobenius).

Since V are the axes of C, an entry off the diagonal counts with its square over the distance of
two eigenvalues, so that this converges as fast as the enclosure does. Boxes are halved, the worst
first. What remains is a tree of halvings: to check the bound again only its leaves are evaluated.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor

from lipmat.spectral.graph import Graph
from lipmat.spectral.jets import hessians, variables
from lipmat.spectral.passing import passed

BATCH = 256  # boxes that are evaluated at a time
_HALVED = 64  # boxes that are halved at a time, the worst
_LOOKS = 16  # of their middles that are sampled
LEAF = -1.0
_ROUNDING = 1e-12  # of 6 x 6 eigenvalues, over the size of the matrix


def values_and_gradients(graph: Graph, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return values (n, k) and gradients (n, k, d) of all entries of a graph at points (n, d)."""
    frame = torch.eye(points.shape[1], dtype=torch.float64)
    jets = passed(graph, variables(points, None, frame))
    return jets.value.a[..., 0], jets.gradient.a[..., 0]


@dataclass(frozen=True)
class Ranges:
    """Enclosures over b boxes.

    Attributes:
        lower: Below all eigenvalues of the Hessian, shape (b,).
        upper: Above all of them, shape (b,).
        gradient: Middle and half width of the gradient, each of shape (b, d).
        axis: Along which to halve, shape (b,).
    """

    lower: Tensor
    upper: Tensor
    gradient: tuple[Tensor, Tensor]
    axis: Tensor


class TangentRange:
    """Encloses gradient and Hessian of a graph over boxes.

    Args:
        graph: A scalar function of a vector.
        frame: Derivatives are taken in y, ``x = frame @ y``, shape (m, d).
        lo: Lower corner of the whole box, shape (m,).
        hi: Upper corner.
        outside: Maps boxes, lower and upper corners (b, m), to whether none of their points is
            of interest, shape (b,).
    """

    def __init__(
        self,
        graph: Graph,
        frame: Tensor,
        lo: Tensor,
        hi: Tensor,
        outside: Callable[[Tensor, Tensor], Tensor],
    ) -> None:
        self.graph, self.frame, self.lo, self.hi = graph, frame, lo, hi
        self.outside = outside

    def over(self, lo: Tensor, hi: Tensor) -> Ranges:
        """Return the enclosures over boxes (b, m)."""
        parts = [self._over(a, b) for a, b in zip(lo.split(BATCH), hi.split(BATCH), strict=True)]
        joined = [torch.cat(x) for x in zip(*parts, strict=True)]
        return Ranges(joined[0], joined[1], (joined[2], joined[3]), joined[4])

    def _over(self, lo: Tensor, hi: Tensor) -> tuple[Tensor, ...]:
        centre = 0.5 * (lo + hi)
        half = torch.maximum(hi - centre, centre - lo) * (1.0 + 1e-15)
        jets = passed(self.graph, variables(centre, half, self.frame))
        found = hessians(jets)
        finite = [torch.isfinite(x).flatten(1).all(1) for x in (*found, *jets.gradient)]
        bad = ~torch.stack(finite).all(0)
        middle, linear, above, below = (
            x.masked_fill(bad.reshape(-1, *[1] * (x.ndim - 1)), 0.0) for x in found
        )
        upper = _largest_eigenvalue(middle + above, linear)
        lower = -_largest_eigenvalue(below - middle, linear)
        axis = self._axis(linear, above + below, half)
        inf = torch.tensor(torch.inf, dtype=lo.dtype)
        gradient, width = jets.gradient.a[:, 0, :, 0], jets.gradient.spread[:, 0]
        width = torch.where(bad[:, None], inf, width * (1.0 + _ROUNDING))
        return torch.where(bad, -inf, lower), torch.where(bad, inf, upper), gradient, width, axis

    def _axis(self, linear: Tensor, rest: Tensor, half: Tensor) -> Tensor:
        """Return along which axis the Hessian changes most, remainders by squares of widths."""
        share = (half / (self.hi - self.lo)) ** 2
        share = share / share.sum(1, keepdim=True)
        size = torch.linalg.matrix_norm(rest)[:, None] * share
        return (torch.linalg.matrix_norm(linear) + size).argmax(1)

    def at(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return gradient (n, d) and Hessian (n, d, d) at points (n, m), rounded."""
        jets = passed(self.graph, variables(points, None, self.frame))
        return jets.gradient.a[:, 0, :, 0], hessians(jets).middle


def _largest_eigenvalue(middle: Tensor, linear: Tensor) -> Tensor:
    """Return a bound of the largest eigenvalue of ``middle + sum_i t_i linear_i``, (b,)."""
    values, v = torch.linalg.eigh(middle)
    turned = v.mT.unsqueeze(1) @ linear @ v.unsqueeze(1)
    added = turned.abs().sum(1)
    upper = torch.linalg.eigvalsh(torch.diag_embed(values) + added)[:, -1]
    return upper + _ROUNDING * (values.abs().sum(-1) + added.sum((-1, -2)))


@dataclass
class Search:
    """What a search found.

    Attributes:
        tree: Axis of each halving, first the lower half and then the upper one, and LEAF (-1) for a
            box that is not halved, from the root on, shape (n,).
        upper: Certified: above the value over every leaf.
        lower: Certified: below the eigenvalues of every leaf.
        sampled: Largest value found at a point, and the point.
        smallest: Smallest eigenvalue found at a point, and the point.
        boxes: Number of boxes evaluated.
    """

    tree: Tensor
    upper: float
    lower: float
    sampled: tuple[float, Tensor]
    smallest: tuple[float, Tensor]
    boxes: int


@dataclass
class _Node:
    lo: Tensor
    hi: Tensor
    upper: float
    lower: float
    axis: int
    children: list[_Node] = field(default_factory=list)


Values = Callable[[Tensor, Tensor, Ranges], Tensor]
Sampled = Callable[[Tensor], tuple[Tensor, Tensor]]


class Searcher:
    """Best-first branch and bound that can be ended at any time.

    Args:
        ranges: Gives the enclosures.
        upper: Maps boxes and their enclosures to upper bounds (b,) of the value to bound.
        sample: Maps points (n, m) to the value and the smallest eigenvalue, each of shape (n,).
        inside: Maps points (n, m) to the nearest ones of interest.
        convexity: Also refine until the smallest eigenvalue is known not to be negative, as long as
            no point refutes it.
        tight_below: Where a point does refute it, refine the smallest eigenvalue too.
    """

    def __init__(
        self,
        ranges: TangentRange,
        upper: Values,
        sample: Sampled,
        inside: Callable[[Tensor], Tensor],
        convexity: bool,
        tight_below: bool = False,
    ) -> None:
        self.ranges, self.upper, self.sample, self.inside = ranges, upper, sample, inside
        self.convexity, self.tight_below = convexity, tight_below
        self.best: tuple[float, Tensor] = (-torch.inf, ranges.lo)
        self.least: tuple[float, Tensor] = (torch.inf, ranges.lo)
        self.boxes = 0

    def run(
        self,
        seconds: float,
        tolerance: float,
        leaves: int,
        start: Tensor,
        progress: Callable[[float, float, float], None] | None = None,
    ) -> Search:
        """Search until the gap is closed, the time is over or the tree has so many leaves.

        Args:
            seconds: Time to stop at; the bounds then found are certified as they are.
            tolerance: Relative gap between certified and sampled value to stop at.
            leaves: Of the tree, at most: they are evaluated again to check the bound.
            start: Points to sample first, shape (n, m).
            progress: Called with the share of the time that is over, upper bound and sampled value.
        """
        began = perf_counter()
        self._look(start)
        root = self._nodes(self.ranges.lo[None], self.ranges.hi[None])[0]
        count, number = 1, 0
        heap: list[tuple[float, int, _Node]] = [(-torch.inf, 0, root)]
        while heap:
            used = (perf_counter() - began) / seconds
            top = max(n.upper for _, _, n in heap)
            if progress is not None:
                progress(used, top, self.best[0])
            if used >= 1.0 or count >= leaves or self._excess(heap[0][2]) <= tolerance:
                break
            taken = [heapq.heappop(heap)[2] for _ in range(min(_HALVED, len(heap)))]
            self._halve(taken)
            children = [c for n in taken for c in n.children]
            count += len(children) - len(taken)
            for child in children:
                number += 1
                heapq.heappush(heap, (-self._excess(child), number, child))
            heap = self._sorted_again(heap)
        return self._result(root, [n for _, _, n in heap])

    def _sorted_again(self, heap: list[tuple[float, int, _Node]]) -> list[tuple[float, int, _Node]]:
        """Order by what is known now: a better sample changes the excess of all."""
        again = [(-self._excess(node), k, node) for _, k, node in heap]
        heapq.heapify(again)
        return again

    def _excess(self, node: _Node) -> float:
        """Return how far a box is from being good enough, over the sampled value."""
        scale = abs(self.best[0])
        excess = (node.upper - self.best[0]) / scale
        if self.convexity and self.least[0] >= 0.0 and node.lower < 0.0:
            excess = max(excess, 1.0 - node.lower / scale)  # before all that is only not tight
        elif self.tight_below and self.least[0] < 0.0:
            excess = max(excess, (self.least[0] - node.lower) / scale)
        return excess

    def _halve(self, nodes: Sequence[_Node]) -> None:
        corners, parents = [], []
        for node in nodes:
            for lo, hi in halves(node.lo, node.hi, node.axis):
                corners.append((lo, hi))
                parents.append(node)
        lo, hi = (torch.stack(x) for x in zip(*corners, strict=True))
        self._look(0.5 * (lo + hi)[:_LOOKS])
        for parent, child in zip(parents, self._nodes(lo, hi), strict=True):
            parent.children.append(child)

    def _nodes(self, lo: Tensor, hi: Tensor) -> list[_Node]:
        """Return nodes of boxes; those outside have the value minus infinity."""
        upper, lower, axis = checked(self.ranges, self.upper, lo, hi)
        self.boxes += len(lo)
        rows = zip(lo, hi, upper.tolist(), lower.tolist(), axis.tolist(), strict=True)
        return [_Node(*row) for row in rows]

    def _look(self, points: Tensor) -> None:
        points = self.inside(points)
        value, least = self.sample(points)
        i, j = int(value.argmax()), int(least.argmin())
        if float(value[i]) > self.best[0]:
            self.best = (float(value[i]), points[i].clone())
        if float(least[j]) < self.least[0]:
            self.least = (float(least[j]), points[j].clone())

    def _result(self, root: _Node, leaves: list[_Node]) -> Search:
        axes: list[float] = []
        left = [root]
        while left:
            node = left.pop()
            axes.append(float(node.axis) if node.children else LEAF)
            left += node.children[::-1]
        return Search(
            torch.tensor(axes, dtype=torch.float64),
            max(n.upper for n in leaves),
            min(n.lower for n in leaves),
            self.best,
            self.least,
            self.boxes,
        )


def checked(
    ranges: TangentRange, upper: Values, lo: Tensor, hi: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return upper bounds of the value, lower ones of the eigenvalues, and axes, of boxes (b, m).

    Boxes without a point of interest have minus and plus infinity.
    """
    inside = ~ranges.outside(lo, hi)
    most, least = lo.new_full((len(lo),), -torch.inf), lo.new_full((len(lo),), torch.inf)
    axis = torch.zeros(len(lo), dtype=torch.long)
    if bool(inside.any()):
        a, b = lo[inside], hi[inside]
        found = ranges.over(a, b)
        most[inside], least[inside] = upper(a, b, found), found.lower
        axis[inside] = found.axis
    return most, least, axis


def halves(lo: Tensor, hi: Tensor, axis: int) -> list[tuple[Tensor, Tensor]]:
    """Return both halves of a box (m,)."""
    middle = 0.5 * (lo[axis] + hi[axis])
    left, right = hi.clone(), lo.clone()
    left[axis] = right[axis] = middle
    return [(lo, left), (right, hi)]


def leaves_of(tree: Tensor, lo: Tensor, hi: Tensor) -> tuple[Tensor, Tensor]:
    """Return the corners (n, m) of the leaves of a tree of halvings: they cover the box.

    Raises:
        ValueError: It is no such tree.
    """
    found, left = [], [(lo, hi)]
    for axis in tree.tolist():
        if not left or axis not in (LEAF, *range(len(lo))):
            raise ValueError(f"tree: found the axis {axis:g}, expected a tree of halvings")
        box = left.pop()
        if axis == LEAF:
            found.append(box)
        else:
            left += halves(*box, int(axis))[::-1]
    if left or not found:
        raise ValueError("tree: found boxes without leaves, expected a tree of halvings")
    a, b = zip(*found, strict=True)
    return torch.stack(a), torch.stack(b)
