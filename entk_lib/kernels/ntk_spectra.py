"""The spectrum of a model's kernel, from whichever side of it is cheapest."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_lib import _checks, _inputs, spectra
from entk_lib._inputs import Data, Inputs
from entk_lib._outputs import Outputs
from entk_lib._progress import announce, progress
from entk_lib.kernels.costs import Size
from entk_lib.kernels.distributed import Ranks
from entk_lib.kernels.engine import (
    SURELY_SHORT,
    Problem,
    kernel_matrices,
    prepare,
    require_symmetric,
)
from entk_lib.kernels.jacobians import CACHE_BYTES, Jacobians, sample_chunks
from entk_lib.kernels.operators import NTKOperator
from entk_lib.spectra import Spectrum


def ntk_spectrum(
    model: nn.Module,
    x: Data,
    k: int | None = None,
    *,
    outputs: Outputs = "average",
    output_weights: Float[Tensor, "*outputs"] | None = None,
    parameters: Iterable[str] | str | None = None,
    tolerance: float | None = None,
    memory: float | None = None,
    process_group: Any = None,
    timeout: float = 300.0,
) -> Spectrum:
    """Leading eigenpairs of the eNTK, from the cheapest of its sides.

    The kernel A A^T (one row per sample, or per sample and output) and the Gram matrix
    A^T A (one row per parameter) share their nonzero eigenvalues. The cheaper one, by
    predicted operations and memory, is accumulated in chunks in float64 and decomposed.
    Where neither fits, or few eigenpairs of a large kernel are asked for, Lanczos runs on
    products with `NTKOperator`, and what it leaves is searched for copies it missed.

    Args:
        model: As in `empirical_ntk`.
        x: Samples along the first axis, as in `empirical_ntk`.
        k: Number of eigenpairs. ``None``: all that stand above rounding.
        outputs: ``"average"``, ``"flatten"``, ``"mean_output"`` or a block ``(c, c)``.
        output_weights: As in `empirical_ntk`.
        parameters: As in `empirical_ntk`.
        tolerance: How exact the k pairs must be where Lanczos finds them: the residual
            ``|K v - value v|`` of each, relative to the largest eigenvalue. What was
            reached is `Spectrum.residual`. ``None``: rounding.
        memory: GiB that may be used. ``None``: half of what is free.
        process_group: As in `NTKOperator`: x is this rank's share of the samples, and
            every rank gets the spectrum of the kernel of all of them.
        timeout: As in `NTKOperator`.

    Returns:
        The spectrum, in the model's dtype.

    Raises:
        ValueError: As in `empirical_ntk`; also if ``k`` exceeds the kernel's numerical
            rank, the words of ``outputs`` do not give a symmetric matrix, or a
            ``tolerance`` comes without ``k`` or is not between 0 and 1.
        TypeError: As in `empirical_ntk`.
        MemoryError: If no side fits, before it is computed.
        RuntimeError: If Lanczos does not converge, or another rank fails or is late.

    Example:
        >>> model = nn.Linear(2, 3, bias=False)
        >>> ntk_spectrum(model, torch.eye(2), outputs="flatten").eigenvalues
        tensor([1., 1., 1., 1., 1., 1.])
    """
    batch = _inputs.gathered(x)
    ranks = None if process_group is None else Ranks(process_group, timeout)

    def check() -> Problem:
        problem = prepare(model, batch, outputs, output_weights, parameters)
        require_symmetric(problem, outputs)
        return problem

    problem = check() if ranks is None else ranks.agree(check)
    budget = _checks.memory_budget(problem.device, memory)
    n = _inputs.n_samples(batch)
    if ranks is not None:
        budget, n = ranks.smallest(budget), sum(ranks.counts(n))
    _check_tolerance(tolerance, k)
    size = Size(problem, n, tolerance)
    if k is not None:
        _checks.require_count("k", k)
        if k > size.smaller:
            raise ValueError(
                f"k must be at most the rank of the kernel, which {size.rows} rows and "
                f"{size.columns} columns of its factor bound by {size.smaller}, got {k}. "
                "Pass k=None for all eigenpairs above rounding."
            )
    side = size.cheapest(k, budget)
    may_be_long = size.operations(k)[side] > SURELY_SHORT  # else nothing is timed
    if may_be_long and side != "products":
        announce(
            f"the spectrum of {min(size.rows, size.columns):,} rows",
            size.seconds(side, k),
            "Cheaper: k=... for leading eigenpairs, fewer samples or parameters=[...].",
        )
    if side == "gram":
        found = _from_gram_side(problem, batch, k, size, budget, ranks)
    elif side == "kernel" or k is None:
        found = _from_kernel_side(problem, batch, k, size, budget, ranks)
    else:
        operator = NTKOperator(
            model,
            batch,
            outputs=outputs,
            output_weights=output_weights,
            parameters=parameters,
            memory=budget / 2**30,
            process_group=process_group,
            timeout=timeout,
        )
        if may_be_long and ranks is None:
            announce(
                f"{k} eigenpairs of {size.rows:,} rows by Lanczos",
                size.n_products(k) * operator.product_seconds(),
                "Cheaper: tolerance=1e-2, a smaller k, fewer samples or parameters=[...].",
            )
        found = _from_products(operator, k, tolerance, ranks)
    values, vectors, trace, residual = found
    return spectra.build_spectrum(values, vectors, trace, problem.dtype, residual)


# Eigenvalues, eigenvectors, trace, and the residual where pairs are not exact.
Found = tuple[Tensor, Tensor, float, float | None]


def _check_tolerance(tolerance: float | None, k: int | None) -> None:
    if tolerance is None:
        return
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)):
        raise TypeError(f"tolerance must be a number or None, got {tolerance!r}.")
    if not 0 < tolerance < 1:
        raise ValueError(
            f"tolerance must be between 0 and 1, got {tolerance}. It is a residual beside "
            "the largest eigenvalue, such as 1e-2."
        )
    if k is None:
        raise ValueError(
            f"a tolerance goes with a number of eigenpairs, got tolerance={tolerance} and "
            "k=None. All eigenpairs come from a full decomposition: leave it out."
        )


def _from_kernel_side(
    problem: Problem,
    x: Inputs,
    k: int | None,
    size: Size,
    budget: int,
    ranks: Ranks | None,
) -> Found:
    """Eigenvalues, eigenvectors and trace of the kernel, this rank's rows by this rank."""
    if ranks is None:
        kernel = kernel_matrices(problem, x, None, budget, torch.float64)[""]
    else:
        everyone = ranks.inputs(x)
        own = ranks.agree(
            lambda: kernel_matrices(problem, x, everyone, budget, torch.float64)[""]
        )
        kernel = ranks.rows(own)
        kernel = (kernel + kernel.mT) / 2
    values, vectors = spectra.leading_eigenpairs(kernel, k, size=size.columns)
    return values, vectors, float(kernel.diagonal().sum()), None


def _from_gram_side(
    problem: Problem,
    x: Inputs,
    k: int | None,
    size: Size,
    budget: int,
    ranks: Ranks | None,
) -> Found:
    """The same by way of the Gram matrix, which all ranks add up."""
    factor_of, each = Jacobians(problem, x), problem.maps.rows_per_sample
    n, columns = _inputs.n_samples(x), size.columns
    chunks = sample_chunks(n, factor_of.bytes_per_sample, budget, at_most=CACHE_BYTES)

    def pieces() -> Iterator[tuple[Tensor, Tensor]]:
        for chunk in chunks:
            factor, alive = _without_zero_rows(factor_of.matrix(_inputs.take(x, chunk)))
            yield factor, chunk.start * each + alive

    # The factor is needed twice: kept where it fits into memory, else made again.
    fits = 2 * 8 * n * each * columns + 24 * columns**2 <= budget
    kept: list[tuple[Tensor, Tensor]] | None = [] if fits else None
    gram = torch.zeros(columns, columns, dtype=torch.float64, device=problem.device)
    with progress("Gram matrix", len(chunks), "chunk") as bar:
        for factor, alive in pieces():
            _add_upper_product(gram, factor)
            if kept is not None:
                kept.append((factor, alive))
            bar.update()
    if ranks is not None:
        ranks.add_up(gram)
    gram = gram.triu() + gram.triu(1).mT
    _checks.require_finite("the kernel", gram)
    values, gram_vectors = spectra.leading_eigenpairs(gram, k, size=size.rows)
    to_rows = gram_vectors / values.sqrt()
    vectors = to_rows.new_zeros(n * each, len(values))
    for factor, alive in kept or pieces():
        vectors[alive] = factor @ to_rows
    if ranks is not None:
        vectors = ranks.rows(vectors)
    return values, vectors, float(gram.diagonal().sum()), None


def _from_products(
    operator: NTKOperator, k: int, tolerance: float | None, ranks: Ranks | None
) -> Found:
    """The same by Lanczos on products, led by rank 0."""
    rows, dtype = operator.shape[0], operator.dtype

    def solve(product: spectra.Product) -> tuple[Tensor, ...]:
        with progress("Lanczos", None, "product") as bar:

            def counted(vector: Tensor) -> Tensor:
                image = product(vector)
                bar.update()
                return image

            if tolerance is None:
                return spectra.few_largest_of_product(counted, rows, k, dtype)
            found = spectra.few_largest_to_tolerance(
                counted,
                rows,
                k,
                dtype,
                tolerance,
                told=lambda residual: bar.set_postfix_str(f"residual {residual:.1e}"),
            )
            residual = found.residuals.max() / found.values[0]
            return found.values, found.vectors, residual.reshape(1)

    if ranks is None:
        found = solve(operator.product)
    else:
        led = ranks.lead(operator.product, solve, rows, dtype)
        shapes = [(k,), (rows, k), *([] if tolerance is None else [(1,)])]
        given = [None] * len(shapes) if led is None else led
        found = [
            ranks.share(part, shape, dtype)
            for part, shape in zip(given, shapes, strict=True)
        ]
    values, vectors = (part.to(operator.device) for part in found[:2])
    residual = None if tolerance is None else float(found[2])
    if tolerance is None:
        spectra.numerical_rank(values, rows, torch.finfo(dtype).eps, k)
    return values, vectors, operator.trace(), residual


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
