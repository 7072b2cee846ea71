r"""Closed-form kernels, independent of any autodiff, to check the numerical ones against.

Every function returns the kernel with both output axes, ``K[n, m, c, d]``, unless it says
otherwise.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from entk_lib import _checks


def linear_ntk(
    x1: Float[Tensor, "n1 i"],
    x2: Float[Tensor, "n2 j"],
    n_outputs: int,
    *,
    bias: bool = True,
) -> Float[Tensor, "n1 n2 c d"]:
    r"""Kernel of ``f(x) = W x + b``: :math:`K = \delta_{cd} (x \cdot x' + 1)`.

    Args:
        x1: First inputs, shape ``(n1, i)``.
        x2: Second inputs, shape ``(n2, i)``.
        n_outputs: Number of outputs.
        bias: Whether the model has a bias, the source of the 1.

    Returns:
        The kernel, shape ``(n1, n2, n_outputs, n_outputs)``.

    Example:
        >>> linear_ntk(torch.ones(1, 2), torch.ones(1, 2), 1).item()
        3.0
    """
    _checks.require_count("n_outputs", n_outputs)
    similarity = _inner(x1, x2) + (1.0 if bias else 0.0)
    same = torch.eye(n_outputs, dtype=x1.dtype, device=x1.device)
    return similarity[:, :, None, None] * same


def tied_relu_ntk(
    weight: Float[Tensor, "hidden features"],
    bias: Float[Tensor, " features"],
    x1: Float[Tensor, "n1 i"],
    x2: Float[Tensor, "n2 j"],
) -> Float[Tensor, "n1 n2 c d"]:
    r"""Kernel of the tied autoencoder ``f(x) = relu(W^T W x + b)``.

    With :math:`h = W x` and :math:`a_c(x) = 1` where output c is active,

    .. math:: K_{cd}(x, x') = a_c(x)\, a_d(x') \left[ \delta_{cd} (h \cdot h' + 1)
              + (W^\top h)_d\, x'_c + (W^\top h')_c\, x_d + (W^\top W)_{cd}\, x \cdot x'
              \right] .

    The weight acts twice, as encoder and as decoder: the two middle terms are the
    product of its two roles.

    Args:
        weight: ``W``, shape ``(hidden, features)``.
        bias: ``b``, shape ``(features,)``.
        x1: First inputs, shape ``(n1, features)``.
        x2: Second inputs, shape ``(n2, features)``.

    Returns:
        The kernel, shape ``(n1, n2, features, features)``.
    """
    hidden1, hidden2 = x1 @ weight.mT, x2 @ weight.mT
    decoded1, decoded2 = hidden1 @ weight, hidden2 @ weight
    active1 = (decoded1 + bias > 0).to(x1.dtype)
    active2 = (decoded2 + bias > 0).to(x1.dtype)
    same = torch.eye(len(bias), dtype=x1.dtype, device=x1.device)
    kernel = (_inner(hidden1, hidden2) + 1)[:, :, None, None] * same
    kernel = kernel + torch.einsum("nd,mc->nmcd", decoded1, x2)
    kernel = kernel + torch.einsum("mc,nd->nmcd", decoded2, x1)
    kernel = kernel + torch.einsum("nm,cd->nmcd", _inner(x1, x2), weight.mT @ weight)
    return kernel * active1[:, None, :, None] * active2[None, :, None, :]


def quadratic_ntk(
    first: Float[Tensor, "hidden i"],
    second: Float[Tensor, "outputs hidden"],
    x1: Float[Tensor, "n1 i"],
    x2: Float[Tensor, "n2 i"],
    *,
    first_scale: float = 1.0,
    second_scale: float = 1.0,
) -> Float[Tensor, "n1 n2 c d"]:
    r"""Kernel of ``f(x) = s2 V z^2`` with ``z = s1 W x``, the square taken elementwise.

    .. math:: K_{cd}(x, x') = s_2^2 \Big[ \delta_{cd} \sum_h z_h^2 z_h'^2
              + 4 s_1^2\, (x \cdot x') \sum_h V_{ch} V_{dh} z_h z_h' \Big] .

    Args:
        first: ``W``, shape ``(hidden, inputs)``.
        second: ``V``, shape ``(outputs, hidden)``.
        x1: First inputs, shape ``(n1, inputs)``.
        x2: Second inputs, shape ``(n2, inputs)``.
        first_scale: ``s1``.
        second_scale: ``s2``.

    Returns:
        The kernel, shape ``(n1, n2, outputs, outputs)``.
    """
    hidden1, hidden2 = first_scale * x1 @ first.mT, first_scale * x2 @ first.mT
    same = torch.eye(len(second), dtype=x1.dtype, device=x1.device)
    readout = _inner(hidden1.square(), hidden2.square())[:, :, None, None] * same
    inner = torch.einsum("ch,dh,nh,mh->nmcd", second, second, hidden1, hidden2)
    embedding = 4 * first_scale**2 * _inner(x1, x2)[:, :, None, None] * inner
    return second_scale**2 * (readout + embedding)


def relu_limit_ntk(
    x1: Float[Tensor, "n1 i"], x2: Float[Tensor, "n2 j"], *, depth: int = 1
) -> Float[Tensor, "n1 n2"]:
    r"""Infinite-width limit of the eNTK of a ReLU network in NTK parameterisation.

    The network is the one of `entk_lib.toys.models.ReLUNetwork`: weights standard normal at
    the start, each layer divided by :math:`\sqrt{\text{fan-in}}`, ReLU scaled by
    :math:`\sqrt 2` so that signals keep their size, no biases, one output. With the
    angle :math:`\theta` between two inputs' images at a layer, the arc-cosine kernels of
    degree 0 and 1 are

    .. math:: \kappa_0 = 1 - \theta / \pi, \qquad
              \kappa_1 = \big( \sin\theta + (\pi - \theta) \cos\theta \big) / \pi ,

    and each layer maps the covariance to :math:`\Sigma' = |x||x'| \kappa_1` and the
    kernel to :math:`\Theta' = \Sigma' + \Theta \kappa_0`.

    Args:
        x1: First inputs, shape ``(n1, i)``.
        x2: Second inputs, shape ``(n2, i)``.
        depth: Number of hidden layers, at least 1.

    Returns:
        The limit kernel, shape ``(n1, n2)``; the outputs of a wide network decouple, so
        that blocks with c = d equal this and all others vanish.

    Raises:
        ValueError: If ``depth`` is below 1, or the inputs do not match.

    References:
        Jacot, Gabriel and Hongler (2018), "Neural tangent kernel", arXiv:1806.07572;
        Cho and Saul (2009), "Kernel methods for deep learning", for the arc-cosines.

    Example:
        >>> x = torch.ones(1, 2, dtype=torch.float64)
        >>> round(relu_limit_ntk(x, x).item(), 6)
        2.0
    """
    _checks.require_count("depth", depth)
    covariance = _inner(x1, x2) / x1.shape[1]
    # ReLU scaled by sqrt(2) leaves an input's own variance as it is.
    length1 = (x1.square().sum(1) / x1.shape[1]).sqrt()
    length2 = (x2.square().sum(1) / x2.shape[1]).sqrt()
    lengths = torch.outer(length1, length2)
    tiny = torch.finfo(lengths.dtype).tiny
    kernel = covariance
    for _ in range(depth):
        cosine = (covariance / lengths.clamp_min(tiny)).clamp(-1, 1)
        angle = torch.arccos(cosine)
        covariance = lengths * (angle.sin() + (math.pi - angle) * cosine) / math.pi
        kernel = covariance + kernel * (1 - angle / math.pi)
    return kernel


def _inner(x1: Tensor, x2: Tensor) -> Tensor:
    if x1.ndim != 2 or x2.ndim != 2 or x1.shape[1] != x2.shape[1]:
        raise ValueError(
            f"x1 and x2 must be matrices with one width, got shapes {tuple(x1.shape)} "
            f"and {tuple(x2.shape)}. One row per sample."
        )
    return x1 @ x2.mT
