"""Small networks that the chapters train."""

from entk_lib.models.quadratic_mlp import QuadraticMLP
from entk_lib.models.relu_network import ReLUNetwork
from entk_lib.models.tied_autoencoder import TiedAutoencoder

__all__ = ["QuadraticMLP", "ReLUNetwork", "TiedAutoencoder"]
