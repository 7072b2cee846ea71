"""The empirical neural tangent kernel of a model, its spectrum, and the features in it."""

# isort: off
from entk_lib import _versions as _versions  # first: the rest may need a newer torch
# isort: on

from entk_lib import (
    analytic,
    dynamics,
    epochs,
    models,
    notebooks,
    plotting,
    pretrained,
    schedules,
    tasks,
    training,
)

# kernels
from entk_lib._outputs import Outputs

# features
from entk_lib.alignment import (
    chance_overlap,
    feature_alignment,
    hidden_dimensionality,
    match_families,
    purity_ceiling,
    subspace_overlap,
)
from entk_lib.costs import SpectrumCost, spectrum_cost

# families of features
from entk_lib.families import Families, find_families

# graphs
from entk_lib.graphs import dirichlet_energy, torus_laplacian
from entk_lib.jacobians import jacobian
from entk_lib.kernels import empirical_ntk, explain_ntk

# the book's claims
from entk_lib.ledger import Claim, ledger

# regression
from entk_lib.linearized import LinearizedPredictor
from entk_lib.main_effects import split_by_token
from entk_lib.ntk_spectra import ntk_spectrum
from entk_lib.operators import NTKOperator
from entk_lib.plans import ParameterPlan
from entk_lib.preflight import Preflight, preflight

# reports
from entk_lib.reports import (
    Eigenspace,
    KernelReport,
    Shared,
    kernel_report,
    untrained_copy,
)
from entk_lib.rotations import smoothness_rotation

# spectra
from entk_lib.spectra import (
    Cliff,
    Spectrum,
    factor_spectrum,
    find_cliffs,
    kernel_spectrum,
    participation_ratio,
)

__version__ = "0.1.0"

__all__ = [
    "Claim",
    "Cliff",
    "Eigenspace",
    "Families",
    "KernelReport",
    "LinearizedPredictor",
    "NTKOperator",
    "Outputs",
    "ParameterPlan",
    "Preflight",
    "Shared",
    "Spectrum",
    "SpectrumCost",
    "analytic",
    "chance_overlap",
    "dirichlet_energy",
    "dynamics",
    "empirical_ntk",
    "epochs",
    "explain_ntk",
    "factor_spectrum",
    "feature_alignment",
    "find_cliffs",
    "find_families",
    "hidden_dimensionality",
    "jacobian",
    "kernel_report",
    "kernel_spectrum",
    "ledger",
    "match_families",
    "models",
    "notebooks",
    "ntk_spectrum",
    "participation_ratio",
    "plotting",
    "preflight",
    "pretrained",
    "purity_ceiling",
    "schedules",
    "smoothness_rotation",
    "spectrum_cost",
    "split_by_token",
    "subspace_overlap",
    "tasks",
    "torus_laplacian",
    "training",
    "untrained_copy",
]
