"""Kernel regression with the eNTK: the network's linear approximation, in closed form."""

import copy
from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_lib import _checks, _inputs, _models
from entk_lib._inputs import Inputs
from entk_lib.kernels import (
    CACHE_BYTES,
    Jacobians,
    empirical_ntk,
    n_entries,
    prepare,
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
    the two are equal. With ``outputs="average"`` the kernel is the class-averaged one of
    the samples, and each output is regressed alone: a system of n instead of n C numbers,
    for networks with many classes. The model is copied: training it further changes
    nothing here.

    Args:
        model: As in `entk_lib.empirical_ntk`.
        x_train: Inputs X, samples along the first axis.
        y_train: Targets, of the shape of the model's output on ``x_train``.
        ridge: r, added to the diagonal of the flattened kernel as it is, not scaled by
            the number of samples.
        around: The function to expand around.
        outputs: ``"flatten"``, the flattened kernel, or ``"average"``, the class-averaged.
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
        x_train: Inputs,
        y_train: Float[Tensor, " m *outputs"],
        *,
        ridge: float,
        around: Literal["model", "zero"] = "model",
        outputs: Literal["flatten", "average"] = "flatten",
        parameters: Iterable[str] | str | None = None,
    ) -> None:
        if around not in ("model", "zero"):
            raise ValueError(f'around must be "model" or "zero", got {around!r}.')
        if outputs not in ("flatten", "average"):
            raise ValueError(f'outputs must be "flatten" or "average", got {outputs!r}.')
        if not (ridge >= 0 and ridge < float("inf")):
            raise ValueError(
                f"ridge must be a finite number of at least 0, got {ridge}. It is added "
                "to the kernel's diagonal."
            )
        self.around, self.ridge = around, ridge
        problem = prepare(copy.deepcopy(model), x_train, "flatten", None, parameters)
        self._model, self._names = problem.model, list(problem.parameters)
        self._jacobians = Jacobians(problem, x_train)
        with torch.no_grad():
            present = self._call_model(x_train)
        if y_train.shape != present.shape:
            raise ValueError(
                f"y_train must have the shape of the model's output on x_train, "
                f"{tuple(present.shape)}, got {tuple(y_train.shape)}."
            )
        _checks.require_finite("y_train", y_train)
        residual = (y_train - present if around == "model" else y_train).double()
        self._dual_weights = None
        if outputs == "average":
            self._x_train = copy.deepcopy(x_train)
            kernel = empirical_ntk(self._model, x_train, parameters=self._names)
            self._dual_weights = self._regress(kernel, residual.reshape(len(kernel), -1))
            return
        # Weights in parameter space: with them, prediction needs no kernel.
        self._tangent_weights = self._solve(x_train, residual.reshape(-1))

    def __call__(self, x: Inputs) -> Float[Tensor, " n *outputs"]:
        """Predictions for a batch, of the shape and dtype of the model's output.

        Args:
            x: Inputs, samples along the first axis.

        Returns:
            The linearised prediction.

        Raises:
            ValueError: If the model cannot take the batch.
        """
        _models.check_model(self._model, x)
        with torch.no_grad():
            present = self._call_model(x)
        if self._dual_weights is not None:
            cross = empirical_ntk(self._model, x, self._x_train, parameters=self._names)
            step = cross.double() @ self._dual_weights
        else:
            parts = [part @ self._tangent_weights for part in self._factor_parts(x)]
            step = torch.cat(parts)
        step = step.reshape(present.shape)
        return (step + present if self.around == "model" else step).to(present.dtype)

    def r_squared(
        self,
        x: Inputs,
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

    def _call_model(self, x: Inputs) -> Tensor:
        return _inputs.call_model(self._model, {}, x)

    def _factor_parts(self, x: Inputs) -> Iterator[Tensor]:
        """The flattened Jacobian by chunks of samples."""
        each = self._jacobians.bytes_per_sample
        budget = _checks.available_memory(_inputs.device_of(x))
        for chunk in sample_chunks(_inputs.n_samples(x), each, budget, at_most=CACHE_BYTES):
            yield self._jacobians.matrix(_inputs.take(x, chunk))

    def _solve(self, x: Inputs, residual: Tensor) -> Tensor:
        rows, columns = len(residual), n_entries(self._jacobians.problem.parameters)
        smaller = min(rows, columns)
        _checks.require_memory(
            3 * 8 * smaller**2 + 8 * rows * columns,
            residual.device,
            f"the regression on {rows} rows and {columns} parameters",
            "Pass fewer samples, or fewer parameters=[...].",
        )
        factor = torch.cat(list(self._factor_parts(x)))
        _checks.require_finite("the Jacobian on x_train", factor)
        tall = rows > columns
        system = factor.mT @ factor if tall else factor @ factor.mT
        root = self._root(system, rows, columns)
        right_side = factor.mT @ residual if tall else residual
        solution = torch.cholesky_solve(right_side.unsqueeze(1), root).squeeze(1)
        return solution if tall else factor.mT @ solution

    def _regress(self, kernel: Tensor, residual: Tensor) -> Tensor:
        """Weights of the training samples, one column an output."""
        # Entries' roundings are not all of one sign: they add up like a random walk.
        eps = torch.finfo(kernel.dtype).eps / len(kernel) ** 0.5
        root = self._root(kernel.double(), len(kernel), None, eps)
        return torch.cholesky_solve(residual, root)

    def _root(
        self,
        system: Tensor,
        rows: int,
        columns: int | None,
        eps: float = torch.finfo(torch.float64).eps,
    ) -> Tensor:
        """Cholesky factor of a system, the kernel's or the parameters', with the ridge."""
        tall = columns is not None and rows > columns
        eigenvalues = torch.linalg.eigvalsh(system)
        rounding = max(rows, columns or 0) * eps * eigenvalues[-1]
        smallest = 0.0 if tall else float(eigenvalues[0])
        if self.ridge + smallest <= rounding:
            raise ValueError(
                f"ridge must make the {rows} x {rows} kernel invertible, got "
                f"{self.ridge:.1e} on a kernel whose smallest eigenvalue is "
                f"{max(0.0, smallest):.1e} and largest {float(eigenvalues[-1]):.1e}. Try "
                f"ridge={float(eigenvalues[-1]) * 1e-6:.0e}."
            )
        system.diagonal().add_(self.ridge)
        return torch.linalg.cholesky(system)
