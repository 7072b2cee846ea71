"""From a batch of samples to the factors of its kernel."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from entk_lib import _inputs
from entk_lib._inputs import Inputs as Batch
from entk_lib.kernels.engine.autodiff import jacobian_blocks
from entk_lib.kernels.engine.factors import Inputs, Pairs
from entk_lib.kernels.engine.layer_rules import Term, Tracked
from entk_lib.kernels.engine.plan import Plan
from entk_lib.kernels.engine.problem import Problem
from entk_lib.kernels.engine.prove import Use, live_samples
from entk_lib.kernels.engine.record import ChangedError, Recording, record

# How well two cotangents must agree on a common factor: rounding, and no more.
_SEPARABLE_TOLERANCE = {torch.float64: 1e-13, torch.float32: 2e-6}
# Samples that a common factor is read from, before those are added that they leave out.
_COVER_SIZE = 8
# A pass that saves less than this spends its time in calls, not in arithmetic.
_SMALL_BYTES = 2**20
_LEAST_ROWS = 512


def harvest(
    problem: Problem,
    plan: Plan,
    x: Batch,
    maps: Tensor,
    recording: Recording | None = None,
    into: dict[str, Tensor] | None = None,
) -> tuple[list[Pairs], dict[str, Tensor]]:
    """What a batch's part of the kernel is made from, in the order that the plan fixes.

    Args:
        problem: The model and what is asked of it.
        plan: The way for each parameter.
        x: The batch.
        maps: The map on the outputs of this side, ``(mapped, C)``.
        recording: The batch's, as `recorded` gives it, where it was kept.
        into: Tensors ``(n, mapped, size)`` that the Jacobians are written to.

    Returns:
        Factors of the calls that are contracted by pairs, and the Jacobian of the mapped
        outputs for each other parameter.

    Raises:
        ChangedError: If the batch takes another path than the plan's probe.
    """
    pairs: list[Pairs] = []
    gradients = {}
    if plan.structure.uses:
        recording = recording or recorded(problem, plan, x)
        separated = _separate(problem, plan, recording, x, maps) if plan.separable else {}
        gradients = _all_gradients(problem, plan, x, recording, maps)
        pairs = [
            _pairs(problem, plan, recording, i, separated.get(i), gradients)
            for i in plan.pairs
        ]
    if into is None:
        n = _inputs.n_samples(x)
        into = {
            name: p.new_empty(n, len(maps), p.numel())
            for name, p in problem.parameters.items()
            if name in plan.jacobians
        }
    for name, own in plan.gradients.items():
        _write_gradient(into[name], plan, own, recording, gradients)
    if plan.structure.autodiff:
        rest = {name: problem.parameters[name] for name in plan.structure.autodiff}
        for name, jacobian in jacobian_blocks(problem.model, x, rest, maps).items():
            into[name].copy_(jacobian)
    return pairs, into


def harvest_jacobians(
    problem: Problem, plan: Plan, x: Batch, maps: Tensor
) -> dict[str, Tensor]:
    """The same for a plan without pairs: the Jacobians alone."""
    return harvest(problem, plan, x, maps)[1]


def recorded(problem: Problem, plan: Plan, x: Batch) -> Recording:
    """The batch's recording; ChangedError if samples get gradients of other samples."""
    recording = record(problem.model, problem.parameters, x, plan.structure.path)
    n, n_outputs = recording.outputs.shape
    if n > 1:
        live = live_samples(n).to(recording.outputs.device)
        generator = torch.Generator().manual_seed(2)
        row = torch.randn(n_outputs, generator=generator, dtype=torch.float64)
        cotangent = live.unsqueeze(1) * row.to(recording.outputs)
        for gradient in recording.gradients(list(plan.structure.uses), cotangent):
            # By sample first: it reads the gradients once.
            if bool(gradient.flatten(1).abs().amax(1)[~live].any()):
                raise ChangedError("the model moves samples within a batch")
    return recording


def _all_gradients(
    problem: Problem, plan: Plan, x: Batch, recording: Recording, maps: Tensor
) -> dict[int, Tensor]:
    """G of every mapped output, ``(groups, positions, n, mapped, out)`` by use."""
    needed, n = plan.every_output, len(recording.outputs)
    if not needed:
        return {}
    if n * plan.structure.saved_bytes < _SMALL_BYTES and len(maps) > 1:
        # One pass with each sample once for each output: fewer calls, all of them small.
        found = _each_output(problem, plan, x, maps, needed)
        return {
            index: gradient.unflatten(0, (n, len(maps))).permute(2, 3, 0, 1, 4)
            for index, gradient in zip(needed, found, strict=True)
        }
    buffers: dict[int, Tensor] = {}
    for c, row in enumerate(maps):
        gradients = recording.gradients(needed, row.expand(n, -1))
        for index, gradient in zip(needed, gradients, strict=True):
            part = _alive(plan, index, gradient).permute(1, 2, 0, 3)
            if index not in buffers:
                buffers[index] = _buffer(part, len(maps), by_position=index in plan.pairs)
            buffers[index][:, :, :, c] = part
    return buffers


def _buffer(part: Tensor, n_mapped: int, *, by_position: bool) -> Tensor:
    """Room for G of every mapped output, in the order in which it is written or read."""
    shape = (*part.shape[:3], n_mapped, part.shape[3])
    order = [0, 1, 2, 3, 4]
    if not by_position:  # samples first, then as the gradient itself lies
        order = [2, 0, 1, 3, 4] if part.stride(3) == 1 else [2, 0, 3, 4, 1]
    laid_out = part.new_empty([shape[axis] for axis in order])
    return laid_out.permute([order.index(axis) for axis in range(5)])


def _alive(plan: Plan, index: int, gradient: Tensor) -> Tensor:
    """G at the positions that outputs depend on; ChangedError if others matter too."""
    use = plan.structure.uses[index]
    alive, call = use.alive, use.call
    if gradient.shape[1:] != (call.groups, call.positions, call.n_out):
        raise ChangedError("samples of another shape")
    if len(alive) == gradient.shape[2]:
        return gradient
    part = gradient[:, :, alive]
    if bool(gradient.count_nonzero() != part.count_nonzero()):
        raise ChangedError("a position came alive")
    return part


def _pairs(
    problem: Problem,
    plan: Plan,
    recording: Recording,
    index: int,
    separated: tuple[Tensor, Tensor] | None,
    gradients: dict[int, Tensor],
) -> Pairs:
    use, call = plan.structure.uses[index], recording.event(index).call
    inputs = []
    for j in plan.pairs[index]:
        term = call.terms[j]
        values = _inputs_of(term, use)
        if values is not None:
            values = values.movedim(0, 2).contiguous()
        layer = problem.layers[term.weight.parameter]
        inputs.append(Inputs(layer, values, term.weight.factor))
    if separated is not None:
        return Pairs(inputs, separated[0].unsqueeze(3), separated[1])
    return Pairs(inputs, gradients[index])


def _inputs_of(term: Term, use: Use) -> Tensor | None:
    """A at the positions that outputs depend on; None for ones."""
    if term.inputs is None:
        return None
    values = term.inputs()
    return values if len(use.alive) == values.shape[2] else values[:, :, use.alive]


def _write_gradient(
    into: Tensor,
    plan: Plan,
    own: Sequence[tuple[int, int]],
    recording: Recording | None,
    gradients: dict[int, Tensor],
) -> None:
    """Jacobian of the mapped outputs for one parameter, written to ``(n, mapped, size)``.

    Columns may come in another order, which makes the same kernel, unless the plan asks.
    """
    # Without a recording, and from dead uses, no output depends on this parameter.
    alive = [(i, j) for i, j in own if len(plan.structure.uses[i].alive)]
    uses = [] if recording is None else _alike(plan, recording, alive, gradients)
    if len(uses) == 1:
        weight, vocabulary, gradient, inputs = uses[0]
        whole = weight.distinct and math.prod(weight.shape) == into.shape[2]
        if whole and not plan.in_order:
            _term_jacobian(gradient, inputs, vocabulary, into)
            if weight.factor != 1:
                into.mul_(weight.factor)
            return
    into.zero_()
    for weight, vocabulary, gradient, inputs in uses:
        part = into.new_empty(*into.shape[:2], math.prod(weight.shape))
        _term_jacobian(gradient, inputs, vocabulary, part)
        if weight.factor != 1:
            part.mul_(weight.factor)
        into.index_add_(2, weight.entries().flatten(), part)


# Entries of a weight, its vocabulary, G and A.
_Summand = tuple[Tracked, int, Tensor, Tensor | None]


def _alike(
    plan: Plan,
    recording: Recording,
    own: Sequence[tuple[int, int]],
    gradients: dict[int, Tensor],
) -> list[_Summand]:
    """What a parameter's gradient is a sum of; uses of the same entries are one, longer.

    As the steps of a recurrent layer: one product over all their positions.
    """
    found: list[_Summand] = []
    groups: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for i, j in own:
        term = recording.event(i).call.terms[j]
        key = (term.weight.shape, term.weight.factor, term.vocabulary, term.inputs is None)
        groups.setdefault(key, []).append((i, j))
    for members in groups.values():
        terms = [recording.event(i).call.terms[j] for i, j in members]
        first = terms[0].weight
        together = len(terms) > 1 and all(
            torch.equal(term.weight.entries(), first.entries()) for term in terms[1:]
        )
        parts = [
            (gradients[i], _inputs_of(term, plan.structure.uses[i]))
            for (i, _), term in zip(members, terms, strict=True)
        ]
        if together:
            inputs = [values for _, values in parts if values is not None]
            whole = torch.cat(inputs, 2) if inputs else None
            parts = [(torch.cat([g for g, _ in parts], 1), whole)]
        for term, (gradient, values) in zip(terms, parts, strict=False):
            found.append((term.weight, term.vocabulary, gradient, values))
    return found


def _term_jacobian(
    gradients: Tensor, inputs: Tensor | None, vocabulary: int, into: Tensor
) -> None:
    """Sum over positions of G times A, written to ``(n, mapped, groups * out * in)``."""
    groups, positions, n, mapped, n_out = gradients.shape
    if inputs is None:
        total = gradients.sum(1).permute(1, 2, 0, 3)
        into.copy_(total.reshape(into.shape))
        return
    if vocabulary:
        rows = into.zero_().view(n, mapped, n_out, vocabulary)
        index = inputs.reshape(n, 1, 1, positions).expand(n, mapped, n_out, positions)
        index = index.long()  # older torch wants it so
        rows.scatter_add_(3, index, gradients[0].permute(1, 2, 3, 0).to(into.dtype))
        return
    # One product for each sample and group: (mapped * out, positions) (positions, in).
    left = gradients.permute(2, 0, 3, 4, 1).reshape(n * groups, mapped * n_out, positions)
    right = inputs.reshape(n * groups, positions, -1)
    if groups == 1 and left.dtype == right.dtype == into.dtype:
        torch.bmm(left, right, out=into.view(n, mapped * n_out, -1))
        return
    common = torch.promote_types(left.dtype, right.dtype)
    jacobian = left.to(common) @ right.to(common)
    jacobian = jacobian.reshape(n, groups, mapped, -1).transpose(1, 2)
    into.copy_(jacobian.reshape(into.shape))


def _separate(
    problem: Problem, plan: Plan, recording: Recording, x: Batch, maps: Tensor
) -> dict[int, tuple[Tensor, Tensor]]:
    r"""D and U of the uses with G[n, c] = D[n] U[c], found and proven on this batch.

    Where a call meets the outputs only through entrywise functions and one linear map,
    the gradients of all outputs have one direction in c for each entry, so two random
    mixtures r of the outputs tell D for all samples, given U. U comes from the gradients
    of all outputs on a few samples, a few more where those leave an entry out. With
    :math:`a = U r`, D is the least-squares solution of :math:`G_r = a D` over both
    mixtures; its residual is the proof.
    """
    indices = sorted(plan.separable)
    n, mapped = len(recording.outputs), len(maps)
    generator = torch.Generator().manual_seed(1)
    mixtures = torch.randn(2, mapped, generator=generator, dtype=torch.float64).to(maps)
    ones, twos = (
        [
            _alive(plan, i, g)
            for i, g in zip(
                indices, recording.gradients(indices, row.expand(n, -1)), strict=True
            )
        ]
        for row in mixtures @ maps
    )
    cover = _cover(ones)
    each = _each_output(problem, plan, _inputs.take(x, cover), maps, indices)
    found = {}
    for i, one, two, gradient in zip(indices, ones, twos, each, strict=True):
        # For each entry the direction at the sample where it matters most.
        part = gradient.reshape(len(cover), mapped, -1)
        best = one[cover].abs().argmax(0).flatten()
        common = part[best, :, torch.arange(len(best), device=best.device)].mT
        common = torch.nn.functional.normalize(common, dim=0).reshape(
            mapped, *one.shape[1:]
        )
        a, b = torch.tensordot(mixtures, common, 1)
        length = torch.hypot(a, b).clamp_min(torch.finfo(a.dtype).tiny)
        a, b = a / length, b / length
        # Both mixtures along (a, b) are D; what is across is the residual.
        across = (one * b).addcmul_(two, a, value=-1)
        if not _largest(across) <= _SEPARABLE_TOLERANCE[one.dtype] * _largest(one):
            raise ChangedError("the outputs have no common factor")
        own = (one * (a / length)).addcmul_(two, b / length)
        found[i] = own.permute(1, 2, 0, 3).contiguous(), common.permute(1, 2, 0, 3)
    return found


def _largest(tensor: Tensor) -> float:
    return float(tensor.abs().max())  # several times as fast as vector_norm


def _each_output(
    problem: Problem, plan: Plan, x: Batch, maps: Tensor, indices: Sequence[int]
) -> list[Tensor]:
    """G of every mapped output, ``(n * mapped, ...)``, each sample run once for each."""
    rows = max(_LEAST_ROWS, 16 * _SMALL_BYTES // max(1, plan.structure.saved_bytes))
    count = max(1, rows // len(maps))
    parts = []
    for start in range(0, _inputs.n_samples(x), count):
        few = _inputs.take(x, slice(start, start + count))
        repeated = _inputs.repeat(few, len(maps))
        cotangents = maps.repeat(_inputs.n_samples(few), 1)
        run = record(problem.model, problem.parameters, repeated, plan.structure.path)
        found = run.gradients(indices, cotangents)
        parts.append([_alive(plan, i, g) for i, g in zip(indices, found, strict=True)])
    return [torch.cat(gradients) for gradients in zip(*parts, strict=True)]


def _cover(gradients: Sequence[Tensor]) -> Tensor:
    """A few samples among which every entry is far from zero somewhere."""
    n, device = len(gradients[0]), gradients[0].device
    few = torch.linspace(0, n - 1, min(n, _COVER_SIZE)).round().long().to(device)
    chosen = [few]
    for gradient in gradients:
        largest = gradient.abs().amax(0)
        missing = gradient[few].abs().amax(0) < 1e-2 * largest
        if bool(missing.any()):
            chosen.append(gradient[:, missing].abs().argmax(0))
    return torch.cat(chosen).unique()
