"""The tangent kernel of a model: as a matrix, a spectrum or an operator, and its cost.

What a user calls is here; how it is computed is in `engine`.
"""

from entk_lib.kernels.costs import SpectrumCost, spectrum_cost
from entk_lib.kernels.empirical import empirical_ntk, explain_ntk
from entk_lib.kernels.engine import KernelPlan, ParameterPlan, prepare
from entk_lib.kernels.jacobians import (
    CACHE_BYTES,
    Jacobians,
    jacobian,
    n_entries,
    sample_chunks,
)
from entk_lib.kernels.ntk_spectra import ntk_spectrum
from entk_lib.kernels.operators import NTKOperator
from entk_lib.kernels.readouts import Readout
from entk_lib.kernels.solve import Solution, solve_tangent
from entk_lib.kernels.tangents import chunks_of

__all__ = [
    "CACHE_BYTES",
    "Jacobians",
    "KernelPlan",
    "NTKOperator",
    "ParameterPlan",
    "Readout",
    "Solution",
    "SpectrumCost",
    "chunks_of",
    "empirical_ntk",
    "explain_ntk",
    "jacobian",
    "n_entries",
    "ntk_spectrum",
    "prepare",
    "sample_chunks",
    "solve_tangent",
    "spectrum_cost",
]
