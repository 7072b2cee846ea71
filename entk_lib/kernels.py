"""The empirical neural tangent kernel of a model, and its spectrum."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, overload

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from entk_lib import _checks, spectra
from entk_lib._outputs import OutputMap, Outputs, output_map
from entk_lib.jacobians import (
    CACHE_BYTES,
    bytes_per_sample,
    jacobian_blocks,
    jacobian_matrix,
    n_entries,
    sample_chunks,
)
from entk_lib.spectra import Spectrum


@overload
def empirical_ntk(
    model: nn.Module,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs = ...,
    output_weights: Tensor | None = ...,
    parameters: Iterable[str] | str | None = ...,
    by_layer: Literal[False] = ...,
) -> Tensor: ...


@overload
def empirical_ntk(
    model: nn.Module,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs = ...,
    output_weights: Tensor | None = ...,
    parameters: Iterable[str] | str | None = ...,
    by_layer: Literal[True],
) -> dict[str, Tensor]: ...


def empirical_ntk(
    model: nn.Module,
    x1: Shaped[Tensor, " n1 *inputs1"],
    x2: Shaped[Tensor, " n2 *inputs2"] | None = None,
    *,
    outputs: Outputs = "average",
    output_weights: Float[Tensor, " outputs"] | None = None,
    parameters: Iterable[str] | str | None = None,
    by_layer: bool = False,
) -> Tensor | dict[str, Tensor]:
    r"""Empirical neural tangent kernel of a model at its present parameters.

    .. math:: K[n, m, c, d] = \sum_p J[n, c, p]\, J[m, d, p], \qquad
              J[n, c, p] = \partial f_c(x_n) / \partial \theta_p .

    Args:
        model: Maps a batch ``(n, ...)`` to ``(n,)`` or ``(n, C)``, each sample on its
            own. Its mode, gradients and buffers are not changed.
        x1: Samples along the first axis.
        x2: Samples of the second side. ``None``: x1 again.
        outputs: What happens to the output axes c and d.

            - ``"full"``: K itself, shape ``(n1, n2, C, C)``.
            - ``"flatten"``: rows (n, c), sample-major, shape ``(n1 C, n2 C)``.
            - ``"average"``: (1/C) times the sum over c of K[.., c, c], ``(n1, n2)``.
            - ``"mean_output"``: (1/C^2) times the sum over c and d, the kernel of the
              mean output, ``(n1, n2)``.
            - ``(c, d)``: one block, ``(n1, n2)``.

        output_weights: One ``w_c >= 0`` an output, which scales output c by
            ``sqrt(w_c)``; for features of importance ``I_c``, ``w_c = I_c ** beta``.
        parameters: Names of parameters, or of submodules for all that is below them.
            ``None``: all that require grad.
        by_layer: Return one kernel for each layer instead of their sum. A layer is the
            submodule that owns the parameters; a parameter that the model itself owns is
            a layer of its own.

    Returns:
        The kernel, or a dict of kernels by layer that add up to it, in the model's dtype
        and on its device, without autograd history.

    Raises:
        ValueError: If the model mixes samples, is stochastic, or holds or produces NaN or
            infinity; if a name or an output does not exist; if no parameter is
            trainable; if a weight is negative.
        TypeError: If model, x or the model's output is not what it should be.
        MemoryError: If the result will not fit, before it is computed.

    References:
        Jacot, Gabriel and Hongler (2018), "Neural tangent kernel", arXiv:1806.07572.

    Example:
        >>> model = nn.Linear(2, 3, bias=False)
        >>> empirical_ntk(model, torch.tensor([[3.0, 4.0]]))
        tensor([[25.]])
    """
    problem = _prepare(model, x1, outputs, output_weights, parameters)
    other = x1 if x2 is None else x2
    if x2 is not None and (n := _checks.check_model(model, x2, "x2")) != problem.n_outputs:
        raise ValueError(
            f"model must return as many outputs on x2 as on x1, {problem.n_outputs}, got "
            f"{n}. Give both the same shape beyond the first axis."
        )
    layers = _layers_of(problem.parameters)
    kernels = _kernel_matrices(problem, x1, other, layers if by_layer else {"": None})
    if outputs == "full":
        c = problem.n_outputs
        kernels = {
            name: k.reshape(len(x1), c, len(other), c).permute(0, 2, 1, 3)
            for name, k in kernels.items()
        }
    return kernels if by_layer else kernels[""]


def ntk_spectrum(
    model: nn.Module,
    x: Shaped[Tensor, " n *inputs"],
    k: int | None = None,
    *,
    outputs: Outputs = "average",
    output_weights: Float[Tensor, " outputs"] | None = None,
    parameters: Iterable[str] | str | None = None,
) -> Spectrum:
    """Leading eigenpairs of the eNTK, from the cheaper of its two sides.

    The kernel A A^T (one row per sample, or per sample and output) and the Gram matrix
    A^T A (one row per parameter) share their nonzero eigenvalues. The smaller one is
    accumulated in float64 and decomposed; the full Jacobian is never held when it does
    not fit.

    Args:
        model: As in `empirical_ntk`.
        x: Samples along the first axis.
        k: Number of eigenpairs. ``None``: all that stand above rounding.
        outputs: ``"average"``, ``"flatten"``, ``"mean_output"`` or a block ``(c, c)``.
        output_weights: As in `empirical_ntk`.
        parameters: As in `empirical_ntk`.

    Returns:
        The spectrum, in the model's dtype.

    Raises:
        ValueError: As in `empirical_ntk`; also if ``k`` exceeds the kernel's numerical
            rank, or the words of ``outputs`` do not give a symmetric matrix.
        TypeError: As in `empirical_ntk`.
        MemoryError: If the smaller side will not fit, before it is computed.

    Example:
        >>> model = nn.Linear(2, 3, bias=False)
        >>> ntk_spectrum(model, torch.eye(2), outputs="flatten").eigenvalues
        tensor([1., 1., 1., 1., 1., 1.])
    """
    problem = _prepare(model, x, outputs, output_weights, parameters)
    if outputs == "full" or not problem.maps.symmetric:
        raise ValueError(
            f'outputs must give a symmetric matrix, got {outputs!r}. Use "flatten", '
            '"average", "mean_output" or a block (c, c).'
        )
    rows_each, n_mapped = problem.maps.rows_per_sample, len(problem.maps.left)
    rows = len(x) * rows_each
    columns = n_entries(problem.parameters) * n_mapped // rows_each
    smaller = min(rows, columns)
    if k is not None:
        _checks.require_count("k", k)
        if k > smaller:
            raise ValueError(
                f"k must be at most the rank of the kernel, which {rows} rows and "
                f"{columns} columns of its factor bound by {smaller}, got {k}. Pass "
                "k=None for all eigenpairs above rounding."
            )
    # The matrix itself, its eigenvectors and the workspace of eigh.
    _checks.require_memory(
        3 * 8 * smaller**2,
        x.device,
        f"the spectrum of a {smaller} x {smaller} matrix",
        "Pass fewer samples, or fewer parameters=[...].",
    )
    dtype = next(iter(problem.parameters.values())).dtype
    if rows <= columns:
        kernel = _kernel_matrices(problem, x, x, {"": None}, dtype=torch.float64)[""]
        values, vectors = spectra.leading_eigenpairs(kernel, k, size=columns)
        trace = float(kernel.diagonal().sum())
    else:
        values, vectors, trace = _from_gram_side(problem, x, k, rows, columns)
    return spectra.build_spectrum(values, vectors, trace, dtype)


@dataclass(frozen=True)
class _Problem:
    """A checked model with its chosen parameters and output maps."""

    model: nn.Module
    parameters: dict[str, Tensor]
    maps: OutputMap
    n_outputs: int

    @property
    def bytes_per_sample(self) -> int:
        return bytes_per_sample(self.parameters, len(self.maps.left))

    def factor(self, x: Tensor) -> Tensor:
        return jacobian_matrix(
            self.model, x, self.parameters, self.maps.left, self.maps.rows_per_sample
        )


def _prepare(
    model: nn.Module,
    x: Tensor,
    outputs: Outputs,
    output_weights: Tensor | None,
    parameters: Iterable[str] | str | None,
) -> _Problem:
    chosen = _checks.select_parameters(model, parameters)
    n_outputs = _checks.check_model(model, x)
    first = next(iter(chosen.values()))
    maps = output_map(outputs, output_weights, n_outputs, first.dtype, first.device)
    return _Problem(model, chosen, maps, n_outputs)


def _from_gram_side(
    problem: _Problem, x: Tensor, k: int | None, rows: int, columns: int
) -> tuple[Tensor, Tensor, float]:
    """Eigenvalues, kernel eigenvectors and trace by way of the (columns, columns) Gram."""
    each = problem.maps.rows_per_sample
    chunks = sample_chunks(len(x), problem.bytes_per_sample, x.device, at_most=CACHE_BYTES)

    def pieces() -> Iterator[tuple[Tensor, Tensor]]:
        for chunk in chunks:
            factor, alive = _without_zero_rows(problem.factor(x[chunk]))
            yield factor, chunk.start * each + alive

    # The factor is needed twice: kept where it fits into memory, else made again.
    fits = 2 * 8 * rows * columns <= _checks.available_memory(x.device)
    kept = list(pieces()) if fits else None
    gram = torch.zeros(columns, columns, dtype=torch.float64, device=x.device)
    for factor, _ in kept or pieces():
        _add_upper_product(gram, factor)
    gram = gram.triu() + gram.triu(1).mT
    _checks.require_finite("the kernel", gram)
    values, gram_vectors = spectra.leading_eigenpairs(gram, k, size=rows)
    to_rows = gram_vectors / values.sqrt()
    vectors = to_rows.new_zeros(rows, len(values))
    for factor, alive in kept or pieces():
        vectors[alive] = factor @ to_rows
    return values, vectors, float(gram.diagonal().sum())


def _add_upper_product(gram: Tensor, factor: Tensor) -> None:
    """Add the upper block triangle of ``factor.T @ factor``: five eighths of the work."""
    size = -(-gram.shape[1] // 4)
    for start in range(0, gram.shape[1], size):
        rows = slice(start, start + size)
        gram[rows, start:].addmm_(factor[:, rows].mT, factor[:, start:])


def _without_zero_rows(factor: Tensor) -> tuple[Tensor, Tensor]:
    """Rows that are not zero, and their indices: a ReLU silences most of some factors."""
    alive = factor.any(dim=1).nonzero().squeeze(1)
    return (factor if len(alive) == len(factor) else factor[alive]), alive


def _layers_of(parameters: dict[str, Tensor]) -> dict[str, list[str]]:
    layers: dict[str, list[str]] = {}
    for name in parameters:
        owner = name.rpartition(".")[0] or name
        layers.setdefault(owner, []).append(name)
    return layers


def _kernel_matrices(
    problem: _Problem,
    x1: Tensor,
    x2: Tensor,
    layers: dict[str, list[str] | None] | dict[str, list[str]],
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """Kernel of each layer (of all parameters where it names none), chunk by chunk."""
    model, maps, each = problem.model, problem.maps, problem.maps.rows_per_sample
    first = next(iter(problem.parameters.values()))
    dtype = dtype or first.dtype
    shape = (len(x1) * each, len(x2) * each)
    itemsize = torch.empty((), dtype=dtype).element_size()
    _checks.require_memory(
        len(layers) * shape[0] * shape[1] * itemsize,
        first.device,
        f"the kernel (n1={len(x1)}, n2={len(x2)}, outputs={problem.n_outputs})",
        "Use ntk_spectrum(...), which decomposes the smaller side and stores no kernel, "
        'or outputs="average".',
    )
    kernels = {
        name: torch.zeros(shape, dtype=dtype, device=first.device) for name in layers
    }
    symmetric = x1 is x2 and maps.symmetric
    chunks1 = sample_chunks(len(x1), 2 * problem.bytes_per_sample, first.device)
    chunks2 = sample_chunks(len(x2), 2 * problem.bytes_per_sample, first.device)
    for chunk1 in chunks1:
        left = jacobian_blocks(model, x1[chunk1], problem.parameters, maps.left)
        rows1 = slice(chunk1.start * each, chunk1.stop * each)
        for chunk2 in chunks2:
            if symmetric and chunk2.start > chunk1.start:
                break
            same = symmetric and chunk1 == chunk2
            right = (
                left
                if same
                else jacobian_blocks(model, x2[chunk2], problem.parameters, maps.right)
            )
            rows2 = slice(chunk2.start * each, chunk2.stop * each)
            for layer, names in layers.items():
                for name in problem.parameters if names is None else names:
                    a = left[name].reshape(rows1.stop - rows1.start, -1).to(dtype)
                    b = right[name].reshape(rows2.stop - rows2.start, -1).to(dtype)
                    kernels[layer][rows1, rows2].addmm_(a, b.mT)
                if symmetric and not same:
                    kernels[layer][rows2, rows1] = kernels[layer][rows1, rows2].mT
    for layer, kernel in kernels.items():
        what = f"the kernel of layer {layer!r}" if layer else "the kernel"
        _checks.require_finite(what, kernel)
    return kernels
