"""Exercises: checks that know the truth and the common mistakes, chapters with them."""

import copy
import dataclasses
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import entk_lib as entk
import normalise
from entk_book import exercises, stored
from entk_book.exercises import Check
from entk_book.exercises._kinds import Choice, Direction, Values, Whole, Wholes
from entk_book.explorers import grokking
from entk_book.studies import superposition_grid
from entk_lib.toys.models import QuadraticMLP, ReLUNetwork, TiedAutoencoder
from entk_lib.toys.tasks import modular_addition, superposition
from entk_lib.training import adamw, train, train_many

ROOT = Path(__file__).parents[2]
MODULES = [
    name
    for _, name, _ in pkgutil.iter_modules(exercises.__path__)
    if not name.startswith("_")
]
CHECKS = {
    f"{module}.{name}": check
    for module in MODULES
    for name, check in vars(
        importlib.import_module(f"entk_book.exercises.{module}")
    ).items()
    if isinstance(check, Check)
}
P = 29


def euler():
    model = ReLUNetwork(3, 8, seed=0)
    return model, torch.randn(10, 3, generator=torch.Generator().manual_seed(0))


def lazy():
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).unsqueeze(1)
    y = x.square()
    model = ReLUNetwork(1, 64, output_scale=10.0, seed=0, dtype=torch.float64)
    before = entk.LinearizedPredictor(model, x, y, ridge=1e-6)
    train(model, x, y, steps=300, optimizer=lambda p: torch.optim.SGD(p, lr=0.001))
    after = entk.LinearizedPredictor(model, x, y, ridge=1e4, around="zero")
    with torch.no_grad():
        return before, after, x, model(x)


def spans():
    features = torch.eye(60, dtype=torch.float64)[:, :50]
    return features, features


def learner(steps):
    pairs = modular_addition.all_pairs(P)
    x = modular_addition.one_hot(pairs, P)
    y = modular_addition.targets(pairs, P)
    model = QuadraticMLP(2 * P, P, 256, seed=0)
    known, others = modular_addition.split(len(x), 0.7, seed=0)
    (run,) = train_many(
        [model],
        x[known][None],
        y[known][None],
        steps=steps,
        optimizer=adamw(0.05),
        snapshot_every=5,
    )
    return model, run, x, y, known, others


@pytest.fixture(scope="module")
def trained():
    return learner(125)


def plane_waves():
    families = modular_addition.fourier_families(P)
    planes = torch.cat(list(families.values()), dim=1).double()
    basis = torch.linalg.qr(families["sum"].flatten(1).double()).Q
    steps = ((1, 0), (0, 1), (1, 1), (1, -1))
    return basis, [entk.torus_laplacian(P, step) for step in steps], planes


def sums_and_differences():
    families = modular_addition.fourier_families(P)
    both = [families[name].flatten(1).double() for name in ("sum", "difference")]
    return torch.linalg.qr(torch.cat(both, 1)).Q, families


def functions_of_one_token():
    families = modular_addition.fourier_families(P)
    both = [families[name].flatten(1).double() for name in ("a", "b")]
    return torch.cat(both, 1), P


def alarm_series():
    steps, flat = [0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0]
    mild = [{"step": steps, "sum overlap": [0, 1, 1, 1, 1, 1]}] * 3
    harder = [{"step": steps, "sum overlap": [0, 1, 2, 3, 3, 3 + i]} for i in range(2)] + [
        {"step": steps, "sum overlap": flat}
    ]
    return mild, harder


def layers(trained):
    model, _, x, *_ = trained
    kernels = {**entk.empirical_ntk(model, x, by_layer=True)}
    kernels["whole"] = entk.empirical_ntk(model, x)
    family = modular_addition.fourier_families(P)["sum"].flatten(1)
    return kernels, family


def layer_bases(trained):
    kernels, family = layers(trained)
    found = {
        layer: entk.kernel_spectrum(kernel, k=200).eigenvectors[:, 57:113].double()
        for layer, kernel in kernels.items()
    }
    return found, family


def course(trained):
    model, run, _, y, known, others = trained
    rows = {"known": known, "others": others}
    some = {step: state for step, state in run.snapshots.items() if step % 10 == 0}
    return (grokking.course(model, some, y, modulus=P, **rows),)


def one_atom():
    waves = modular_addition.fourier_families(P)["sum"].flatten(1)
    return torch.linalg.qr(waves).Q, 0


def memory():
    model = TiedAutoencoder(20, 2, seed=0)
    return model, superposition.sample(10, 20, 0.8, seed=0)


def classifier():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(4, 3), torch.randn(10, 4)


def edited(trained):
    model, _, x, y, *_ = trained
    return copy.deepcopy(model).double(), x[:60].double(), y[:60].double() - 1 / P


# What a check is given in its chapter: smaller here, of the same form.
GIVEN = {
    "tangent_kernel.euler_identity": lambda _: euler(),
    "tangent_kernel.lazy_r_squared": lambda _: lazy(),
    "superposition.what_a_rotation_changes": lambda _: spans(),
    "modular_addition.purity_after_a_random_turn": lambda _: plane_waves(),
    "grokking.share_of_differences": lambda _: sums_and_differences(),
    "grokking.false_alarms": lambda _: alarm_series(),
    "layerwise.overlap_of_the_whole": layer_bases,
    "layerwise.second_layer_share": layers,
    "explorers.cliffs_at_beta_one": lambda _: (superposition_grid.stored_grid(),),
    "explorers.step_of_half_the_sums": course,
    "explorers.family_of_an_atom": lambda _: one_atom(),
    "transformer.mirrored_test_pairs": lambda _: (stored.transformer_split(0)[0], P),
    "transformer.share_of_the_values": lambda _: (
        stored.transformer(3).double(),
        (1, 7, 10),
    ),
    "double_descent.open_rows": lambda _: memory(),
    "without_the_group.dimensions_after_relabelling": lambda _: functions_of_one_token(),
    "without_the_group.chance_of_a_family": lambda _: (P,),
    "without_the_group.waves_in_a_square": lambda _: (10, P),
    "present_or_used.shorter_layer": edited,
    "your_own_model.null_to_beat": lambda _: (
        {"chance": 0.2, "untrained": 4.9, "inputs": 5.2},
    ),
    "your_own_model.kernel_of_a_wrapped_model": lambda _: classifier(),
}
# Truths that can be said without the library.
KNOWN = {
    "tangent_kernel.rank_of_linear_model": 18,
    "superposition.sparser_data": "more",
    "superposition.cliffs_without_bias": [],
    "superposition.what_a_rotation_changes": "the count",
    "modular_addition.purity_after_a_random_turn": "the same",
    "modular_addition.still_direction": (1, -2),
    "modular_addition.too_little_data": "between",
    "grokking.share_of_differences": "as much",
    "grokking.false_alarms": 2,
    "grokking.onsets_of_three_series": [None, None, None],
    "layerwise.when_traces_add_up": "always",
    "layerwise.overlap_of_the_whole": "more",
    "explorers.family_of_an_atom": "a + b",
    "transformer.rank_of_the_unembedding": 64,
    "transformer.kernel_of_centred_logits": "zero",
    "double_descent.chance_of_samples": "stays",
    "double_descent.corner_of_a_pentagon": 0.4,
    "without_the_group.dimensions_after_relabelling": 56,
    "without_the_group.chance_of_a_family": 2 / 7,
    "without_the_group.waves_in_a_square": [9, 10],
    "present_or_used.price_of_an_eigenvector": 20,
    "present_or_used.moves_before_training": "a",
    "grammar.precision": 5 / 6,
    "grammar.words_and_modes": 31,
    "grammar.choosing": "about 0.58",
    "grammar.alike": 1,
    "pitch.shared_harmonics": 5,
    "pitch.chance_of_a_circle": 40 / 24,
    "pitch.odd_harmonics": "less",
    "pitch.edit_of_harmonic_tones": "part of the way",
    "your_own_model.rows_of_a_kernel": 600,
    "your_own_model.null_to_beat": "inputs",
}


def computed_once(check, given):
    """A check whose truth and named mistakes, of seconds each, are known by now."""

    def known(value):
        return lambda *_: value

    wrong = [
        dataclasses.replace(one, answer=known(one.answer(*given))) for one in check.wrong
    ]
    return dataclasses.replace(check, truth=known(check.truth(*given)), wrong=tuple(wrong))


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_knows_the_truth_and_the_common_mistakes(name, trained):
    check, given = CHECKS[name], GIVEN.get(name, lambda _: ())(trained)
    verdict = check(..., *given)
    assert not verdict.passed
    assert repr(verdict).startswith("Not answered yet")
    check = computed_once(check, given)
    truth = KNOWN.get(name, check.truth())
    assert check(truth, *given) == exercises.Verdict(True, f"Right. {check.right}")
    messages = []
    for wrong in check.wrong:
        answer = wrong.answer(*given)
        if check.kind.agree(answer, truth):
            continue  # one of the options is right for other objects
        verdict = check(answer, *given)
        assert not verdict.passed
        assert verdict.message == f"Not yet. {wrong.message}", wrong.name
        messages.append(verdict.message)
    assert len(set(messages)) == len(messages) >= 2


def test_the_named_mistakes_are_no_two_of_a_kind():
    for name, check in CHECKS.items():
        names = [wrong.name for wrong in check.wrong]
        assert len(set(names)) == len(names) >= 2, name


@pytest.mark.parametrize(
    ("kind", "truth", "answer", "message"),
    [
        (Whole(), 7, 7.5, "must be one whole number such as 7, got 7.5"),
        (Whole(), 7, True, "got True"),
        (Whole(), 7, None, "got None"),
        (Whole(), 7, "seven", "got 'seven'"),
        (Wholes(), [7], 7, r"must be a list such as \[3, 7\]"),
        (Wholes(), [7], [0.5], "must be a list"),
        (Choice(("more", "fewer")), "more", "yes", 'one of "more", "fewer", got \'yes\''),
        (Choice(("more", "fewer")), "more", 3, "got 3"),
        (Values(0.1), [1.0, 2.0], [1.0], r"must have shape \(2,\), got \(1,\)"),
        (Values(0.1), [1.0, 2.0], "much", "must hold real numbers, got 'much'"),
        (Values(0.1), [1.0, 2.0], [1.0, float("nan")], "must be finite"),
        (Values(0.1), [1.0, 2.0], nn.Linear(1, 1), "must hold real numbers"),
        (Direction(29), (1, -2), 3, "must be two whole numbers"),
        (Direction(29), (1, -2), (0.5, 1), "must be two whole numbers"),
    ],
)
def test_an_answer_of_another_form_is_told_so(kind, truth, answer, message):
    verdict = Check(kind, lambda: truth, (), "yes", "no")(answer)
    assert not verdict.passed
    assert re.search(message, verdict.message)


@pytest.mark.parametrize(
    ("kind", "truth", "answer"),
    [
        (Whole(), 7, 7.0),
        (Whole(), 7, torch.tensor(7)),
        (Wholes(), [None, 3], (None, 3)),
        (Choice(("the count",)), "the count", "The  count "),
        (Values(0.1), torch.ones(2, dtype=torch.float64), [1.05, 1.0]),
        (Values(0.1), 1.0, 1),
        (Direction(29), (1, -2), (14, 1)),  # 14 times the step
        (Direction(29), (1, -2), (-1, 2)),
    ],
)
def test_an_answer_may_be_written_in_several_ways(kind, truth, answer):
    assert Check(kind, lambda: truth, (), "yes", "no")(answer).passed


def test_an_unnamed_mistake_gets_the_hint():
    assert exercises.Check(Whole(), lambda: 7, (), "yes", "Count.")(8).message == (
        "Not yet. Count."
    )


# The chapters

HEAD = re.compile(
    r"^\*\*Exercise (?P<chapter>\w+)\.(?P<number>\d+)\. [^*]+\*\* "
    r"\(\*(easy|medium|hard|open) · (?P<minutes>\d+) minutes( · (prediction|code))?\*\)$",
    re.M,
)
CHAPTERS = [
    path
    for path in sorted((ROOT / "chapters").glob("*.ipynb"))
    if path.stem not in {"template", "preflight"}
]


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_exercises_with_stubs_solutions_and_an_open_end(path):
    cells = normalise.read(path).cells
    starts = [i for i, cell in enumerate(cells) if HEAD.search(cell.source)]
    numbers = [int(HEAD.search(cells[i].source)["number"]) for i in starts]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 4
    *checked, last = zip(starts, [*starts[1:], len(cells)], strict=True)
    used = []
    for start, end in checked:
        stub, solution = (
            next(cell for cell in cells[start:end] if tagged(cell, tag))
            for tag in ("exercise", "solution")
        )
        assert "..." in stub.source
        assert solution.source.startswith("# Solution: ")
        assert tagged(solution, "hide-cell")
        calls = [
            re.findall(r"^exercises\.(\w+)\(", cell.source, re.M)
            for cell in (stub, solution)
        ]
        assert calls[0] == calls[1]
        used += calls[0]
        assert "Not answered yet" in stub.outputs[-1].data["text/plain"]
        assert solution.outputs[-1].data["text/plain"].startswith("Right.")
    assert "· minutes" not in cells[last[0]].source
    assert "(*open" in cells[last[0]].source
    assert any(
        "<details>" in cell.source and tagged(cell, "solution")
        for cell in cells[slice(*last)]
    )
    module = re.search(
        r"from entk_book\.exercises import (\w+) as exercises",
        "\n".join(cell.source for cell in cells),
    )[1]
    assert sorted(used) == sorted(
        name.split(".")[1] for name in CHECKS if name.startswith(f"{module}.")
    )


def test_every_module_of_checks_belongs_to_a_chapter():
    text = "".join(path.read_text() for path in CHAPTERS)
    for module in MODULES:
        assert f"from entk_book.exercises import {module} as exercises" in text
