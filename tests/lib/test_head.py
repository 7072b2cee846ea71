"""Many outputs: the last linear map, parts of the outputs, matrices of weights."""

import pytest
import torch
from assertions import assert_close
from cases import inputs
from oracles import loop_kernel, reduce_outputs
from torch import nn
from torch.nn import functional as F

from entk_lib import NTKOperator, _outputs, empirical_ntk, explain_ntk, ntk_spectrum
from entk_lib.kernels.engine import assemble, contract, head, plan
from entk_lib.kernels.tangents import Tangents

pytestmark = [pytest.mark.no_shape_checks, pytest.mark.sweep]

N_TOKENS, WIDTH, PLACES = 23, 4, 5


class LanguageModel(nn.Module):
    """Tokens in, a logit for each token out at the last place."""

    def __init__(self, *, tied: bool, scale: float = 1.0) -> None:
        super().__init__()
        self.tokens = nn.Embedding(N_TOKENS, WIDTH, padding_idx=0)
        self.places = nn.Parameter(torch.randn(PLACES, WIDTH))
        self.inner = nn.Linear(WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.readout = nn.Linear(WIDTH, N_TOKENS)
        if tied:
            self.readout.weight = self.tokens.weight
        self.scale = scale

    def hidden(self, tokens):
        embedded = self.tokens(tokens) * self.scale + self.places
        return self.norm(torch.tanh(self.inner(embedded)).cumsum(1))

    def forward(self, tokens):
        return self.readout(self.hidden(tokens))[:, -1]


class SoftCapped(LanguageModel):
    def forward(self, tokens):
        return 3 * torch.tanh(super().forward(tokens) / 3)


class Shifted(LanguageModel):
    """The bias depends on the input."""

    def forward(self, tokens):
        hidden = self.hidden(tokens)[:, -1]
        return F.linear(hidden, self.readout.weight) + hidden.sum(1, keepdim=True)


class Detached(LanguageModel):
    """The map's values, and other gradients."""

    def forward(self, tokens):
        hidden = self.hidden(tokens)[:, -1]
        logits = self.readout(hidden)
        total = hidden.sum(1, keepdim=True)
        return logits + (total - total.detach())


class UsedTwice(LanguageModel):
    """The map's weight acts once more, on its own results."""

    def forward(self, tokens):
        logits = self.readout(self.hidden(tokens)[:, -1])
        return self.readout(torch.tanh(logits @ self.readout.weight))


class LastOfEach(LanguageModel):
    """The place that is read differs by sample."""

    def forward(self, tokens):
        logits = self.readout(self.hidden(tokens))
        return logits[torch.arange(len(tokens)), tokens[:, 0] % PLACES]


class Transposed(LanguageModel):
    """The same map in another spelling."""

    def forward(self, tokens):
        return self.hidden(tokens)[:, -1] @ self.readout.weight.T + self.readout.bias


def tokens(n, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(N_TOKENS, (n, PLACES), generator=generator)


def batches():
    return tokens(9), tokens(4, seed=2)


def exact(model, x1, x2, names=None, weights=None):
    full = loop_kernel(model, x1, x2, names)
    if weights is None:
        return reduce_outputs(full, "average")
    return torch.einsum("nmcd,cd->nm", full, weights) / full.shape[2]


REDUCED = {
    "tied": lambda: LanguageModel(tied=True),
    "tied and scaled": lambda: LanguageModel(tied=True, scale=2.0),
    "apart": lambda: LanguageModel(tied=False),
    "transposed": lambda: Transposed(tied=False),
    "transposed and tied": lambda: Transposed(tied=True),
    "perceptron": None,
}


def reduced(name):
    if REDUCED[name] is None:
        layers = [nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 9)]
        return nn.Sequential(*layers).double(), inputs(9, 3), inputs(4, 3, seed=2)
    return REDUCED[name]().double(), *batches()


@pytest.mark.parametrize("name", REDUCED)
def test_below_the_last_map_as_many_cotangents_as_it_is_wide(name, mapped):
    model, x1, x2 = reduced(name)
    width = 5 if name == "perceptron" else WIDTH
    assert_close(empirical_ntk(model, x1), exact(model, x1, x1), tolerance=1e-12)
    assert_close(empirical_ntk(model, x1, x2), exact(model, x1, x2), tolerance=1e-12)
    assert set(mapped) == {width}
    lines = {line.parameter: line.way for line in explain_ntk(model, x1)}
    assert sum("head" in way for way in lines.values()) == 2
    kernels = empirical_ntk(model, x1, x2, by_layer=True)
    names = [n for n, _ in model.named_parameters()]
    assert list(kernels) == list(dict.fromkeys(n.rpartition(".")[0] or n for n in names))
    for layer, kernel in kernels.items():
        own = [n for n in names if (n.rpartition(".")[0] or n) == layer]
        assert_close(kernel, exact(model, x1, x2, own), tolerance=1e-12)


@pytest.mark.parametrize("name", REDUCED)
def test_traces_and_spectra_know_the_last_map(name, mapped):
    model, x, _ = reduced(name)
    expected = exact(model, x, x)
    operator = NTKOperator(model, x)
    assert operator.trace() == pytest.approx(float(expected.trace()), rel=1e-12)
    n_outputs = model(x[:1]).shape[1]
    flat = NTKOperator(model, x, outputs="flatten").trace()
    assert flat == pytest.approx(float(expected.trace()) * n_outputs, rel=1e-12)
    assert max(mapped) <= 5
    values = ntk_spectrum(model, x, 3).eigenvalues
    assert_close(values, torch.linalg.eigvalsh(expected).flip(0)[:3])


@pytest.mark.parametrize("name", REDUCED)
def test_products_take_as_many_passes_as_the_map_is_wide(name, monkeypatch):
    model, x, _ = reduced(name)
    passes, original = [], Tangents.pull
    monkeypatch.setattr(
        Tangents, "pull", lambda self, c: passes.append(1) or original(self, c)
    )
    vector = inputs(len(x), seed=7)
    operator = NTKOperator(model, x)
    assert_close(operator @ vector, exact(model, x, x) @ vector)
    assert len(passes) <= 5
    assert operator.dtype == torch.float64


def test_products_with_the_map_alone(mapped):
    model, x, _ = reduced("tied")
    vector = inputs(len(x), seed=7)
    names = ["readout.bias"]
    operator = NTKOperator(model, x, parameters=names)
    assert_close(operator @ vector, exact(model, x, x, names) @ vector)


NOT_REDUCED = (SoftCapped, Shifted, Detached, UsedTwice, LastOfEach)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", NOT_REDUCED, ids=lambda kind: kind.__name__)
def test_what_is_not_one_linear_map_is_not_taken_for_one(kind, tied, mapped):
    model, (x1, x2) = kind(tied=tied).double(), batches()
    assert_close(empirical_ntk(model, x1, x2), exact(model, x1, x2), tolerance=1e-12)
    assert max(mapped) == N_TOKENS
    assert not any("head" in line.way for line in explain_ntk(model, x1))


def test_a_map_that_changes_on_other_samples_is_not_taken_for_one():
    class Clipped(LanguageModel):
        def forward(self, tokens):
            logits = super().forward(tokens)
            return torch.where(tokens[:, :1] == N_TOKENS - 1, logits.sin(), logits)

    model, x = Clipped(tied=False).double(), tokens(200) % (N_TOKENS - 1)
    x[101, 0] = N_TOKENS - 1  # not among the few samples of the proof
    assert not (head.probe_of(x)[:, 0] == N_TOKENS - 1).any()
    kernel = empirical_ntk(model, x[95:105], x[:3])
    assert_close(kernel, exact(model, x[95:105], x[:3]), tolerance=1e-12)
    assert_close(empirical_ntk(model, x)[95:105, :3], kernel, tolerance=1e-12)


@pytest.mark.parametrize("extra", ["tokens", "inner", "places"])
@pytest.mark.parametrize("tied", [False, True])
def test_batches_that_take_another_path_are_right(tied, extra):
    class Branching(LanguageModel):
        def hidden(self, tokens):
            if (tokens[:, 0] == N_TOKENS - 1).any():  # one more use, without effect
                if extra == "tokens":
                    self.tokens(tokens[:, :2])
                elif extra == "inner":
                    self.inner(self.places)
                else:
                    self.places * tokens[:, :, None]
            return super().hidden(tokens)

    model, x = Branching(tied=tied).double(), tokens(40) % (N_TOKENS - 1)
    x[11, 0] = N_TOKENS - 1
    assert not (head.probe_of(x)[:, 0] == N_TOKENS - 1).any()
    some = torch.tensor([3, 11, 30])
    plain = LanguageModel(tied=tied).double()
    plain.load_state_dict(model.state_dict())
    expected = exact(plain, x[some], x[some])
    assert_close(empirical_ntk(model, x)[some][:, some], expected, tolerance=1e-12)
    vector = torch.zeros(40).double()
    vector[some] = inputs(3, seed=9)
    product = (NTKOperator(model, x) @ vector)[some]
    assert_close(product, expected @ vector[some])


@pytest.mark.parametrize(
    "chosen", [["tokens"], ["readout"], ["readout.bias"], ["inner"], ["places", "norm"]]
)
@pytest.mark.parametrize("tied", [False, True])
def test_some_of_the_parameters(tied, chosen):
    model, (x1, x2) = LanguageModel(tied=tied).double(), batches()
    if tied and chosen == ["readout"]:
        chosen = ["readout.bias"]  # the weight's name is that of the tokens
    names = [
        name
        for name, _ in model.named_parameters()
        if any(name == c or name.startswith(f"{c}.") for c in chosen)
    ]
    kernel = empirical_ntk(model, x1, x2, parameters=chosen)
    assert_close(kernel, exact(model, x1, x2, names), tolerance=1e-12)


def test_single_precision_agrees_with_double(mapped):
    model, (x1, x2) = LanguageModel(tied=True), batches()
    kernel = empirical_ntk(model, x1, x2)
    assert kernel.dtype == torch.float32
    expected = exact(model.double(), x1, x2)
    assert_close(kernel.double(), expected, tolerance=1e-5)
    assert set(mapped) == {WIDTH}


def test_the_model_is_not_changed():
    model, (x1, _) = LanguageModel(tied=True), batches()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    modules = dict(model.named_modules())
    state = torch.get_rng_state()
    empirical_ntk(model.train(), x1)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert dict(model.named_modules()) == modules
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[name], p) for name, p in model.state_dict().items())


class TestParts:
    """Outputs a few at a time, where all of them leave room for a few samples only."""

    @staticmethod
    def model():
        layers = [nn.Conv1d(1, 3, 4), nn.Tanh(), nn.Flatten(), nn.Linear(15, 12)]
        return nn.Sequential(*layers, nn.Sigmoid()).double()

    @pytest.mark.parametrize("n_other", [None, 5], ids=["symmetric", "cross"])
    @pytest.mark.parametrize("by_layer", [False, True])
    def test_parts_give_the_kernel_of_all(self, n_other, by_layer, mapped, monkeypatch):
        model, x1 = self.model(), inputs(30, 1, 8)
        x2 = None if n_other is None else inputs(n_other, 1, 8, seed=2)
        whole = empirical_ntk(model, x1, x2, by_layer=by_layer)
        assert set(mapped) == {12}
        mapped.clear()
        monkeypatch.setattr(assemble, "_PART_COST", 0)
        parts = empirical_ntk(model, x1, x2, by_layer=by_layer, memory=1e-4)
        assert max(mapped) < 12
        if not by_layer:
            whole, parts = {"": whole}, {"": parts}
        for layer, kernel in whole.items():
            assert_close(parts[layer], kernel, tolerance=1e-12)

    def test_no_sample_is_harvested_twice_where_parts_are_cheaper(self, monkeypatch):
        model, x = self.model(), inputs(30, 1, 8)
        seen, original = [], contract.harvest

        def spied(problem, plan, few, maps, *kept):
            seen.append((len(few), len(maps)))
            return original(problem, plan, few, maps, *kept)

        monkeypatch.setattr(contract, "harvest", spied)
        monkeypatch.setattr(assemble, "_PART_COST", 0)
        # Done once for each part, entrywise work would make a few samples dearer.
        monkeypatch.setattr(plan, "_ENTRY_COST", 0)
        empirical_ntk(model, x, memory=1e-4)
        assert sum(n * c for n, c in seen) == 30 * 12

    @pytest.mark.parametrize("call", [empirical_ntk, NTKOperator], ids=["kernel", "trace"])
    def test_nothing_of_outputs_times_outputs_is_written_out(self, call, monkeypatch):
        layers = [nn.Linear(2, 1), nn.Linear(1, 6000), nn.Sigmoid()]
        model, x = nn.Sequential(*layers).double(), inputs(3, 2)
        written, original = [], _outputs.Scaled.matrix

        def spied(side):
            written.append(len(side) * 6000 * 8)
            return original(side)

        monkeypatch.setattr(_outputs.Scaled, "matrix", spied)
        found = call(model, x, parameters="0", memory=0.05)
        if call is NTKOperator:
            found = found.trace()
        assert 0 < max(written) < 0.05 * 2**30

    def test_a_trace_of_many_outputs_is_the_sum_of_parts(self, mapped, monkeypatch):
        model, x = self.model(), inputs(30, 1, 8)
        expected = float(empirical_ntk(model, x).trace())
        mapped.clear()
        monkeypatch.setattr(assemble, "WORKING_BYTES", 40_000)
        assert NTKOperator(model, x).trace() == pytest.approx(expected, rel=1e-12)
        assert max(mapped) < 12


@pytest.mark.parametrize("by_layer", [False, True])
@pytest.mark.parametrize("name", ["tied", "perceptron"])
def test_the_diagonal_is_the_block_of_each_output_with_itself(name, by_layer):
    model, x1, x2 = reduced(name)
    full = torch.einsum("nmcc->nmc", loop_kernel(model, x1, x2))
    found = empirical_ntk(model, x1, x2, outputs="diagonal", by_layer=by_layer)
    total = sum(found.values()) if by_layer else found
    assert_close(total, full, tolerance=1e-12)
    own = empirical_ntk(model, x1, outputs="diagonal")
    assert_close(own[:, :, 2], empirical_ntk(model, x1, outputs=(2, 2)), tolerance=1e-12)


class TestMatrixWeights:
    @staticmethod
    def matrix(rank, size=9):
        root = inputs(size, rank, seed=5)
        return root @ root.mT

    @pytest.mark.parametrize("rank", [9, 2])
    def test_the_kernel_is_that_of_the_root_times_the_outputs(self, rank, mapped):
        model, x1, x2 = reduced("perceptron")
        weights = self.matrix(rank)
        values, vectors = torch.linalg.eigh(weights)
        root = (vectors * values.clamp_min(0).sqrt()) @ vectors.mT
        full = torch.einsum("nmcd,ac,bd->nmab", loop_kernel(model, x1, x2), root, root)
        for outputs in ("average", "full", "flatten", "mean_output", (1, 8)):
            found = empirical_ntk(model, x1, x2, outputs=outputs, output_weights=weights)
            assert_close(found, reduce_outputs(full, outputs), tolerance=1e-7)
        average = empirical_ntk(model, x1, x2, output_weights=weights)
        assert_close(average, exact(model, x1, x2, weights=weights), tolerance=1e-12)

    def test_a_matrix_of_low_rank_needs_few_cotangents(self, mapped):
        model, x1, _ = reduced("perceptron")
        empirical_ntk(model, x1, output_weights=self.matrix(2))
        assert set(mapped) == {2}

    def test_spectra_and_products_take_a_matrix(self):
        model, x, _ = reduced("perceptron")
        weights = self.matrix(9)
        kernel = empirical_ntk(model, x, outputs="flatten", output_weights=weights)
        spectrum = ntk_spectrum(model, x, 4, outputs="flatten", output_weights=weights)
        assert_close(spectrum.eigenvalues, torch.linalg.eigvalsh(kernel).flip(0)[:4])
        operator = NTKOperator(model, x, outputs="flatten", output_weights=weights)
        vector = inputs(81, seed=7)
        assert_close(operator @ vector, kernel @ vector)
        average = NTKOperator(model, x, output_weights=weights)
        expected = empirical_ntk(model, x, output_weights=weights) @ vector[:9]
        assert_close(average @ vector[:9], expected)

    @pytest.mark.parametrize(
        ("matrix", "message"),
        [
            (torch.eye(8), r"shape \(9,\).*or \(9, 9\).*got \(8, 8\)"),
            (torch.eye(9).index_fill(0, torch.tensor(2), 1.0), "must be symmetric, got"),
            (-torch.eye(9), "positive semi-definite, got an eigenvalue of -1"),
            (torch.eye(9) * torch.nan, "must be finite"),
        ],
    )
    def test_other_matrices_are_refused(self, matrix, message):
        model, x, _ = reduced("perceptron")
        with pytest.raises(ValueError, match=message):
            empirical_ntk(model, x, output_weights=matrix)
