"""The empirical neural tangent kernel of a model, its spectrum, and the features in it."""

# isort: off
from entk_lib import _threads as _threads  # before torch: how its threads wait
from entk_lib import _versions as _versions  # before the rest, which may need a newer torch
# isort: on

from entk_lib import analytic, plotting, training
from entk_lib._outputs import Outputs

# edits
from entk_lib.edits import Edit, tangent_edit

# features
from entk_lib.features import (
    Families,
    chance_overlap,
    dirichlet_energy,
    feature_alignment,
    find_families,
    hidden_dimensionality,
    match_families,
    purity_ceiling,
    smoothness_rotation,
    split_by_token,
    subspace_overlap,
    torus_laplacian,
)

# kernels
from entk_lib.kernels import (
    KernelPlan,
    NTKOperator,
    ParameterPlan,
    Readout,
    SpectrumCost,
    empirical_ntk,
    explain_ntk,
    jacobian,
    ntk_spectrum,
    spectrum_cost,
)

# regression
from entk_lib.linearized import LinearizedPredictor

# this machine
from entk_lib.preflight import Preflight, preflight

# reports
from entk_lib.reports import (
    Eigenspace,
    KernelReport,
    Shared,
    kernel_report,
    untrained_copy,
)

# spectra
from entk_lib.spectra import (
    Cliff,
    Spectrum,
    cliff_chance,
    factor_spectrum,
    find_cliffs,
    kernel_spectrum,
    participation_ratio,
)

# what the chapters study, and how it is trained
from entk_lib.toys import models, tasks
from entk_lib.training import dynamics, epochs, schedules

__version__ = "0.2.0"

__all__ = [
    "Cliff",
    "Edit",
    "Eigenspace",
    "Families",
    "KernelPlan",
    "KernelReport",
    "LinearizedPredictor",
    "NTKOperator",
    "Outputs",
    "ParameterPlan",
    "Preflight",
    "Readout",
    "Shared",
    "Spectrum",
    "SpectrumCost",
    "analytic",
    "chance_overlap",
    "cliff_chance",
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
    "match_families",
    "models",
    "ntk_spectrum",
    "participation_ratio",
    "plotting",
    "preflight",
    "purity_ceiling",
    "schedules",
    "smoothness_rotation",
    "spectrum_cost",
    "split_by_token",
    "subspace_overlap",
    "tangent_edit",
    "tasks",
    "torus_laplacian",
    "training",
    "untrained_copy",
]
