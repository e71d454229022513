"""Make this dataset: Johnson and Cook's copper in compression at constant rates.

    uv run python data/ofhc-copper-johnson-cook/make.py

The data are synthetic. The law's ordinary differential equation,

    d eps_p / dt = rate_0 exp((tau / (A + B eps_p^n) - 1) / C),     tau = E (eps - eps_p),

is integrated at constant rates of the logarithmic strain eps, with tau the Kirchhoff stress.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

HERE = Path(__file__).parent
A, B, N, C, RATE_0 = 90e6, 292e6, 0.31, 0.025, 1.0  # [Pa], [Pa], [-], [-], [1/s]
YOUNG, POISSON = 124e9, 0.34
RATES = (1e-3, 5e-3, 1e-2, 1e-1, 0.2, 1.0, 10.0, 30.0, 1e2, 1e3, 2e3, 1e4)
STRAINS = np.concatenate([[0.0], np.geomspace(2e-4, 2.5, 48)])


def stress(rate: float) -> NDArray[np.float64]:
    """Return the Kirchhoff stress at :data:`STRAINS`, at a rate [1/s], in [Pa]."""

    def slope(strain: float, plastic: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivative of the plastic strain by the strain."""
        tau = YOUNG * (strain - plastic)
        strength = A + B * np.maximum(plastic, 0.0) ** N
        return np.asarray(RATE_0 / rate * np.exp((tau / strength - 1.0) / C))

    found = solve_ivp(
        slope, (0.0, STRAINS[-1]), [0.0], "Radau", STRAINS, rtol=1e-9, atol=1e-13, max_step=0.02
    )
    return np.asarray(YOUNG * (STRAINS - found.y[0]))


def main() -> None:
    """Write one file for each rate."""
    three_bulk = YOUNG / (1.0 - 2.0 * POISSON)
    for rate in RATES:
        tau = -stress(rate)
        table = np.column_stack(
            [STRAINS / rate, np.expm1(-STRAINS), 1e-6 * tau * np.exp(-tau / three_bulk)]
        )
        header = [
            "# SYNTHETIC, not measured: made by data/ofhc-copper-johnson-cook/make.py",
            f"# compression at a rate of logarithmic strain of {rate:g} /s; strain: engineering",
            "time [s],strain [-],true_stress [MPa]",
        ]
        lines = [",".join(f"{value:.9g}" for value in row) for row in table]
        (HERE / f"rate-{rate:g}.csv").write_text("\n".join(header + lines) + "\n")


if __name__ == "__main__":
    main()
