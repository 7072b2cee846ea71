"""Chapter 9's studies: functions of a pair, what spreads, what is left, the table."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import entk_lib as entk
from entk_book.figures import present_or_used as figures
from entk_book.stored import FRESH_SEEDS, SEEDS
from entk_book.studies import (
    edit_claims,
    edit_records,
    edit_strengths,
    edited_adders,
    edited_transformers,
    edits_elsewhere,
    transformer,
)
from entk_book.studies.adders import train_adders
from entk_book.studies.autoencoders import train_autoencoders
from entk_lib.toys.models import ModularTransformer, QuadraticMLP
from entk_lib.toys.tasks import modular_addition

pytestmark = pytest.mark.sweep


@pytest.fixture(scope="module")
def adder():
    (one,) = train_adders([3], width=64, steps=60, snapshot_every=30)
    return one


class TestFunctions:
    @pytest.mark.parametrize("name", edited_adders.FUNCTIONS)
    def test_all_have_one_size_and_one_pattern(self, name):
        change = edited_adders.put_in(name, 4, 0.5, seed=1)
        assert float(change.norm()) == pytest.approx(0.5)
        rows = torch.linalg.svd(change).Vh[:2]
        pattern = edited_adders.class_pattern(4)
        shared = entk.subspace_overlap(rows.T, pattern.T)
        assert shared == pytest.approx(2)

    def test_waves_are_those_of_the_families(self):
        families = modular_addition.fourier_families(29)
        for name in ("a", "sum", "difference"):
            base = edited_adders.pair_function(name, 3)
            assert entk.subspace_overlap(base, families[name][:, 2]) == pytest.approx(2)
        other = edited_adders.pair_function("a + 2b", 3)
        for waves in families.values():
            assert entk.subspace_overlap(other, waves.flatten(1)) < 1e-9
        mixed = edited_adders.pair_function("a, random in b", 3, seed=1)
        by_b = mixed.reshape(29, 29, 2)  # for each b a wave of a, of its own size
        waves = families["a"][:, 2].reshape(29, 29, 2)[:, 0]
        for b in (0, 11):
            column = by_b[:, b] / by_b[:, b].norm()
            shared = entk.subspace_overlap(column, waves)
            assert shared == pytest.approx(2, abs=1e-6)

    def test_what_is_taken_out_is_one_wave(self):
        network = QuadraticMLP(58, 29, 32, seed=0).double()
        pairs = modular_addition.all_pairs(29)
        x = modular_addition.one_hot(pairs, 29).double()
        change = edited_adders.take_out(network, x, 5)

        class Half(nn.Module):
            def forward(self, x):
                return network(x) + 0.5 * change

        left = edited_adders.energies_left(network, Half(), x)
        expected = torch.ones(14, dtype=torch.float64)
        expected[4] = 0.25  # energies are squares
        assert torch.allclose(left, expected)
        with torch.no_grad():
            after = edited_adders.wave_energies(network(x) + change)
        assert float(after[4]) < 1e-20


class TestInterventions:
    def test_families_are_projected_out_of_the_activations(self, adder):
        nothing = edited_adders.without_families(adder, ())
        assert nothing == pytest.approx(adder.accuracy(), abs=1e-6)
        families = modular_addition.fourier_families(29)
        waves = families["sum"].flatten(1)
        with torch.no_grad():
            hidden = adder.network.first(adder.x).double().square()
            logits = (hidden - waves @ (waves.T @ hidden)) @ (
                adder.network.second.weight.double().T
            )
        expected = modular_addition.accuracy(logits[adder.others], adder.y[adder.others])
        assert edited_adders.without_families(adder, ("sum",))["test"] == expected

    def test_energies_are_shares_of_what_varies(self, adder):
        found = edited_adders.presence(adder, adder.network)
        assert list(found) == ["activations", "kernel", "logits"]
        for by_family in found.values():
            assert 0 < sum(by_family.values()) <= 1
        planted = QuadraticMLP(58, 29, 4, seed=0)
        with torch.no_grad():
            planted.first.weight[:, 29:] = 0  # nothing but functions of a
        shares = edited_adders.presence(adder, planted)["activations"]
        assert shares["a"] == pytest.approx(1, abs=1e-4)
        assert shares["sum"] == pytest.approx(0, abs=1e-4)
        # The kernel's: its modes on the waves, each by its eigenvalue.
        kernel = entk.empirical_ntk(adder.network, adder.x).double()
        centred = kernel - kernel.mean(0) - kernel.mean(1, keepdim=True) + kernel.mean()
        spectrum = entk.kernel_spectrum(centred)
        waves = modular_addition.fourier_families(29)["sum"].flatten(1)
        on_waves = (spectrum.eigenvectors.T @ waves).square().sum(1)
        expected = (spectrum.eigenvalues * on_waves).sum() / spectrum.eigenvalues.sum()
        assert found["kernel"]["sum"] == pytest.approx(float(expected), rel=1e-5)

    def test_the_kernel_s_energy_is_that_of_its_layers(self, adder):
        found = edited_adders.layers_of_kernel(adder, adder.network)
        assert sum(share for share, _ in found.values()) == pytest.approx(1)
        presence = edited_adders.presence(adder, adder.network)
        sums = sum(share * of_layer for share, of_layer in found.values())
        assert sums == pytest.approx(presence["kernel"]["sum"], rel=1e-4)
        # The last layer's kernel is the activations' Gram matrix.
        assert found["second"][1] == pytest.approx(presence["activations"]["sum"], rel=1e-4)

    def test_a_table_of_pairs_lets_nothing_spread(self):
        class Lookup(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Linear(841, 29, bias=False, dtype=torch.float64)

            def forward(self, x):
                return self.table(x)

        x = torch.eye(841, dtype=torch.float64)
        change = edited_adders.put_in("sum", 2, 0.1)
        found = edited_adders.spread(Lookup(), x, change, 0.3)
        assert found.done == pytest.approx(0, abs=1e-9)

    def test_a_network_of_waves_spreads_them_and_nothing_else(self):
        class Waves(nn.Module):
            def __init__(self):
                super().__init__()
                self.read = nn.Linear(2, 29, bias=False, dtype=torch.float64)

            def forward(self, x):
                return self.read(x)

        x = edited_adders.pair_function("sum", 2)
        change = edited_adders.put_in("sum", 2, 0.1)
        found = edited_adders.spread(Waves(), x, change, 0.3, tolerance=1e-10)
        assert found.done == pytest.approx(1, abs=1e-6)
        assert found.off == pytest.approx(0, abs=1e-3)
        other = edited_adders.put_in("difference", 2, 0.1)
        assert abs(edited_adders.spread(Waves(), x, other, 0.3).done) < 0.1

    def test_a_random_change_has_its_length(self, adder):
        changed = edited_adders.random_change(adder.network, 0.1)
        pairs = zip(changed.parameters(), adder.network.parameters(), strict=True)
        moved = sum(float((a - b).detach().square().sum()) for a, b in pairs) ** 0.5
        size = sum(float(p.detach().square().sum()) for p in adder.network.parameters())
        assert moved == pytest.approx(0.1 * size**0.5, rel=1e-4)

    def test_one_step_is_off_in_proportion_and_more_steps_less(self, adder):
        network = edited_adders.in_double(adder.network)
        x, change = adder.x[:40].double(), edited_adders.put_in("sum", 2, 1.0)[:40]
        small, large = edited_adders.broken(network, x, change, (0.5, 1.0))
        assert large / small == pytest.approx(2, rel=0.2)
        assert edited_adders.broken(network, x, change, (1.0,), steps=2)[0] < large / 3

    def test_modes_cost_what_their_eigenvalue_says_in_a_linear_network(self):
        network = nn.Linear(3, 29, bias=False, dtype=torch.float64)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(841, 3, generator=generator, dtype=torch.float64)
        found = edited_adders.prices(network, x, 2, (0, 2), tolerance=1e-10)
        for value, cost in zip(*found.modes, strict=True):
            assert cost == pytest.approx(value**-0.5, rel=1e-6)
        assert set(found.functions) == set(figures.COLORS)


class TestElsewhere:
    def test_a_feature_is_taken_out_through_its_own_output(self):
        (one,) = train_autoencoders([0], n_hidden=5, sparsity=0.9, steps=1500)
        found = edits_elsewhere.features_taken_out(one, n_features=1)
        (out,) = found
        assert 0 < out.left < 0.7
        assert len(out.moved) == len(out.cosines) >= 3
        nearest = max(range(len(out.cosines)), key=lambda j: out.cosines[j])
        assert out.moved[nearest] > sorted(out.moved)[len(out.moved) // 2]


class TestTransformers:
    def test_each_tensor_changes_alone(self):
        model = ModularTransformer(29, seed=0, dtype=torch.float64)
        tokens = edited_transformers.all_tokens(model)
        change = edited_adders.take_out(model, tokens, 3)
        names = ["unembedding", "query", "mlp_in"]
        found = edited_transformers.by_tensor(model, change, names)
        assert list(found) == names
        assert [one.size for one in found.values()] == [
            model.get_submodule(name).weight.numel() for name in names
        ]
        assert all(0 <= one.missing <= 1 for one in found.values())
        # The outputs are linear in the last tensor, and in no other.
        assert found["unembedding"].off == pytest.approx(found["unembedding"].missing)
        assert abs(found["mlp_in"].off - found["mlp_in"].missing) > 1e-5
        assert found["unembedding"].missing < found["query"].missing

    def test_changes_are_as_large_as_the_strongest_wave(self):
        model = ModularTransformer(29, seed=0, dtype=torch.float64)
        outputs = sum(
            size * edited_adders.put_in("sum", k, 1.0)
            for k, size in zip(range(1, 15), (2, 3, *[0.5] * 11, 0.1), strict=True)
        )
        model.forward = lambda tokens: outputs
        assert edited_transformers.order_of(model)[:2] == [2, 1]
        changes = edited_transformers.changes_of(model)
        assert tuple(changes) == edited_transformers.CHANGES
        out, unused, *_ = changes.values()
        assert torch.allclose(out, -3 * edited_adders.put_in("sum", 2, 1.0))
        assert torch.allclose(unused, 3 * edited_adders.put_in("sum", 14, 1.0))
        assert all(float(c.norm()) == pytest.approx(3) for c in changes.values())

    def test_counts_are_of_those_that_lack_less_than_half(self):
        held = held_by({"unembedding": 0.49, "query": 0.5})
        assert held.able() == {"unembedding": 5, "query": 0}
        assert held.able(value="off") == {"unembedding": 0, "query": 0}
        assert held.tensors == ["unembedding", "query"]
        assert held.networks == [0, 1, 2, 3, 4]
        assert held.of(edited_transformers.WAVE, "query", "length") == [0.2] * 5

    def test_the_stored_ones_are_of_the_networks_that_generalise(self):
        held = edited_transformers.stored_tensors()
        assert held.networks == transformer.outcome([*SEEDS, *FRESH_SEEDS]).general

    def test_the_record_holds_what_one_edit_gives(self, monkeypatch):
        monkeypatch.setattr(edited_transformers, "tensors_of", lambda model: ["query"])
        rows = edited_transformers.record([0, 2])["rows"]
        stored_rows = edited_transformers.stored_tensors().rows
        assert [row["what"] for row in rows] == list(edited_transformers.CHANGES)
        for row in rows:
            keys = ("seed", "what", "tensor")
            (then,) = (r for r in stored_rows if all(r[k] == row[k] for k in keys))
            assert row["missing"] == pytest.approx(then["missing"], abs=0.01)


class TestStrengths:
    def test_a_linear_readout_answers_in_proportion(self, adder):
        network = edited_adders.in_double(adder.network)
        wave = edited_adders.take_out(network, adder.x.double(), 5)

        class Moved(nn.Module):
            def forward(self, x):
                return network(x) + 0.25 * wave

        found = edit_strengths.answers(adder, network, Moved())
        expected = torch.ones(14, dtype=torch.float64)
        expected[4] = 0.75
        assert torch.allclose(torch.tensor(found["left"]).double(), expected)
        same = edit_strengths.answers(adder, network, network)
        assert same["accuracies"] == pytest.approx(list(adder.accuracy().values()))
        waves = modular_addition.fourier_families(29)["sum"].flatten(1)
        sums = waves @ (waves.T @ network(adder.x.double()).detach())
        right = modular_addition.accuracy(sums[adder.others], adder.y[adder.others])
        assert same["alone"] == [right]

    def test_changes_are_what_their_names_say(self):
        (adder,) = train_adders([3], steps=60)
        network = edited_adders.in_double(adder.network)
        deltas = dict(edit_strengths.deltas(adder, network, 2))
        this, part, others, every, random = deltas.values()
        before = {n: p.detach().clone() for n, p in network.named_parameters()}
        assert set(this) == set(before)
        lengths = [edited_adders.length_of(delta) for delta in (this, random)]
        assert lengths[0] == pytest.approx(lengths[1])
        after = []
        for delta in (this, part, others, every):
            changed = edited_adders.in_double(network)
            for name, parameter in changed.named_parameters():
                parameter.data += 1e-3 * delta[name]
            after.append(edit_strengths.answers(adder, network, changed)["left"])
        rest = [k for k in range(14) if k != 1]
        assert 1e3 * (1 - after[0][1]) == pytest.approx(1, abs=0.02)
        assert max(abs(after[0][k] - 1) for k in rest) < 1e-5
        assert 0.05 < 1e3 * (1 - after[1][1]) < 0.98  # on some pairs only
        assert abs(after[2][1] - 1) < 1e-5
        assert 1e3 * (1 - after[2][5]) == pytest.approx(1, abs=0.02)
        assert [1e3 * (1 - v) for v in after[3]] == pytest.approx([1] * 14, abs=0.02)

    def test_the_stored_ones_are_those_of_the_study(self):
        stored_now = edit_strengths.as_tensors(edit_strengths.record(n_frequencies=1))
        then = edit_strengths.stored_strengths()
        assert list(stored_now) == list(then)
        for name, one in stored_now.items():
            assert then[name]["left"].shape == (14, len(edit_strengths.STRENGTHS), 14)
            assert torch.allclose(one["left"][0], then[name]["left"][0], atol=0.05)
            same = edit_strengths.STRENGTHS.index(0)
            assert torch.allclose(one["left"][0, same], torch.ones(14), atol=1e-4)

    def test_rows_have_the_ranges(self):
        left = torch.ones(2, len(edit_strengths.STRENGTHS), 2)
        left[:, edit_strengths.STRENGTHS.index(1)] = torch.tensor([[0.3, 1.0], [0.9, 0.2]])
        accuracies = torch.ones(2, len(edit_strengths.STRENGTHS), 2)
        accuracies[1, :, 1] = 0.5
        one = {"left": left, "accuracies": accuracies}
        (row,) = edit_strengths.rows({"it": one}, [1])
        assert row == ["it: 1", "0.20 to 0.30", "0.90 to 1.00", "1.00", "0.50 to 1.00"]


def row(kind, seed, done, **changed):
    spread = {
        name: [value, 0.1, 0.01] for name, value in (done | changed.pop("done", {})).items()
    }
    return {
        "kind": kind,
        "seed": seed,
        "presence": {
            "activations": {"difference": 0.2, "sum": 0.2},
            "logits": {"difference": 0.02, "sum": 0.9},
        },
        "ablated": {
            "nothing": {"test": 1.0},
            "sums": {"test": 0.4},
            "differences": {"test": 0.98},
        },
        "spread": {"0.3": spread},
    } | changed


DONE = {
    "sum": 0.5,
    "difference": 0.5,
    "a + 2b": 0.05,
    "a, random in b": 0.05,
    "sum, other classes": 0.45,
    "random": 0.01,
    "a": 0.7,
}
NONE = dict.fromkeys(DONE, 0.0)


def good():
    rows = [row("trained", seed, DONE) for seed in range(5)]
    rows += [row(kind, 0, NONE) for kind in ("untrained", "shuffled labels")]
    courses = [
        {
            "seed": seed,
            "step": step,
            "accuracy": accuracy,
            "logits": accuracy,
            "spread": {"sum": [done, 0.1, 0.01]},
        }
        for step, accuracy, done in ((0, 0.0, 0.0), (20, 0.0, 0.2), (40, 0.5, 0.4))
        for seed in range(5)
    ]
    return edit_records.Table(rows, courses)


def held_by(missing, unused=0.9, n=5):
    rows = [
        {
            "seed": seed,
            "what": what,
            "tensor": name,
            "missing": value if what == edited_transformers.WAVE else unused,
            "off": 0.7,
            "length": 0.2,
        }
        for seed in range(n)
        for what in edited_transformers.CHANGES
        for name, value in missing.items()
    ]
    return edited_transformers.Tensors(rows)


TAKEN = [edits_elsewhere.TakenOut(0, 0.3, [0.1, 0.2, 0.9], [0.0, 0.1, 0.8])] * 5


HELD = held_by({"unembedding": 0.2, "query": 0.8})


def disagreeing(table, taken=TAKEN, held=HELD):
    claims = edit_claims.claims(table, taken, held)
    return [i for i, claim in enumerate(claims) if not claim.agrees]


class TestClaims:
    def test_all_hold(self):
        assert disagreeing(good()) == []
        assert edit_claims.ahead(good()) == [20] * 5

    @pytest.mark.parametrize(
        ("path", "value", "rows"),
        [
            (("presence", "activations", "difference"), 0.1, [0]),
            (("presence", "logits", "difference"), 0.01, [1]),
            (("ablated", "sums", "test"), 0.5, [2]),
            (("ablated", "differences", "test"), 0.995, [3]),
            (("spread", "0.3", "sum"), [0.4, 0, 0], [4]),
            (("spread", "0.3", "difference"), [0.4, 0, 0], [5]),
            (("spread", "0.3", "a + 2b"), [0.1, 0, 0], [6]),
            (("spread", "0.3", "a, random in b"), [0.1, 0, 0], [7]),
            (("spread", "0.3", "sum, other classes"), [0.4, 0, 0], [8]),
            (("spread", "0.3", "random"), [-0.1, 0, 0], [9]),
        ],
    )
    def test_one_trained_network_beyond_a_bar(self, path, value, rows):
        table = good()
        part = table.rows[2]
        for name in path[:-1]:
            part = part[name]
        part[path[-1]] = value
        assert disagreeing(table) == rows

    def test_a_network_without_the_rule_that_spreads(self):
        table = good()
        table.rows[-1]["spread"]["0.3"]["difference"] = [0.1, 0, 0]
        assert disagreeing(table) == [10]

    def test_one_network_that_is_accurate_first(self):
        table = good()
        table.courses[5]["accuracy"] = 0.2
        assert disagreeing(table) == [11]

    def test_one_feature_whose_interference_is_another(self):
        other = edits_elsewhere.TakenOut(1, 0.3, [0.9, 0.2, 0.1], [0.0, 0.1, 0.8])
        assert disagreeing(good(), [*TAKEN[1:], other]) == [12]

    def test_a_second_tensor_that_can_or_none(self):
        second = held_by({"unembedding": 0.2, "query": 0.4})
        assert disagreeing(good(), held=second) == [13]
        none = held_by({"unembedding": 0.5, "query": 0.6})
        assert disagreeing(good(), held=none) == [13]

    def test_an_unused_wave_within_reach_of_one_network(self):
        held = held_by({"unembedding": 0.2, "query": 0.8})
        places = ("unused wave of the sum", "query", 2)
        (one,) = (r for r in held.rows if (r["what"], r["tensor"], r["seed"]) == places)
        one["missing"] = 0.5
        assert disagreeing(good(), held=held) == [14]


class TestTable:
    def test_networks_are_those_that_are_named(self, monkeypatch):
        asked = []

        def train(seeds, **options):
            asked.append(options)
            return [
                SimpleNamespace(
                    seed=seed,
                    network=nn.Linear(1, 1),
                    start=nn.Linear(1, 1),
                )
                for seed in seeds
            ]

        monkeypatch.setattr(edit_records, "train_adders", train)
        kinds = [kind for kind, *_ in edit_records.networks([1, 2])]
        assert (
            kinds
            == ["trained", "untrained"] * 2
            + ["shuffled labels"] * 2
            + ["half of the pairs"] * 2
        )
        assert asked == [{}, {"shuffled": True}, {"fraction": 0.5}]

    def test_the_stored_edits_are_those_of_the_seeds(self):
        table = edit_records.stored_edits()
        for kind in edit_records.KINDS:
            assert [r["seed"] for r in table.of(kind)] == list(edit_records.SEEDS)
        for family in ("a", "b"):
            shares = [r["presence"]["logits"][family] for r in table.of("trained")]
            both = table.presence("trained", "logits", ("a", "b"))
            assert both[10 * (family == "b") :][:10] == shares
        (adder,) = train_adders([80], steps=20, snapshot_every=10)
        network = edited_adders.in_double(adder.network)
        now = edit_records.spreads(network, adder, 0.3)
        (then,) = (
            one["spread"] for one in table.courses if (one["seed"], one["step"]) == (80, 20)
        )
        for name, (done, *_) in now.items():
            assert then[name][0] == pytest.approx(done, abs=0.02)

    def test_figures_draw_what_is_in_the_table(self):
        import matplotlib.pyplot as plt

        table = edit_records.stored_edits()
        fig, axes = plt.subplots(1, 4)
        figures.spreads(table, list(edit_records.KINDS), edit_records.SHARES, list(axes))
        line = next(line for line in axes[0].lines if line.get_label() == "sum")
        middle = sorted(table.spread("trained", "sum", 0.3))
        assert middle[4] - 1e-6 <= line.get_ydata()[1] <= middle[5] + 1e-6
        figures.course(table, ("sum",), axes[1])
        drawn = {line.get_label(): line for line in axes[1].lines}
        assert drawn["new pairs right"].get_ydata()[-1] == pytest.approx(1, abs=0.01)
        assert drawn["new pairs right"].get_ydata()[4] == 0  # step 60
        done = sorted(table.course("sum")[500])
        assert drawn["sum"].get_ydata()[-1] == pytest.approx(done[2])
        figures.presence({"logits": {"a": [0.1, 0.3, 0.2]}}, axes[2])
        assert axes[2].patches[0].get_height() == pytest.approx(20)
        figures.tensors(HELD, axes[3])
        drawn = {line.get_label(): line for line in axes[3].lines}
        assert drawn[edited_transformers.WAVE].get_ydata().tolist() == [0.2] * 5
        assert drawn["random function"].get_ydata().tolist() == [0.9] * 5
        fig2, ax = plt.subplots()
        functions = dict.fromkeys(figures.COLORS, (2.0, 0.7))
        figures.price(([4.0, 1.0], [0.5, 1.0]), functions, ax)
        line = next(line for line in ax.lines if line.get_label() == "sum")
        assert line.get_ydata()[0] == pytest.approx(0.7)
        plt.close(fig)
        plt.close(fig2)
