"""Spectral norms of matrices and of convolutions, rounded up: what certificates are made of.

A convolution is a linear map of whole signals. Its norm is that of the symbol, the Fourier
transform of the kernel, and not that of the kernel reshaped to a matrix (Sedghi, Gupta & Long,
ICLR 2019). Signals have the shape (channels, size ...), kernels (outputs, inputs, size ...).
"""

from __future__ import annotations

from math import cos, log2, pi, prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)
_EXACT = 1024
"""Most columns or rows of a convolution whose matrix is written out."""
_FINE = 64
"""Grid points per degree of a symbol where it is bounded between the points."""


def matrix_norm(matrix: Tensor) -> float:
    """Return the largest singular value of a matrix (m, n), rounded up.

    The margin is a generous multiple of the backward error of the singular value decomposition in
    float64 (Golub & Van Loan, Matrix Computations, 4th ed., section 8.6).

    Raises:
        ValueError: An entry is not finite.
    """
    array = _finite(matrix)
    terms: int = sum(array.shape)
    return float(np.linalg.norm(array, 2)) * (1.0 + 8.0 * terms * _EPS) + _TINY


def circular_norm(kernel: Tensor, size: tuple[int, ...]) -> float:
    """Return the norm of a circular convolution of signals of one size, rounded up; it is exact.

    The discrete Fourier transform makes the map block diagonal: one matrix (outputs, inputs) per
    frequency.

    Args:
        kernel: Shape (outputs, inputs, kernel size ...).
        size: Of the signal, at least that of the kernel.

    Raises:
        ValueError: The kernel is larger than the signal, or not finite.
    """
    array = _finite(kernel)
    if any(k > n for k, n in zip(array.shape[2:], size, strict=True)):
        raise ValueError(f"size of the signal: found {size}, expected >= {array.shape[2:]}")
    return _largest_symbol(array, size)


def every_size_norm(kernel: Tensor) -> float:
    """Return a bound of a convolution for every size, padded circularly or with zeros.

    It is the maximum of the symbol over all frequencies. Between the points of a grid of m per
    axis a trigonometric polynomial of degree d exceeds its grid maximum at most by the factor
    ``1 / cos(pi d / m)`` per axis (Ehlich & Zeller, Math. Z. 86 (1964) 41). Padding with zeros
    takes a window out of the convolution on the whole lattice, which has no larger norm.
    """
    array = _finite(kernel)
    degrees = [k // 2 for k in array.shape[2:]]
    grid = tuple(max(k, _FINE * d) for k, d in zip(array.shape[2:], degrees, strict=True))
    between = prod(1.0 / cos(pi * d / m) for d, m in zip(degrees, grid, strict=True))
    return _largest_symbol(array, grid) * between * (1.0 + 8.0 * _EPS)


def zero_padded_norm(kernel: Tensor, size: tuple[int, ...]) -> float:
    """Return a bound of a convolution that is padded with zeros to keep the size; odd kernels.

    It is exact where the matrix has at most 1,024 rows or columns. Larger ones are windows of the
    circular convolution of a signal that is longer by half the kernel, with zeros there.

    Args:
        kernel: Shape (outputs, inputs, kernel size ...).
        size: Of the signal.
    """
    if min(kernel.shape[:2]) * prod(size) <= _EXACT:
        return matrix_norm(zero_padded_matrix(kernel, size))
    longer = tuple(max(n + k // 2, k) for n, k in zip(size, kernel.shape[2:], strict=True))
    return min(circular_norm(kernel, longer), every_size_norm(kernel))


def zero_padded_matrix(kernel: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return the matrix (outputs * pixels, inputs * pixels) of a zero-padded convolution."""
    wide = kernel.shape[0] > kernel.shape[1]
    operator = kernel.detach().to(torch.float64)
    if wide:  # fewer columns than rows: the images of the unit signals
        pixels = torch.eye(kernel.shape[1] * prod(size), dtype=torch.float64)
        return _convolved(pixels.reshape(-1, kernel.shape[1], *size), operator).T
    flipped = operator.transpose(0, 1).flip(list(range(2, kernel.ndim)))
    pixels = torch.eye(kernel.shape[0] * prod(size), dtype=torch.float64)
    return _convolved(pixels.reshape(-1, kernel.shape[0], *size), flipped)


def _convolved(signals: Tensor, kernel: Tensor) -> Tensor:
    convolve = (torch.nn.functional.conv1d, torch.nn.functional.conv2d)[kernel.ndim - 3]
    out: Tensor = convolve(signals, kernel, padding=tuple(k // 2 for k in kernel.shape[2:]))
    return out.flatten(1)


def _largest_symbol(kernel: Array, grid: tuple[int, ...]) -> float:
    axes = tuple(range(2, kernel.ndim))
    symbol = np.moveaxis(np.fft.rfftn(kernel, s=grid, axes=axes), (0, 1), (-2, -1))
    largest = float(np.linalg.norm(symbol, 2, axis=(-2, -1)).max())
    transform = 16.0 * log2(2 * prod(grid)) * float(np.linalg.norm(np.abs(kernel).sum(axes)))
    return largest * (1.0 + 8.0 * sum(kernel.shape[:2]) * _EPS) + transform * _EPS + _TINY


def _finite(values: Tensor) -> Array:
    array: Array = values.detach().to(torch.float64).cpu().numpy()
    if not np.isfinite(array).all():
        raise ValueError("norm: found weights that are not finite, expected numbers")
    return array
