"""Small networks that the chapters train."""

from entk_lib.models.modular_transformer import ModularTransformer
from entk_lib.models.quadratic_mlp import QuadraticMLP
from entk_lib.models.relu_network import ReLUNetwork
from entk_lib.models.tied_autoencoder import TiedAutoencoder

__all__ = ["ModularTransformer", "QuadraticMLP", "ReLUNetwork", "TiedAutoencoder"]
