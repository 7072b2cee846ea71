"""What is in a spectrum: overlaps with features, rotations onto them, families of them.

Everything here takes tensors, never models, and works on a kernel from anywhere.
"""

from entk_lib.features.alignment import (
    chance_overlap,
    feature_alignment,
    hidden_dimensionality,
    match_families,
    orthonormal,
    purity_ceiling,
    subspace_overlap,
)
from entk_lib.features.families import Families, find_families
from entk_lib.features.graphs import dirichlet_energy, torus_laplacian
from entk_lib.features.main_effects import split_by_token
from entk_lib.features.rotations import smoothness_rotation

__all__ = [
    "Families",
    "chance_overlap",
    "dirichlet_energy",
    "feature_alignment",
    "find_families",
    "hidden_dimensionality",
    "match_families",
    "orthonormal",
    "purity_ceiling",
    "smoothness_rotation",
    "split_by_token",
    "subspace_overlap",
    "torus_laplacian",
]
