"""The empirical neural tangent kernel of a model, its spectrum, and the features in it."""

from entk_lib import analytic, models, plotting, tasks, training

# kernels
from entk_lib._outputs import Outputs

# features
from entk_lib.alignment import chance_overlap, feature_alignment, subspace_overlap
from entk_lib.jacobians import jacobian
from entk_lib.kernels import empirical_ntk, ntk_spectrum

# the book's claims
from entk_lib.ledger import Claim, ledger

# regression
from entk_lib.linearized import LinearizedPredictor

# spectra
from entk_lib.spectra import Cliff, Spectrum, factor_spectrum, find_cliffs, kernel_spectrum

__version__ = "0.1.0"

__all__ = [
    "Claim",
    "Cliff",
    "LinearizedPredictor",
    "Outputs",
    "Spectrum",
    "analytic",
    "chance_overlap",
    "empirical_ntk",
    "factor_spectrum",
    "feature_alignment",
    "find_cliffs",
    "jacobian",
    "kernel_spectrum",
    "ledger",
    "models",
    "ntk_spectrum",
    "plotting",
    "subspace_overlap",
    "tasks",
    "training",
]
