"""Small networks that the chapters train."""

from entk_lib.toys.models.language_transformer import LanguageTransformer
from entk_lib.toys.models.modular_transformer import ModularTransformer
from entk_lib.toys.models.quadratic_mlp import QuadraticMLP
from entk_lib.toys.models.relu_network import ReLUNetwork
from entk_lib.toys.models.tied_autoencoder import TiedAutoencoder

__all__ = [
    "LanguageTransformer",
    "ModularTransformer",
    "QuadraticMLP",
    "ReLUNetwork",
    "TiedAutoencoder",
]
