"""The kernel as an operator: products and traces, and nothing stored."""

import contextlib
import time
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_lib import _checks, _inputs, _models
from entk_lib._inputs import Data
from entk_lib._outputs import Outputs
from entk_lib._progress import progress
from entk_lib.kernels.distributed import Ranks
from entk_lib.kernels.engine import (
    ChangedError,
    Problem,
    Wide,
    find_head,
    kernel_trace,
    prepare,
    require_symmetric,
)
from entk_lib.kernels.tangents import Chunks, Tangents, chunks_of


class NTKOperator:
    r"""The eNTK of a model as a matrix that is only multiplied with, never stored.

    A product :math:`K v = J (J^\top v)` is a backward pass that adds up one vector of
    parameter length over all samples, and a pass that brings it back; for
    ``outputs="average"`` one of each for every output. Where memory allows, the model
    runs once only: its graph, from the first chosen parameter on, is kept between
    products, and both passes go through that graph. Elsewhere each product runs the model
    twice, the second time in forward mode, or by what takes its place where an operation
    has none. Memory grows linearly with the number of
    samples.

    With a process group, every rank passes its own share of the samples, and the
    operator is that of all of them, in the order of ranks. All ranks call the same
    methods; vectors are whole, and equal, on every rank. A product costs one all-reduce
    of a parameter vector.

    Args:
        model: As in `empirical_ntk`.
        x: Samples along the first axis, as in `empirical_ntk`.
        outputs: ``"average"``, ``"flatten"``, ``"mean_output"`` or a block ``(c, c)``.
        output_weights: As in `empirical_ntk`.
        parameters: As in `empirical_ntk`.
        memory: GiB that may be used. ``None``: half of what is free.
        process_group: A group of ``torch.distributed``, such as
            ``torch.distributed.group.WORLD``. ``None``: this process alone.
        timeout: Seconds that an exchange waits for the other ranks.

    Raises:
        ValueError: As in `empirical_ntk`; also if ``outputs`` gives no symmetric matrix.
        TypeError: As in `empirical_ntk`.
        MemoryError: If not even one sample fits.
        RuntimeError: If another rank fails or is late; at a product, if a model in half
            precision, of which float32 copies are held, has changed since.

    Example:
        >>> kernel = NTKOperator(nn.Linear(2, 1, bias=False), 2 * torch.eye(2))
        >>> kernel @ torch.ones(2)
        tensor([4., 4.])
        >>> kernel.shape, kernel.trace()
        ((2, 2), 8.0)
    """

    def __init__(
        self,
        model: nn.Module,
        x: Data,
        *,
        outputs: Outputs = "average",
        output_weights: Float[Tensor, "*outputs"] | None = None,
        parameters: Iterable[str] | str | None = None,
        memory: float | None = None,
        process_group: Any = None,
        timeout: float = 300.0,
    ) -> None:
        batch = _inputs.gathered(x)
        self._ranks = None if process_group is None else Ranks(process_group, timeout)

        def check() -> tuple[Problem, int, Chunks]:
            problem = prepare(model, batch, outputs, output_weights, parameters)
            require_symmetric(problem, outputs)
            budget = _checks.memory_budget(problem.device, memory)
            return problem, budget, chunks_of(problem, batch, budget)

        checked = check() if self._ranks is None else self._ranks.agree(check)
        self._whole, self._budget, self._whole_chunks = checked
        self._problem = self._whole
        self._own: tuple[Tensor, Tensor] | None = None
        self._tangents: Tangents | None = None
        self._seen: tuple[object, ...] = ()
        self._x = batch
        self._own_rows = _inputs.n_samples(batch) * self._problem.maps.rows_per_sample
        counts = (
            [self._own_rows] if self._ranks is None else self._ranks.counts(self._own_rows)
        )
        rank = 0 if self._ranks is None else self._ranks.rank
        self._rows = slice(sum(counts[:rank]), sum(counts[: rank + 1]))
        self._n_rows = sum(counts)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of columns; both count samples, or samples times outputs."""
        return self._n_rows, self._n_rows

    @property
    def dtype(self) -> torch.dtype:
        """The model's; float32 for one in half precision."""
        return self._problem.dtype

    @property
    def device(self) -> torch.device:
        """Where the model's parameters lie, and the products."""
        return self._problem.device

    def __matmul__(self, vectors: Float[Tensor, " n *k"]) -> Float[Tensor, " n *k"]:
        """The kernel times a vector ``(n,)`` or the columns of a matrix ``(n, k)``.

        Args:
            vectors: What to multiply with; cast to the model's dtype.

        Returns:
            The product, of the shape of ``vectors``.

        Raises:
            TypeError: If ``vectors`` is no tensor.
            ValueError: If its length is not the number of rows, or it is not finite.
        """
        if not isinstance(vectors, Tensor):
            raise TypeError(
                f"a kernel multiplies a tensor, got {type(vectors).__name__}. Use "
                "torch.as_tensor."
            )
        if vectors.ndim not in (1, 2) or len(vectors) != self._n_rows:
            raise ValueError(
                f"vectors must have shape ({self._n_rows},) or ({self._n_rows}, k), got "
                f"{tuple(vectors.shape)}. The kernel has one row for each sample, or with "
                '"flatten" for each sample and output.'
            )
        _checks.require_finite("vectors", vectors)
        columns = (
            vectors.detach().to(self._problem.device, self.dtype).reshape(self._n_rows, -1)
        )
        found = []
        with progress("products", columns.shape[1], "vector") as bar:
            for column in columns.mT:
                found.append(self.product(column))
                bar.update()
        products = torch.stack(found, 1)
        return products.reshape(vectors.shape)

    def product_seconds(self) -> float:
        """Seconds that a product takes: the second one, as the first runs the model."""
        vector = torch.ones(self._n_rows, dtype=self.dtype, device=self.device)
        times = []
        for _ in range(2):
            start = time.perf_counter()
            float(self.product(vector)[0])  # waits for the device
            times.append(time.perf_counter() - start)
        return times[-1]

    def trace(self, *, products: int | None = None, seed: int = 0) -> float:
        """Sum of the diagonal.

        Args:
            products: ``None``: exact, from the gradients' norms. A number: an estimate
                from that many products (Hutch++), whose error falls with its square for
                a spectrum that decays, and does not depend on the number of rows.
            seed: Of the estimate's random vectors.

        Returns:
            The trace.

        Raises:
            ValueError: If ``products`` is below 3.
            TypeError: If it is no integer.

        References:
            Meyer, Musco, Musco and Woodruff (2021), "Hutch++: optimal stochastic trace
            estimation", arXiv:2010.09649.
        """
        if products is None:
            own = kernel_trace(self._whole, self._x, self._budget)
            if self._ranks is None:
                return own
            total = torch.tensor([own], dtype=torch.float64, device=self._problem.device)
            self._ranks.add_up(total)
            return float(total)
        _checks.require_count("products", products, minimum=3)
        third = min(products // 3, self._n_rows)
        generator = torch.Generator().manual_seed(seed)
        signs = torch.randint(0, 2, (self._n_rows, 2 * third), generator=generator)
        signs = (2.0 * signs - 1).to(self._problem.device, self.dtype)
        sketch, probes = signs[:, :third], signs[:, third:]
        basis = torch.linalg.qr(self @ sketch).Q
        # What the sketch has not caught is estimated, the rest is exact.
        probes = probes - basis @ (basis.mT @ probes)
        caught = (basis * (self @ basis)).sum(dtype=torch.float64)
        left = (probes * (self @ probes)).sum(dtype=torch.float64) / third
        return float(caught + left)

    def product(self, vector: Tensor) -> Tensor:
        """The kernel times one vector ``(n,)``, of its dtype and on its device.

        Args:
            vector: Not checked: for a solver, which multiplies often.

        Returns:
            The product.

        Raises:
            ValueError: If it is not finite.
        """
        tangents = self._look()
        maps = self._problem.maps.left
        own = vector[self._rows]
        result = torch.zeros_like(own)
        # Summed outputs take one pass each; outputs that are rows go together.
        singles = (maps.part(slice(c, c + 1)) for c in range(len(maps)))
        for part in [maps] if self._problem.by_row else singles:
            weights = own.reshape(-1, len(part))
            pulled = tangents.pull(part.apply_transposed(weights))
            if self._ranks is not None:
                self._ranks.add_up(pulled)
            result += part.apply(tangents.push(pulled)).reshape(-1)
        if self._own is not None:
            left, right = self._own
            result += (left @ (right.mT @ own.double())).to(result)
        if self._ranks is not None:
            result = self._ranks.rows(result)
        _checks.require_finite("the kernel", result)
        return result

    def _look(self) -> Tangents:
        """Look at the model again where a parameter has changed since the last product."""
        _models.refuse_autocast(self._problem.device)
        model = self._whole.model
        now = tuple(
            (t.data_ptr(), t._version) for t in (*model.parameters(), *model.buffers())
        )
        if self._tangents is not None and self._seen == now:
            return self._tangents
        if self._seen and isinstance(model, Wide):
            raise RuntimeError(
                "the model, in half precision, has changed since its operator was made. "
                "Make a new NTKOperator."
            )
        self._seen, self._own = now, None
        self._problem, chunks = self._whole, self._whole_chunks
        head = find_head(self._whole, self._x) if self._ranks is None else None
        if head is not None and head.below is not None:
            # Below the last linear map as many passes as it is wide; its own part apart.
            with contextlib.suppress(ChangedError):  # some samples take another path
                self._own = head.own_factors(self._x)
                self._problem = head.below
                chunks = chunks_of(head.below, self._x, self._budget)
        self._tangents = Tangents(self._problem, self._x, self._budget, chunks)
        return self._tangents
