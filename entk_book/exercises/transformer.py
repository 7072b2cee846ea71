"""Chapter 6: the one-layer Transformer."""

from collections.abc import Sequence

import torch
from torch import Tensor

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Values, Whole
from entk_lib.features import subspace_overlap
from entk_lib.kernels import empirical_ntk
from entk_lib.spectra import kernel_spectrum
from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks.frequencies import waves_at
from entk_lib.toys.tasks.modular_addition import all_pairs, tokens


def _rank_of_unembedding() -> int:
    model = ModularTransformer(29, seed=0, dtype=torch.float64)
    kernel = empirical_ntk(
        model,
        tokens(all_pairs(29), 29),
        outputs="mean_output",
        parameters="unembedding",
    )
    return len(kernel_spectrum(kernel))


rank_of_the_unembedding = Check(
    Whole(),
    truth=_rank_of_unembedding,
    wrong=(
        Wrong(
            "rows of the kernel",
            lambda: 29**2,
            "That is the size of the kernel. What is it the Gram matrix of?",
        ),
        Wrong(
            "parameters",
            lambda: 29 * 64,
            "So many parameters the tensor has. But the mean logit moves all 29 rows of it "
            "in the same way.",
        ),
        Wrong(
            "classes",
            lambda: 29,
            "The 29 logits are averaged away. What is left of the Jacobian?",
        ),
    ),
    right="It is the Gram matrix of the final residual stream, which has 64 dimensions.",
    hint="Write down the derivative of the mean logit with respect to the unembedding.",
)


def _trained_mirrors(known: Tensor, modulus: int) -> Tensor:
    """Whether a pair is trained, and whether its mirror is, by row."""
    trained = torch.zeros(modulus, modulus, dtype=torch.bool)
    trained.view(-1)[known] = True
    return torch.stack([trained.flatten(), trained.T.flatten()])


def _mirrored(known: Tensor, modulus: int) -> int:
    trained, mirror = _trained_mirrors(known, modulus)
    return int((~trained & mirror).sum())


def _trained_both(known: Tensor, modulus: int) -> int:
    trained, mirror = _trained_mirrors(known, modulus)
    return int((trained & mirror).sum())


mirrored_test_pairs = Check(
    Whole(),
    truth=_mirrored,
    wrong=(
        Wrong(
            "training pairs",
            _trained_both,
            "Those are the training pairs whose mirror is trained, too. Count test pairs.",
        ),
        Wrong(
            "the rest of the test pairs",
            lambda known, modulus: modulus**2 - len(known) - _mirrored(known, modulus),
            "Those are the test pairs whose mirror is NOT trained.",
        ),
        Wrong(
            "all test pairs",
            lambda known, modulus: modulus**2 - len(known),
            "Those are all test pairs.",
        ),
    ),
    right="Whoever knows that a + b = b + a can answer about half of the test pairs.",
    hint="Row a * 29 + b is pair (a, b); its mirror is row b * 29 + a.",
)


def _value_share(
    model: ModularTransformer,
    frequencies: Sequence[int],
    outputs: str = "average",
    family: str = "symmetric",
    first: int = 0,
) -> float:
    modulus, n = model.modulus, 2 * len(frequencies)
    kernel = empirical_ntk(
        model,
        tokens(all_pairs(modulus), modulus),
        outputs=outputs,  # pyright: ignore[reportArgumentType]
        parameters="value",
    )
    modes = kernel_spectrum(kernel, k=2 * n + 1).eigenvectors.double()
    block = modes[:, : n + 1] if first == 0 else modes[:, first:]
    return subspace_overlap(block, waves_at(modulus, frequencies)[family]) / n


share_of_the_values = Check(
    Values(tolerance=0.02),
    truth=_value_share,
    wrong=(
        Wrong(
            "the mean output",
            lambda model, k: _value_share(model, k, outputs="mean_output"),
            "That is the kernel of the mean output. Average the blocks (c, c) instead.",
        ),
        Wrong(
            "in dimensions",
            lambda model, k: 2 * len(k) * _value_share(model, k),
            "That is the overlap in dimensions. Divide by those of the family.",
        ),
        Wrong(
            "the next modes",
            lambda model, k: _value_share(model, k, first=2 * len(k) + 1),
            "Those are the modes after the leading 2F + 1.",
        ),
        Wrong(
            "the sums",
            lambda model, k: _value_share(model, k, family="sum"),
            'That is the share of the sums. Take the family "symmetric".',
        ),
    ),
    right="Averaged over the classes, the kernel of the values shows what the mean hides.",
    hint='empirical_ntk(..., outputs="average", parameters="value"), modes 0 to 2F.',
)


def _centred() -> str:
    """What the mean-output kernel of the MLP becomes when the logits are centred."""
    model = ModularTransformer(5, seed=0, dtype=torch.float64)
    x = tokens(all_pairs(5), 5)

    def size() -> float:
        kernel = empirical_ntk(model, x, outputs="mean_output", parameters="mlp_in")
        return float(kernel.abs().max())

    before = size()
    with torch.no_grad():
        weight = model.unembedding.weight
        weight -= weight.mean(0)
    after = size()
    if after < 1e-12 * before:
        return "zero"
    return "the same" if abs(after - before) < 1e-12 * before else "smaller"


kernel_of_centred_logits = Check(
    Choice(("the same", "smaller", "zero")),
    truth=_centred,
    wrong=(
        Wrong(
            "as the probabilities do",
            lambda: "the same",
            "The probabilities stay as they are. But which function is this the kernel of?",
        ),
        Wrong(
            "some of it is lost",
            lambda: "smaller",
            "How large is the mean logit now, whatever the MLP does?",
        ),
    ),
    right="The mean logit is constant now. The kernel is that of a function that the loss "
    "does not see.",
    hint="Take the mean over the classes of W_U h when the rows of W_U add up to zero.",
)
