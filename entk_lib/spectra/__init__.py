"""Eigenvalues and eigenvectors of a kernel, and the cliffs among them."""

from entk_lib.spectra.cliffs import Cliff, cliff_chance, find_cliffs, participation_ratio
from entk_lib.spectra.decompose import (
    Spectrum,
    build_spectrum,
    factor_spectrum,
    kernel_spectrum,
    leading_eigenpairs,
    numerical_rank,
)
from entk_lib.spectra.lanczos import (
    Product,
    few_largest_of_product,
    few_largest_to_tolerance,
)

__all__ = [
    "Cliff",
    "Product",
    "Spectrum",
    "build_spectrum",
    "cliff_chance",
    "factor_spectrum",
    "few_largest_of_product",
    "few_largest_to_tolerance",
    "find_cliffs",
    "kernel_spectrum",
    "leading_eigenpairs",
    "numerical_rank",
    "participation_ratio",
]
