"""Kernel regression with the eNTK: the network's linear approximation, in closed form."""

import copy
from collections.abc import Iterable
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from entk_lib import _checks
from entk_lib._outputs import output_map
from entk_lib.jacobians import (
    CACHE_BYTES,
    bytes_per_sample,
    jacobian_matrix,
    n_entries,
    sample_chunks,
)


class LinearizedPredictor:
    r"""Ridge regression in the tangent space of a model at its present parameters.

    With the flattened kernel :math:`K = J J^\top`, targets y and ridge r,

    .. math:: f_{\mathrm{lin}}(x) = f_0(x) + K(x, X)\,
              \big( K(X, X) + r I \big)^{-1} \big( y - f_0(X) \big) ,

    where :math:`f_0` is the model itself (``around="model"``) or zero
    (``around="zero"``). Around zero, what the prediction knows of the network is its
    kernel alone. Around the model, a network that fits its targets leaves nothing to
    regress, so that agreement says little: look at both.

    The smaller of the kernel's and the parameters' linear systems is solved, in float64;
    the two are equal. The model is copied: training it further changes nothing here.

    Args:
        model: As in `entk_lib.empirical_ntk`.
        x_train: Inputs X, samples along the first axis.
        y_train: Targets, of the shape of the model's output on ``x_train``.
        ridge: r, added to the diagonal of the flattened kernel as it is, not scaled by
            the number of samples.
        around: The function to expand around.
        parameters: As in `entk_lib.empirical_ntk`.

    Raises:
        ValueError: As in `entk_lib.empirical_ntk`; also if shapes do not match, the
            ridge is negative, or it is zero and the kernel is singular.
        TypeError: As in `entk_lib.empirical_ntk`.
        MemoryError: If the smaller system will not fit.

    References:
        Jacot, Gabriel and Hongler (2018), arXiv:1806.07572; Lee et al. (2019), "Wide
        neural networks of any depth evolve as linear models", arXiv:1902.06720.

    Example:
        >>> line = nn.Linear(1, 1, dtype=torch.float64)
        >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        >>> predictor = LinearizedPredictor(line, x, 3 * x, ridge=1e-9, around="zero")
        >>> round(predictor(2 * x)[1].item(), 6)
        6.0
    """

    def __init__(
        self,
        model: nn.Module,
        x_train: Shaped[Tensor, " n *inputs"],
        y_train: Float[Tensor, " m *outputs"],
        *,
        ridge: float,
        around: Literal["model", "zero"] = "model",
        parameters: Iterable[str] | str | None = None,
    ) -> None:
        if around not in ("model", "zero"):
            raise ValueError(f'around must be "model" or "zero", got {around!r}.')
        if not (ridge >= 0 and ridge < float("inf")):
            raise ValueError(
                f"ridge must be a finite number of at least 0, got {ridge}. It is added "
                "to the kernel's diagonal."
            )
        chosen = _checks.select_parameters(model, parameters)
        n_outputs = _checks.check_model(model, x_train)
        self.around, self.ridge = around, ridge
        self._model = copy.deepcopy(model)
        self._parameters = chosen = {name: p.clone() for name, p in chosen.items()}
        with torch.no_grad():
            present = self._call_model(x_train)
        if y_train.shape != present.shape:
            raise ValueError(
                f"y_train must have the shape of the model's output on x_train, "
                f"{tuple(present.shape)}, got {tuple(y_train.shape)}."
            )
        _checks.require_finite("y_train", y_train)
        maps = output_map("flatten", None, n_outputs, present.dtype, present.device)
        self._each = maps.left
        residual = (y_train - present if around == "model" else y_train).double()
        # Weights in parameter space: with them, prediction needs no kernel.
        self._tangent_weights = self._solve(x_train, residual.reshape(-1))

    def __call__(self, x: Shaped[Tensor, " n *inputs"]) -> Float[Tensor, " n *outputs"]:
        """Predictions for a batch, of the shape and dtype of the model's output.

        Args:
            x: Inputs, samples along the first axis.

        Returns:
            The linearised prediction.

        Raises:
            ValueError: If the model cannot take the batch.
        """
        _checks.check_model(self._model, x)
        with torch.no_grad():
            present = self._call_model(x)
        step = torch.cat(
            [self._jacobian(x[chunk]) @ self._tangent_weights for chunk in self._chunks(x)]
        ).reshape(present.shape)
        return (step + present if self.around == "model" else step).to(present.dtype)

    def r_squared(
        self,
        x: Shaped[Tensor, " n *inputs"],
        target: Float[Tensor, " m *outputs"] | None = None,
    ) -> float:
        """Share of a target's variance, over samples and outputs, that is predicted.

        Args:
            x: Inputs, samples along the first axis.
            target: What to predict. ``None``: the model's own outputs on x.

        Returns:
            1 for a perfect prediction, 0 for one as good as the overall mean, negative
            for a worse one.

        Raises:
            ValueError: If shapes do not match or the target is constant.
        """
        predicted = self(x).double()
        if target is None:
            with torch.no_grad():
                target = self._call_model(x)
        if target.shape != predicted.shape:
            raise ValueError(
                f"target must have the shape of the prediction, {tuple(predicted.shape)}, "
                f"got {tuple(target.shape)}."
            )
        _checks.require_finite("target", target)
        target = target.double()
        total = (target - target.mean()).square().sum()
        if bool((target == target.flatten()[0]).all()):  # total may round to a tiny number
            raise ValueError(
                "target must vary, got a constant: the share of no variance is undefined."
            )
        return float(1 - (predicted - target).square().sum() / total)

    def _call_model(self, x: Tensor) -> Tensor:
        buffers = {name: b.clone() for name, b in self._model.named_buffers()}
        return torch.func.functional_call(self._model, buffers, (x.clone(),))

    def _jacobian(self, x: Tensor) -> Tensor:
        n_outputs = len(self._each)
        return jacobian_matrix(self._model, x, self._parameters, self._each, n_outputs)

    def _chunks(self, x: Tensor) -> list[slice]:
        each = bytes_per_sample(self._parameters, len(self._each))
        return sample_chunks(len(x), each, self._each.device, at_most=CACHE_BYTES)

    def _solve(self, x: Tensor, residual: Tensor) -> Tensor:
        rows, columns = len(residual), n_entries(self._parameters)
        smaller = min(rows, columns)
        _checks.require_memory(
            3 * 8 * smaller**2 + 8 * rows * columns,
            self._each.device,
            f"the regression on {rows} rows and {columns} parameters",
            "Pass fewer samples, or fewer parameters=[...].",
        )
        factor = torch.cat([self._jacobian(x[chunk]) for chunk in self._chunks(x)])
        _checks.require_finite("the Jacobian on x_train", factor)
        tall = rows > columns
        system = factor.mT @ factor if tall else factor @ factor.mT
        eigenvalues = torch.linalg.eigvalsh(system)
        rounding = max(rows, columns) * torch.finfo(torch.float64).eps * eigenvalues[-1]
        smallest = 0.0 if tall else float(eigenvalues[0])
        if self.ridge + smallest <= rounding:
            raise ValueError(
                f"ridge must make the {rows} x {rows} kernel invertible, got "
                f"{self.ridge:.1e} on a kernel whose smallest eigenvalue is "
                f"{max(0.0, smallest):.1e} and largest {float(eigenvalues[-1]):.1e}. Try "
                f"ridge={float(eigenvalues[-1]) * 1e-6:.0e}."
            )
        system.diagonal().add_(self.ridge)
        root = torch.linalg.cholesky(system)
        right_side = factor.mT @ residual if tall else residual
        solution = torch.cholesky_solve(right_side.unsqueeze(1), root).squeeze(1)
        return solution if tall else factor.mT @ solution
