"""Which exact way is taken for each parameter, by predicted operations and memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from entk_lib.kernels.engine.layer_rules import Term
from entk_lib.kernels.engine.problem import Problem
from entk_lib.kernels.engine.prove import Structure, Use

# An entry-by-entry pass over a tile costs about as much as this many multiply-adds of a
# matrix product.
_ENTRY_COST = 15
# Fewer outputs than this, and to look for a common factor costs more than it saves.
_FEWEST_OUTPUTS = 4
# Of about so many samples every output is run on its own to tell a common factor.
_COVER = 16


@dataclass(frozen=True)
class ParameterPlan:
    """How one parameter's part of the kernel is computed.

    Attributes:
        parameter: Its name.
        way: ``"pairs"`` of positions, ``"gradient"`` per sample, from a layer rule each;
            ``"head"``, the closed form of the last linear map; or ``"autodiff"``.
        uses: The operations it takes part in, as recorded.
        operations: Predicted multiply-adds of its matrix products; a term that shares
            G G'^T with others bears its part.
        bytes: Predicted memory of what is kept of all samples.
    """

    parameter: str
    way: str
    uses: list[str]
    operations: int
    bytes: int


@dataclass
class Plan:
    """The ways chosen for a model's parameters.

    Attributes:
        structure: What was proven of the model.
        pairs: For each use its terms that are contracted by pairs of positions.
        gradients: For each other proven parameter its terms, as (use, term).
        separable: Uses whose cotangents are looked at for a common factor.
        rows: One line for each parameter.
        sample_bytes: What is kept of a sample.
        working_bytes: What is needed besides, for a sample at work.
        making: Multiply-adds that make the factors of all samples, once.
        contraction: Of the products of factors, once; entrywise work in the same time.
        forward: Multiply-adds of the model's forward pass and its check, once.
        backward: Multiply-adds of the model's backward passes, once, and of the passes
            that tell common factors.
        in_order: Whether Jacobians need their columns in the parameter's order.
    """

    structure: Structure
    pairs: dict[int, list[int]] = field(default_factory=dict)
    gradients: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    separable: set[int] = field(default_factory=set)
    rows: list[ParameterPlan] = field(default_factory=list)
    sample_bytes: int = 0
    working_bytes: int = 0
    making: int = 0
    contraction: int = 0
    forward: int = 0
    backward: int = 0
    in_order: bool = False

    @property
    def operations(self) -> int:
        """All of these multiply-adds."""
        return self.making + self.contraction + self.forward + self.backward

    @property
    def positions(self) -> int:
        """Largest number of positions that are paired; one where none are."""
        return max((len(self.structure.uses[i].alive) for i in self.pairs), default=1)

    @property
    def jacobians(self) -> list[str]:
        """Parameters that a Jacobian is made for."""
        return [*self.gradients, *self.structure.autodiff]

    @property
    def every_output(self) -> list[int]:
        """Uses that need the gradient of every mapped output."""
        of_gradients = {i for pairs in self.gradients.values() for i, _ in pairs}
        return sorted((set(self.pairs) - self.separable) | of_gradients)


def _size_of_call(part: tuple[Use, Term]) -> int:
    """Multiply-adds of a call with one term of it, for a sample."""
    use, term = part
    width = 1 if term.vocabulary or term.inputs is None else term.n_in
    return use.call.groups * use.call.positions * use.call.n_out * width


def _size_of_calls(structure: Structure) -> int:
    """Multiply-adds of all calls, for a sample."""
    calls = ((use, term) for use in structure.uses.values() for term in use.call.terms)
    return sum(map(_size_of_call, calls))


@dataclass(frozen=True)
class _Costs:
    """Predicted multiply-adds of the exact forms, for n1 x n2 samples."""

    n1: int
    n2: int
    n_mapped: int
    by_row: bool
    symmetric: bool

    @property
    def pairs_of_samples(self) -> int:
        """Of which the mirror of a symmetric kernel needs only one half."""
        return self.n1 * (self.n1 + 1) // 2 if self.symmetric else self.n1 * self.n2

    @property
    def samples(self) -> int:
        """For which factors are made."""
        return self.n1 if self.symmetric else self.n1 + self.n2

    @property
    def entries(self) -> int:
        """Entries of the kernel to compute."""
        return self.pairs_of_samples * (self.n_mapped**2 if self.by_row else 1)

    def columns(self, size: int) -> int:
        """Columns of a factor with ``size`` numbers for each output."""
        return size * (1 if self.by_row else self.n_mapped)

    def outer(self, use: Use, *, separable: bool) -> int:
        """G G'^T by pairs of positions."""
        width = use.call.n_out if separable else self.columns(use.call.n_out)
        return self.entries * use.call.groups * len(use.alive) ** 2 * width

    def inner(self, use: Use, term: Term) -> int:
        """A A'^T by pairs of positions."""
        width = 0 if term.inputs is None or term.vocabulary else term.n_in
        return self.pairs_of_samples * use.call.groups * len(use.alive) ** 2 * width

    def entrywise(self, use: Use) -> int:
        """The product of both, entry by entry, in multiply-adds of the same time."""
        return self.entries * use.call.groups * len(use.alive) ** 2 * _ENTRY_COST

    def gradient(self, terms: Sequence[tuple[Use, Term]], size: int) -> int:
        """A per-sample gradient from G and A, and its product."""
        return self.making(terms) + self.product(size)

    def making(self, terms: Sequence[tuple[Use, Term]]) -> int:
        """Per-sample gradients from G and A, of every mapped output."""
        return self.samples * self.n_mapped * sum(map(_size_of_call, terms))

    def passes(
        self, structure: Structure, n_autodiff: int, n_cotangents: int
    ) -> tuple[int, int]:
        """A forward pass with a check, and a backward pass for each cotangent."""
        own = _size_of_calls(structure)
        backward = own * n_cotangents + 3 * self.n_mapped * n_autodiff
        return self.samples * 2 * own, self.samples * backward

    def separation(self, structure: Structure) -> int:
        """Telling common factors: a few samples are run both ways for each output."""
        few = min(self.samples, _COVER)
        return few * self.n_mapped * 2 * _size_of_calls(structure)

    def product(self, size: int) -> int:
        """J J'^T of a Jacobian with ``size`` numbers for each sample and output."""
        return self.entries * self.columns(size)


def make_plan(
    problem: Problem,
    structure: Structure,
    n1: int,
    n2: int,
    *,
    symmetric: bool = False,
    jacobians: bool = False,
) -> Plan:
    """Choose for each proven parameter the form with fewer operations.

    Of a ``symmetric`` kernel only one half is computed. With ``jacobians``, only forms
    that make one are chosen, columns in the parameter's order.
    """
    costs = _Costs(n1, n2, problem.n_mapped, problem.by_row, symmetric)
    if jacobians:
        return _plan(problem, structure, costs, jacobians=True)
    plan = _plan(problem, structure, costs)
    if not plan.separable:
        return plan
    # Where the gradients of every output are made anyway, a common factor saves little.
    return min(
        plan,
        _plan(problem, structure, costs, separate=False),
        key=lambda found: found.operations,
    )


def _plan(
    problem: Problem,
    structure: Structure,
    costs: _Costs,
    *,
    jacobians: bool = False,
    separate: bool = True,
) -> Plan:
    """The plan with common factors where there are some, or without."""
    plan = Plan(structure, in_order=jacobians)
    ways: dict[str, tuple[str, int]] = {}
    for name, own in structure.terms.items():
        terms = [(structure.uses[i], structure.uses[i].call.terms[j]) for i, j in own]
        ways[name] = "gradient", costs.gradient(terms, problem.parameters[name].numel())
    for name in structure.autodiff:
        ways[name] = "autodiff", costs.product(problem.parameters[name].numel())
    if not jacobians:
        for index in structure.uses:
            _choose_pairs(plan, problem, costs, index, ways, separate=separate)
    plan.gradients = {
        name: own for name, own in structure.terms.items() if ways[name][0] == "gradient"
    }
    plan.making = sum(
        costs.making([(structure.uses[i], structure.uses[i].call.terms[j]) for i, j in own])
        for own in plan.gradients.values()
    )
    n_autodiff = sum(problem.parameters[n].numel() for n in structure.autodiff)
    n_cotangents = problem.n_mapped if plan.every_output else 3
    plan.forward, plan.backward = costs.passes(structure, n_autodiff, n_cotangents)
    if plan.separable:
        plan.backward += costs.separation(structure)
    entrywise = sum(
        costs.entrywise(structure.uses[i]) * len(own) for i, own in plan.pairs.items()
    )
    plan.contraction = sum(work for _, work in ways.values()) - plan.making + entrywise
    kept = dict(_kept_bytes(plan, problem))
    plan.sample_bytes = sum(kept.values())
    plan.working_bytes = _working_bytes(plan, problem)
    plan.rows = [
        ParameterPlan(
            name,
            ways[name][0],
            [structure.path.uses[i] for i, _ in structure.terms.get(name, [])],
            ways[name][1],
            kept.get(name, 0) * costs.samples,
        )
        for name in problem.parameters
    ]
    return plan


def _choose_pairs(
    plan: Plan,
    problem: Problem,
    costs: _Costs,
    index: int,
    ways: dict[str, tuple[str, int]],
    *,
    separate: bool,
) -> None:
    """Contract a call's terms by pairs of positions where all of them together gain."""
    structure, use = plan.structure, plan.structure.uses[index]
    if not len(use.alive):
        return
    separable = (
        separate
        and use.separable
        and not problem.by_row
        and problem.n_mapped >= _FEWEST_OUTPUTS
    )
    outer = costs.outer(use, separable=separable)
    gains: dict[int, int] = {}
    for j, term in enumerate(use.call.terms):
        name = term.weight.parameter
        # One use only, of each entry once: only then is J what the term says.
        if structure.terms.get(name) == [(index, j)] and term.weight.distinct:
            gain = ways[name][1] - costs.inner(use, term) - costs.entrywise(use)
            if gain > 0:
                gains[j] = gain
    if sum(gains.values()) <= outer:
        return
    plan.pairs[index] = list(gains)
    if separable:
        plan.separable.add(index)
    for j in gains:
        term = use.call.terms[j]
        operations = costs.inner(use, term) + outer // len(gains)
        ways[term.weight.parameter] = "pairs", operations


def _kept_bytes(plan: Plan, problem: Problem) -> Iterator[tuple[str, int]]:
    """What is kept of a sample, by parameter."""
    itemsize = next(iter(problem.parameters.values())).element_size()
    for index, chosen in plan.pairs.items():
        use = plan.structure.uses[index]
        places = use.call.groups * len(use.alive)
        wide = 1 if index in plan.separable else problem.n_mapped
        outer = places * use.call.n_out * wide
        for count, j in enumerate(chosen):
            term = use.call.terms[j]
            width = 0 if term.inputs is None else 2 if term.vocabulary else term.n_in
            # A table's G may be kept once more, by token.
            copies = (count == 0) + (term.vocabulary > 0)
            own = places * width + copies * outer
            yield term.weight.parameter, own * itemsize
    for name in plan.jacobians:
        yield name, problem.parameters[name].numel() * problem.n_mapped * itemsize


def _working_bytes(plan: Plan, problem: Problem) -> int:
    """What a sample needs beside its factors while they are made."""
    mapped, uses = problem.n_mapped, plan.structure.uses

    def size(index: int, width: int) -> int:
        call = uses[index].call
        return call.groups * call.positions * width

    numbers = sum(size(i, uses[i].call.n_out) * mapped for i in plan.every_output)
    # Two mixtures of the outputs, and every output of the samples that show all entries.
    numbers += sum(size(i, uses[i].call.n_out) * (2 + mapped) for i in plan.separable)
    inputs = [
        size(i, uses[i].call.terms[j].n_in)
        for own in plan.gradients.values()
        for i, j in own
        if not uses[i].call.terms[j].vocabulary
    ]
    # Several uses of one weight are laid side by side once more.
    joined = [
        sum(size(i, uses[i].call.n_out) * mapped for i, _ in own)
        for own in plan.gradients.values()
        if len(own) > 1
    ]
    jacobians = [problem.parameters[name].numel() for name in plan.gradients]
    by_autodiff = sum(problem.parameters[n].numel() for n in plan.structure.autodiff)
    numbers += max(inputs, default=0) + max(joined, default=0)
    numbers += mapped * (max(jacobians, default=0) + 3 * by_autodiff)
    itemsize = next(iter(problem.parameters.values())).element_size()
    return 2 * plan.structure.saved_bytes + itemsize * numbers
