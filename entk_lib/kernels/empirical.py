"""The empirical neural tangent kernel of a model."""

import time
from collections.abc import Iterable
from typing import Any, Literal, TypeVar, overload

from jaxtyping import Float
from torch import Tensor, nn

from entk_lib import _checks, _inputs
from entk_lib._inputs import Data
from entk_lib._outputs import Outputs
from entk_lib.kernels.arrays import Writable, write_kernel
from entk_lib.kernels.engine import (
    KernelPlan,
    check_second,
    explain_plan,
    kernel_matrices,
    prepare,
)

Array = TypeVar("Array", bound=Writable)


@overload
def empirical_ntk(
    model: nn.Module,
    x1: Data,
    x2: Data | None = None,
    *,
    outputs: Outputs = ...,
    output_weights: Tensor | None = ...,
    parameters: Iterable[str] | str | None = ...,
    by_layer: Literal[False] = ...,
    memory: float | None = ...,
) -> Tensor: ...


@overload
def empirical_ntk(
    model: nn.Module,
    x1: Data,
    x2: Data | None = None,
    *,
    outputs: Outputs = ...,
    output_weights: Tensor | None = ...,
    parameters: Iterable[str] | str | None = ...,
    by_layer: Literal[True],
    memory: float | None = ...,
) -> dict[str, Tensor]: ...


@overload
def empirical_ntk(
    model: nn.Module,
    x1: Data,
    x2: Data | None = None,
    *,
    outputs: Outputs = ...,
    output_weights: Tensor | None = ...,
    parameters: Iterable[str] | str | None = ...,
    by_layer: Literal[False] = ...,
    memory: float | None = ...,
    out: Array,
) -> Array: ...


def empirical_ntk(
    model: nn.Module,
    x1: Data,
    x2: Data | None = None,
    *,
    outputs: Outputs = "average",
    output_weights: Float[Tensor, "*outputs"] | None = None,
    parameters: Iterable[str] | str | None = None,
    by_layer: bool = False,
    memory: float | None = None,
    out: Writable | None = None,
) -> Any:
    r"""Empirical neural tangent kernel of a model at its present parameters.

    .. math:: K[n, m, c, d] = \sum_p J[n, c, p]\, J[m, d, p], \qquad
              J[n, c, p] = \partial f_c(x_n) / \partial \theta_p .

    Exact, by the cheapest way for each parameter: rules for layers (linear, convolution,
    embedding, normalisation, products with a weight) where they are proven against
    autograd on the spot, chunked automatic differentiation elsewhere. `explain_ntk` tells
    which. Longer than two seconds, it shows a progress bar.

    Args:
        model: Maps a batch ``(n, ...)`` to ``(n,)`` or ``(n, C)``, each sample on its
            own. Its mode, gradients and buffers are not changed.
        x1: Samples along the first axis: a tensor, or a tuple or dict of tensors with
            one number of samples. A tuple becomes the model's arguments, a dict its
            keyword arguments. Or a ``DataLoader`` that does not shuffle, of inputs or of
            pairs of inputs and targets: the inputs of all its batches.
        x2: Samples of the second side. ``None``: x1 again.
        outputs: What happens to the output axes c and d.

            - ``"full"``: K itself, shape ``(n1, n2, C, C)``.
            - ``"flatten"``: rows (n, c), sample-major, shape ``(n1 C, n2 C)``.
            - ``"average"``: (1/C) times the sum over c of K[.., c, c], ``(n1, n2)``.
            - ``"diagonal"``: K[.., c, c] for every c, ``(n1, n2, C)``.
            - ``"mean_output"``: (1/C^2) times the sum over c and d, the kernel of the
              mean output, ``(n1, n2)``.
            - ``(c, d)``: one block, ``(n1, n2)``.

        output_weights: One ``w_c >= 0`` an output, which scales output c by
            ``sqrt(w_c)``; for features of importance ``I_c``, ``w_c = I_c ** beta``. Or a
            symmetric positive semi-definite matrix M of shape ``(C, C)``, for the kernel
            of ``M^(1/2) f``.
        parameters: Names of parameters, or of submodules for all that is below them.
            ``None``: all that require grad.
        by_layer: Return one kernel for each layer instead of their sum. A layer is the
            submodule that owns the parameters; a parameter that the model itself owns is
            a layer of its own.
        memory: GiB that may be used, the result included. ``None``: half of what is free.
        out: An array to write a kernel to that is a matrix, where it is too large for
            memory: a ``numpy.memmap``, or an array of zarr or h5py, in float32 or float64.

    Returns:
        The kernel, or a dict of kernels by layer that add up to it, in the model's dtype
        (float32 for one in half precision) and on its device, without autograd history;
        ``out`` where it is given.

    Raises:
        ValueError: If the model mixes samples, is stochastic, or holds or produces NaN or
            infinity; if a name or an output does not exist; if no parameter is
            trainable; if a weight is negative.
        TypeError: If model, x or the model's output is not what it should be.
        MemoryError: If the result will not fit, before it is computed.

    References:
        Jacot, Gabriel and Hongler (2018), "Neural tangent kernel", arXiv:1806.07572.

    Example:
        >>> import torch
        >>> model = nn.Linear(2, 1, bias=False)
        >>> empirical_ntk(model, torch.tensor([[3.0, 4.0]]))
        tensor([[25.]])
    """
    x1, x2 = _inputs.gathered(x1, "x1"), _inputs.gathered(x2, "x2")
    problem = prepare(model, x1, outputs, output_weights, parameters, by_layer=by_layer)
    if x2 is not None:
        check_second(problem, x2)
    budget = _checks.memory_budget(_inputs.device_of(x1), memory)
    if out is not None:
        if by_layer or outputs in ("full", "diagonal"):
            raise ValueError(
                "out takes one matrix, got by_layer=True or outputs of several. Ask for "
                "one layer with parameters=..., or for one block (c, c)."
            )
        write_kernel(problem, x1, x2, budget, out)
        return out
    kernels = kernel_matrices(problem, x1, x2, budget)
    if outputs == "full":
        c, n1 = problem.n_outputs, _inputs.n_samples(x1)
        kernels = {
            name: k.reshape(n1, c, -1, c).permute(0, 2, 1, 3) for name, k in kernels.items()
        }
    return kernels if by_layer else kernels[""]


def explain_ntk(
    model: nn.Module,
    x1: Data,
    x2: Data | None = None,
    *,
    outputs: Outputs = "average",
    output_weights: Float[Tensor, "*outputs"] | None = None,
    parameters: Iterable[str] | str | None = None,
    memory: float | None = None,
) -> KernelPlan:
    """The way that `empirical_ntk` would take for each parameter, without taking it.

    Args:
        model: As in `empirical_ntk`.
        x1: As in `empirical_ntk`.
        x2: As in `empirical_ntk`.
        outputs: As in `empirical_ntk`.
        output_weights: As in `empirical_ntk`.
        parameters: As in `empirical_ntk`.
        memory: As in `empirical_ntk`.

    Returns:
        One line for each parameter: its way, the operations that it takes part in, and
        predicted multiply-adds and memory; and the seconds that `empirical_ntk` would
        take, predicted from a few of the samples, in less than a second if one sample does
        not take longer.

    Raises:
        ValueError: As in `empirical_ntk`.
        TypeError: As in `empirical_ntk`.

    Example:
        >>> import torch
        >>> for line in explain_ntk(nn.Linear(30, 20), torch.ones(40, 30)):
        ...     print(line.parameter, line.way, line.uses)
        weight pairs ['linear(weight, bias)']
        bias pairs ['linear(weight, bias)']
    """
    start = time.perf_counter()
    x1, x2 = _inputs.gathered(x1, "x1"), _inputs.gathered(x2, "x2")
    problem = prepare(model, x1, outputs, output_weights, parameters)
    if x2 is not None:
        check_second(problem, x2)
    budget = _checks.memory_budget(_inputs.device_of(x1), memory)
    return explain_plan(problem, x1, x2, budget, time.perf_counter() - start)
