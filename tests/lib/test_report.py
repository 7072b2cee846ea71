"""A report's numbers against direct computations, its sentences, and bad input."""

import re

import pytest
import torch
from assertions import assert_close, refused
from cases import inputs, mlp
from torch import nn

from entk_lib import (
    Shared,
    find_cliffs,
    kernel_report,
    ntk_spectrum,
    subspace_overlap,
    untrained_copy,
)
from entk_lib.toys.models import TiedAutoencoder

pytestmark = pytest.mark.sweep

N = 60
CLASSES = torch.arange(N) % 4
LINEAR = nn.Linear(30, 1, bias=False).double()


def planted(*, noise=1e-2):
    """Class indicators, each of another size, and faint normal noise beside them."""
    x = noise * inputs(N, 30)
    x[torch.arange(N), CLASSES] += torch.tensor([1.0, 1.1, 1.2, 1.3]).double()[CLASSES]
    return x


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()


def test_a_planted_eigenspace_is_found_and_is_firm():
    report = kernel_report(LINEAR, planted(), features=CLASSES)
    assert [c.stop for c in report.cliffs] == [4]
    (space,) = [s for s in report.eigenspaces if s.at_cliff]
    shared = space.shared["classes"]
    assert shared.most == len(space) == 4
    assert shared.model == pytest.approx(4, abs=0.01)
    assert shared.chance == pytest.approx(4 * 4 / N)
    assert space.span_kept > 0.99
    assert space.vectors_kept == 4
    assert space.spread == pytest.approx(1.69, rel=0.01)
    assert space.drop == pytest.approx(report.cliffs[0].ratio)
    # A linear model's kernel is the inputs' Gram matrix, trained or not.
    assert shared.inputs == pytest.approx(shared.model)
    assert shared.references["untrained"] == pytest.approx([shared.model] * 3)
    told = repr(report)
    assert "1 to 4 share 4.0 of 4 with classes: no more than a null does." in told
    assert re.search(r"A cliff after 4: .* untrained \S+ \(a cliff in 3 of 3\); inp", told)


@pytest.mark.parametrize("outputs", ["average", "flatten", (1, 1)])
def test_every_number_is_that_of_a_direct_computation(outputs):
    model, x = network(), inputs(40, 5)
    kinds = torch.arange(40) % 3
    other = network(5)
    report = kernel_report(
        model,
        x,
        12,
        features=kinds,
        references={"other": other},
        outputs=outputs,
        seeds=(4,),
    )
    spectrum = ntk_spectrum(model, x, 12, outputs=outputs)
    assert_close(report.spectrum.eigenvalues, spectrum.eigenvalues)
    assert report.cliffs == find_cliffs(report.spectrum.eigenvalues)
    each = 3 if outputs == "flatten" else 1
    columns = []  # one for each class and output, by hand
    for kind in range(3):
        for c in range(each):
            rows = [
                float(kinds[n] == kind and d == c) for n in range(40) for d in range(each)
            ]
            columns.append(torch.tensor(rows, dtype=torch.float64))
    feature = torch.stack(columns, 1)
    gram = torch.kron(x @ x.mT, torch.eye(each).double())
    fresh = untrained_copy(model, seed=4)
    (space,) = [s for s in report.eigenspaces if (s.start, s.stop) == (0, 3 * each)]
    shared = space.shared["classes"]
    assert shared.model == pytest.approx(top(model, x, outputs, 3 * each, feature))
    assert shared.references == {
        "untrained": pytest.approx([top(fresh, x, outputs, 3 * each, feature)]),
        "other": pytest.approx([top(other, x, outputs, 3 * each, feature)]),
    }
    vectors = torch.linalg.eigh(gram).eigenvectors.flip(1)[:, : 3 * each]
    assert shared.inputs == pytest.approx(subspace_overlap(vectors, feature))
    assert shared.chance == pytest.approx((3 * each) ** 2 / (40 * each))
    order = torch.randperm(40, generator=torch.Generator().manual_seed(4))
    spans, cosines = [], []
    for part in (order[:20], order[20:]):
        own = ntk_spectrum(model, x[part], outputs=outputs).eigenvectors[:, : 3 * each]
        rows = [int(n) * each + c for n in part for c in range(each)]
        whole = spectrum.eigenvectors[rows, : 3 * each]
        spans.append(subspace_overlap(whole, own) / (3 * each))
        cosines.append((own.mT @ (whole / whole.norm(dim=0))).abs().max(0).values)
    assert space.span_kept == pytest.approx(min(spans))
    assert space.vectors_kept == int(((cosines[0] >= 0.9) & (cosines[1] >= 0.9)).sum())


def test_the_space_below_a_cliff_is_compared_without_the_one_above():
    x = 1e-5 * inputs(80, 30)
    kinds = torch.arange(80) % 16  # eight strong ones, eight weak ones
    sizes = torch.linspace(1, 1.2, 16).double() * torch.where(torch.arange(16) < 8, 1, 0.1)
    x[torch.arange(80), kinds] += sizes[kinds]
    features = {"strong": (kinds == 2).double(), "weak": (kinds == 9).double()}
    report = kernel_report(LINEAR, x, features=features)
    assert [(c.start, c.stop) for c in report.cliffs] == [(0, 8), (8, 16)]
    above, below = (s for s in report.eigenspaces if s.at_cliff)
    shared = [(s.shared["strong"].model, s.shared["weak"].model) for s in (above, below)]
    assert shared == [pytest.approx((1, 0), abs=1e-3), pytest.approx((0, 1), abs=1e-3)]
    assert below.shared["weak"].inputs == pytest.approx(1, abs=1e-3)


def test_all_nulls_count():
    shared = Shared(2, 1.0, {"a": [0.1], "b": [0.2, 0.3]}, 0.4, 0.5)
    assert sorted(shared.nulls) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert sorted(Shared(2, 1.0, {"a": [0.1]}, None, 0.5).nulls) == [0.1, 0.5]


def top(model, x, outputs, k, feature):
    vectors = ntk_spectrum(model, x, k, outputs=outputs).eigenvectors
    return subspace_overlap(vectors, feature)


def test_a_degenerate_eigenspace_keeps_its_span_and_not_its_vectors():
    x = 1e-3 * inputs(N, 30)
    x[:, :3] += torch.linalg.qr(inputs(N, 3, seed=4)).Q * N**0.5
    report = kernel_report(LINEAR, x)
    (space,) = [s for s in report.eigenspaces if s.at_cliff]
    assert len(space) == 3
    assert space.spread < 1.001
    assert space.span_kept > 0.99
    assert space.vectors_kept < 3
    assert "1 to 3: half of the samples give the same span, but not each" in repr(report)


def test_noise_is_not_firm():
    report = kernel_report(nn.Linear(500, 1, bias=False).double(), inputs(N, 500))
    (space,) = report.eigenspaces  # as large as the constant
    assert not space.at_cliff
    assert space.span_kept < 0.7
    assert "1: half of the samples give another space." in repr(report)


def test_a_neighbour_that_changed_places_is_still_kept():
    # Sizes of the classes order their eigenvectors, and the halves' classes differ there.
    sizes = torch.tensor([14, 15, 16, 17])
    kinds = torch.arange(4).repeat_interleave(sizes)
    x = 1e-3 * inputs(len(kinds), 30)
    x[torch.arange(len(kinds)), kinds] += 1
    report = kernel_report(LINEAR, x, features=kinds)
    assert report.eigenspaces[-1].vectors_kept == 4


def test_halves_that_hold_too_few_pairs_are_told():
    x = torch.eye(12).double()
    report = kernel_report(nn.Linear(12, 1, bias=False).double(), x, features=torch.eye(12))
    assert report.eigenspaces[-1].span_kept is None
    assert "1 to 12: half of the samples hold too few eigenvectors" in repr(report)
    assert "| 1 to 12 | size of a feature | 1 | end | ? | ? |" in repr(report)


def test_equal_eigenvalues_and_no_cliff_are_told():
    model = nn.Linear(12, 1, bias=False).double()
    equal = kernel_report(model, torch.eye(12).double())
    assert equal.cliffs == []
    assert "All 12 eigenvalues held are equal: one degenerate eigenspace." in repr(equal)
    smooth = torch.diag(0.9 ** torch.arange(12).double())
    told = repr(kernel_report(model, smooth))
    assert "No cliff: no drop stands out" in told
    assert "A cliff after" not in told


class Signs(nn.Module):
    """Its kernel knows the sign of a product of two inputs, which no null does."""

    def __init__(self) -> None:
        super().__init__()
        self.readout = nn.Linear(2, 1, bias=False).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.readout(
            nn.functional.one_hot((x[:, 0] * x[:, 1] > 0).long(), 2).double()
        )


def test_a_network_is_told_from_its_nulls():
    x = inputs(N, 5)
    kinds = (x[:, 0] * x[:, 1] > 0).long()
    others = {"untrained": nn.Linear(5, 1).double()}
    report = kernel_report(Signs(), x, features={"sign": kinds}, references=others)
    shared = report.eigenspaces[-1].shared["sign"]
    assert shared.model == pytest.approx(2)
    above = 2 - shared.references["untrained"][0]
    assert above > 0.5
    assert (
        f"1 to 2 share 2.0 of 2 with sign: {above:.1f} more than the largest null"
        in repr(report)
    )
    others["also"] = Signs()  # a null of its own, as good as the model
    report = kernel_report(Signs(), x, features={"sign": kinds}, references=others)
    assert "1 to 2 share 2.0 of 2 with sign: no more than a null does." in repr(report)


def test_tables_have_as_many_columns_in_each_row():
    other = {"one": network(1), "two": [network(2), network(3)]}
    report = kernel_report(network(), inputs(40, 5), references=other)
    tables = re.findall(r"(?:^\|.*\n?)+", repr(report), re.MULTILINE)
    assert len(tables) == 2
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "**" not in repr(report)
    assert "**What this does not show**" in report._repr_markdown_()
    assert "| model | untrained | one | two | inputs | chance | of |" in repr(report)
    ranges = report.eigenspaces[0].shared["constant"].references
    assert [len(values) for values in ranges.values()] == [3, 1, 2]


def test_the_model_its_mode_and_the_random_state_are_left_alone():
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()
    model.eval()
    x = inputs(20, 5)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    random, given = torch.get_rng_state(), x.clone()
    kernel_report(model, x)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(x, given)
    assert not model.training
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


def test_a_report_is_the_same_again():
    model, x = network(), inputs(40, 5)
    assert repr(kernel_report(model, x)) == repr(kernel_report(model, x))
    other = kernel_report(model, x, seeds=(7, 8))
    assert len(other.references["untrained"]) == 2


class Tokens(nn.Module):
    """Of integers alone."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.readout = nn.Embedding(6, 4), nn.Linear(4, 2)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.readout(torch.tanh(self.table(left) + self.table(right)))


@pytest.mark.parametrize("kind", [tuple, dict])
def test_inputs_may_be_several_and_without_a_gram_matrix(kind):
    left, right = torch.arange(20) % 6, torch.arange(20) % 5
    x = (left, right) if kind is tuple else {"left": left, "right": right}
    report = kernel_report(Tokens(), x, features=left)
    assert report.inputs is None
    assert "No comparison with the inputs' Gram matrix" in repr(report)
    assert "inputs" not in repr(report).split("| chance |")[0].splitlines()[-1]


def test_a_network_that_cannot_be_drawn_anew_is_named_and_may_be_given():
    model, x = TiedAutoencoder(5, 2, seed=0), inputs(20, 5, dtype=torch.float32)
    report = kernel_report(model, x)
    assert report.references == {}
    assert "No untrained network: " in repr(report)
    assert "draws these parameters anew: weight, bias." in repr(report)
    report = kernel_report(
        model, x, references={"untrained": TiedAutoencoder(5, 2, seed=1)}
    )
    assert len(report.references["untrained"]) == 1
    assert "No untrained network" not in repr(report)
    assert "reset_parameters" not in repr(report)
    assert "by reset_parameters() of its modules" in repr(kernel_report(network(), X))


def test_an_untrained_copy_is_drawn_by_its_seed_and_leaves_the_model_alone():
    model = nn.Sequential(
        nn.Linear(4, 4), nn.BatchNorm1d(4), nn.TransformerEncoderLayer(4, 2, 8)
    )
    model(torch.randn(9, 4))  # moves BatchNorm's running mean
    before = {name: t.clone() for name, t in model.state_dict().items()}
    random = torch.get_rng_state()
    first, again, other = (untrained_copy(model, seed=seed) for seed in (8, 8, 9))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert torch.equal(first[0].weight, again[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)
    assert not torch.equal(
        first[2].self_attn.in_proj_weight, model[2].self_attn.in_proj_weight
    )
    assert first[1].running_mean.eq(0).all()
    assert all(p.requires_grad for p in first.parameters())


def test_the_first_draw_has_the_distribution_of_the_module():
    fresh = untrained_copy(nn.Linear(400, 300))
    assert fresh.weight.abs().max() <= 1 / 20
    assert float(fresh.weight.detach().std()) == pytest.approx(1 / 20 / 3**0.5, rel=0.02)


def unresettable():
    model = nn.Sequential(
        nn.Linear(3, 3), nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    )
    with pytest.raises(ValueError, match="anew") as caught:
        untrained_copy(model)
    return str(caught.value)


def test_weights_that_another_module_makes_are_named():
    told = unresettable()
    assert "1.parametrizations.weight.original0" in told
    assert "0.weight" not in told
    assert 'references={"untrained": fresh}' in told


class Returns(nn.Module):
    """A network whose forward pass ends in something else."""

    def __init__(self, end) -> None:
        super().__init__()
        self.net, self.end = network(), end

    def forward(self, x: torch.Tensor) -> object:
        return self.end(self.net(x))


class OneSample(Returns):
    """Takes a sample without a batch axis."""

    def forward(self, x: torch.Tensor) -> object:
        return self.net(x.reshape(5))


class Batched(nn.Module):
    """What the message advises."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.vmap(self.model)(x)


def cannot_copy():
    model = network()
    model.cache = model[0](inputs(2, 5))  # part of a graph
    return model


X = inputs(20, 5)
NAN = torch.full((20, 5), torch.nan).double()
NORM = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)).double()
REFUSED = [
    refused(
        TypeError,
        r"one tensor, got dict with the keys 'logits'\. Wrap it in a Module",
        lambda: kernel_report(Returns(lambda y: {"logits": y}), X),
    ),
    refused(
        ValueError,
        r"shape \(3,\) for a batch of 4.*torch\.stack\(\[model\(sample\) for",
        lambda: kernel_report(Returns(lambda y: y.mean(0)), X),
    ),
    refused(
        ValueError,
        r"accept a batch of 4 .*first axis the batch\? A model of a .*unsqueeze\(0\)",
        lambda: kernel_report(OneSample(None), X),
    ),
    refused(
        TypeError,
        r"real numbers, got torch\.int64\. Return the logits",
        lambda: kernel_report(Returns(lambda y: y.argmax(1)), X),
    ),
    refused(
        ValueError,
        r"do the dtypes agree\? .*x\.to\(torch\.float64\)",
        lambda: kernel_report(network(), X.long()),
    ),
    refused(ValueError, r"x must be finite", lambda: kernel_report(network(), NAN)),
    refused(
        ValueError,
        r"x must hold numbers, got a tensor on the meta device",
        lambda: kernel_report(network(), X.to("meta")),
    ),
    refused(
        ValueError,
        r"parameter '0\.weight' must hold numbers, got .*meta",
        lambda: kernel_report(network().to("meta"), X),
    ),
    refused(
        ValueError,
        r"BatchNorm in training mode .*Call model\.eval",
        lambda: kernel_report(NORM, X),
    ),
    refused(
        ValueError,
        r"at least 8 samples for a report, got 1\. .*empirical_ntk",
        lambda: kernel_report(network(), X[:1]),
    ),
    refused(
        MemoryError,
        r"would need \S+ GiB, .*few eigenpairs with k=",
        lambda: kernel_report(network(), X, memory=1e-9),
    ),
    refused(
        ValueError,
        r"the kernel is zero: .*ReLU",
        lambda: kernel_report(Returns(lambda y: (y - 1e9).relu()), X),
    ),
    refused(TypeError, r"k must be an int", lambda: kernel_report(network(), X, 2.0)),
    refused(
        ValueError,
        r"features\['classes'\] must have 20 rows, .* got shape \(7,\)\. Was it cut",
        lambda: kernel_report(network(), X, features=torch.arange(7) % 2),
    ),
    refused(
        ValueError,
        r"20 or 60 rows",
        lambda: kernel_report(network(), X, features=X[:7], outputs="flatten"),
    ),
    refused(
        ValueError,
        r"classes that several samples share, got 20 different .*\.double\(\)",
        lambda: kernel_report(network(), X, features=torch.arange(20)),
    ),
    refused(
        ValueError,
        r"features\['a'\] must not be zero everywhere",
        lambda: kernel_report(network(), X, features={"a": torch.zeros(20)}),
    ),
    refused(
        ValueError,
        r"features\['features'\] must be finite",
        lambda: kernel_report(network(), X, features=NAN),
    ),
    refused(
        TypeError,
        r"features must be a tensor or a dict .*, got list",
        lambda: kernel_report(network(), X, features=[1, 2]),
    ),
    refused(
        TypeError,
        r"features\['a'\] must be a tensor, got list",
        lambda: kernel_report(network(), X, features={"a": [1, 2]}),
    ),
    refused(
        ValueError,
        r"must not hold 'constant'",
        lambda: kernel_report(network(), X, features={"constant": X}),
    ),
    refused(
        ValueError,
        r"features must have names of one line without '\|', got 'a\|b'",
        lambda: kernel_report(network(), X, features={"a|b": X}),
    ),
    refused(
        ValueError,
        r"references must have names .* got ''",
        lambda: kernel_report(network(), X, references={"": network()}),
    ),
    refused(
        TypeError,
        r"references must be a dict .*, got Sequential\. For one: references=\{'untr",
        lambda: kernel_report(network(), X, references=network()),
    ),
    refused(
        TypeError,
        r"references\['a'\] must be .* got OrderedDict\. Pass the network itself",
        lambda: kernel_report(network(), X, references={"a": network().state_dict()}),
    ),
    refused(
        ValueError,
        r"references\['a'\] must have as many outputs as the model, 3 a sample, got 2",
        lambda: kernel_report(
            network(), X, references={"a": nn.Linear(5, 2).double()}, outputs="flatten"
        ),
    ),
    refused(
        ValueError, r"at least one seed", lambda: kernel_report(network(), X, seeds=())
    ),
    refused(TypeError, r"Pass the network itself", lambda: untrained_copy({})),
    refused(TypeError, r"seed must be an int", lambda: untrained_copy(network(), seed="a")),
    refused(
        ValueError,
        r"can be copied, but copying it raised RuntimeError: .* references=",
        lambda: untrained_copy(cannot_copy()),
    ),
]


@pytest.mark.parametrize(("error", "pattern", "call"), REFUSED)
@pytest.mark.no_shape_checks
def test_bad_arguments_are_refused(error, pattern, call):
    with pytest.raises(error, match=pattern):
        call()


def test_the_wrapper_that_a_message_advises_works():
    model = OneSample(None)
    spectrum = kernel_report(Batched(model), X).spectrum
    assert_close(spectrum.eigenvalues, ntk_spectrum(model.net, X).eigenvalues[:50])


def test_large_kernels_are_taken_by_their_leading_pairs():
    model, x, _ = mlp()
    x = inputs(600, *x.shape[1:])
    report = kernel_report(model, x, 6, outputs="flatten", seeds=(0,))
    assert len(report.spectrum) == 6
    assert report.cost.rows == 1800
