"""The small language model: a plain causal one beside it, its kernels, bad input."""

import math

import pytest
import torch
from assertions import assert_close
from oracles import jacobian_rows, loop_kernel
from torch.nn import functional as F

import entk_lib as entk
from entk_lib.toys.models import LanguageTransformer

WORDS, LENGTH = 7, 6
PARTS = ["attention_output", "mlp_in", "mlp_out", "query", "key", "value"]


def small(seed=0, dtype=torch.float64, **sizes):
    sizes = {"d_model": 6, "n_heads": 3, "d_mlp": 5, **sizes}
    return LanguageTransformer(WORDS, length=LENGTH, seed=seed, dtype=dtype, **sizes)


def tokens(n=4, t=5):
    return torch.randint(0, WORDS, (n, t), generator=torch.Generator().manual_seed(1))


def plain(model, inputs):
    """All positions of all layers, by torch's own attention and norms."""
    w = dict(model.named_parameters())
    stream = w["token_embedding.weight"][inputs]
    stream = stream + w["position_embedding.weight"][: inputs.shape[1]]

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])

    for i, block in enumerate(model.blocks):
        at = f"blocks.{i}."
        normed = norm(stream, f"{at}attention_norm")
        q, k, v = (
            (normed @ w[f"{at}{name}.weight"].T)
            .unflatten(2, (block.n_heads, -1))
            .transpose(1, 2)
            for name in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed = mixed.transpose(1, 2).flatten(2)
        stream = stream + mixed @ w[f"{at}attention_output.weight"].T
        hidden = F.relu(norm(stream, f"{at}mlp_norm") @ w[f"{at}mlp_in.weight"].T)
        stream = stream + hidden @ w[f"{at}mlp_out.weight"].T
    return norm(stream, "final_norm") @ w["unembedding.weight"].T


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("t", [1, 5, 6])
def test_it_is_a_causal_transformer(n_layers, t):
    model = small(n_layers=n_layers)
    expected = plain(model, tokens(t=t)).detach()
    assert_close(model.all_logits(tokens(t=t)).detach(), expected)
    assert_close(model(tokens(t=t)).detach(), expected[:, -1])
    residual = model.residual(tokens(t=t))
    assert_close(model.unembedding(residual).detach(), expected[:, -1])


def test_no_position_sees_those_after_it():
    model = small()
    changed = tokens()
    changed[:, 3:] = (changed[:, 3:] + 1) % WORDS
    before, after = (model.all_logits(x).detach() for x in (tokens(), changed))
    assert_close(before[:, :3], after[:, :3])
    assert float((before[:, 3:] - after[:, 3:]).abs().min()) > 0


def test_it_has_the_sizes_and_the_start_that_it_says():
    model = LanguageTransformer(151, seed=0)
    assert sum(p.numel() for p in model.parameters()) == 119_808
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            spread = float(weight.detach().std()) * math.sqrt(weight.shape[1])
            assert abs(spread - 1) < 5 / math.sqrt(2 * weight.numel()), name
        else:
            assert torch.equal(weight, torch.full_like(weight, name.endswith("weight")))


def test_a_seed_is_a_model_and_the_global_random_state_is_left_alone():
    state = torch.get_rng_state()
    one, same, other = (small(seed).blocks[1].query.weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())


def test_its_kernel_is_the_loop_s_and_every_parameter_has_a_rule():
    model = small()
    plan = entk.explain_ntk(model, tokens())
    assert [line.parameter for line in plan] == [n for n, _ in model.named_parameters()]
    assert all(line.uses for line in plan)
    expected = loop_kernel(model, tokens(), tokens())
    found = entk.empirical_ntk(model, tokens(), outputs="full")
    assert_close(found, expected)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("layer", [0, 1])
def test_the_spectrum_of_one_part_is_that_of_its_jacobian(part, layer):
    model, name = small(), f"blocks.{layer}.{part}.weight"
    spectrum = entk.ntk_spectrum(model, tokens(), k=5, outputs="flatten", parameters=[name])
    rows = jacobian_rows(model, tokens(), [name]).flatten(0, 1)
    expected = torch.linalg.svdvals(rows)[:5] ** 2
    assert_close(spectrum.eigenvalues, expected)


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (torch.zeros(3, dtype=torch.long), ValueError, r"shape \(n, t\).*got \(3,\)"),
        (torch.zeros(2, 7, dtype=torch.long), ValueError, r"t from 1 to 6, got \(2, 7\)"),
        (torch.zeros(2, 3), TypeError, "must be integers, got torch.float32"),
        (torch.tensor([[0, WORDS]]), ValueError, "from 0 to 6, got 0 to 7"),
        (torch.tensor([[-1, 1]]), ValueError, "got -1 to 1"),
    ],
)
@pytest.mark.no_shape_checks
def test_bad_arguments_wrong_tokens_are_refused(inputs, error, message):
    for call in (small(), small().all_logits):
        with pytest.raises(error, match=message):
            call(inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_words": 0}, "n_words must be at least 1"),
        ({"length": 0}, "length must be at least 1"),
        ({"n_layers": 0}, "n_layers must be at least 1"),
        ({"d_mlp": 0}, "d_mlp must be at least 1"),
        ({"d_model": 10}, "multiple of n_heads, got 10 and 4. d_model=12 works"),
    ],
)
@pytest.mark.no_shape_checks
def test_bad_arguments_sizes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LanguageTransformer(**{"n_words": 5, "seed": 0, **options})
    with pytest.raises(TypeError, match="must be an int"):
        LanguageTransformer(2.5, seed=0)
