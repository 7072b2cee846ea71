"""The one-layer Transformer: a plain causal one beside it, its kernel, bad input."""

import math

import pytest
import torch
from assertions import assert_close
from torch.nn import functional as F

import entk_lib as entk
from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks import modular_addition

P = 5
NAMES = [
    "token_embedding",
    "position_embedding",
    "query",
    "key",
    "value",
    "attention_output",
    "mlp_in",
    "mlp_out",
    "unembedding",
]


def small(seed=0, dtype=torch.float64):
    return ModularTransformer(P, d_model=6, n_heads=3, d_mlp=7, seed=seed, dtype=dtype)


def tokens():
    return modular_addition.tokens(modular_addition.all_pairs(P), P)


def plain(model, inputs):
    """All three positions, masked, by torch's own attention; logits of the last one."""
    w = {name.removesuffix(".weight"): p for name, p in model.named_parameters()}
    stream = w["token_embedding"][inputs] + w["position_embedding"]

    def heads(name):
        split = (stream @ w[name].T).unflatten(2, (model.n_heads, -1))
        return split.transpose(1, 2)

    mixed = F.scaled_dot_product_attention(
        heads("query"), heads("key"), heads("value"), is_causal=True
    )
    stream = stream + mixed.transpose(1, 2).flatten(2) @ w["attention_output"].T
    stream = stream + F.relu(stream @ w["mlp_in"].T) @ w["mlp_out"].T
    return (stream @ w["unembedding"].T)[:, -1]


def test_it_is_a_causal_transformer_read_at_its_last_position():
    model = small()
    assert_close(model(tokens()).detach(), plain(model, tokens()).detach())


def test_its_parts_are_what_the_next_layer_reads():
    model = small()
    attended = model.attended(tokens())
    residual = attended + model.mlp_out(model.neurons(attended))
    assert_close(model.residual(tokens()).detach(), residual.detach())
    assert_close(model(tokens()).detach(), model.unembedding(residual).detach())


def test_it_starts_as_published():
    model = ModularTransformer(29, seed=0)
    assert sum(p.numel() for p in model.parameters()) == 53_120
    for name, weight in model.named_parameters():
        fan = {"mlp_in.weight": 256, "unembedding.weight": 29}.get(name, 64)
        spread = float(weight.detach().std()) * math.sqrt(fan)
        assert abs(spread - 1) < 5 / math.sqrt(2 * weight.numel()), name


def test_a_seed_is_a_model_and_the_global_random_state_is_left_alone():
    state = torch.get_rng_state()
    one, same, other = (small(seed).query.weight.detach() for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())


def test_nine_kernels_each_by_a_rule_add_up_to_the_plain_jacobian_s():
    model = small()
    plan = entk.explain_ntk(model, tokens(), outputs="mean_output")
    assert [line.parameter for line in plan] == [f"{name}.weight" for name in NAMES]
    assert all(line.uses for line in plan)
    kernels = entk.empirical_ntk(model, tokens(), outputs="mean_output", by_layer=True)
    assert list(kernels) == NAMES
    mean = plain(model, tokens()).mean(1)
    for name, parameter in zip(NAMES, model.parameters(), strict=True):
        rows = [torch.autograd.grad(m, parameter, retain_graph=True)[0] for m in mean]
        jacobian = torch.stack(rows).flatten(1)
        assert_close(kernels[name], jacobian @ jacobian.T)


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (modular_addition.all_pairs(P), ValueError, r"shape \(n, 3\).*got \(25, 2\)"),
        (torch.zeros(3, dtype=torch.long), ValueError, r"got \(3,\)"),
        (torch.zeros(2, 3), TypeError, "must be integers, got torch.float32"),
        (
            torch.tensor([[0, 1, P + 1]]),
            ValueError,
            "from 0 to 5, which is '=', got 0 to 6",
        ),
        (torch.tensor([[-1, 1, P]]), ValueError, "got -1 to 5"),
    ],
)
@pytest.mark.no_shape_checks
def test_bad_arguments_wrong_tokens_are_refused(inputs, error, message):
    with pytest.raises(error, match=message):
        small()(inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modulus": 0}, "modulus must be at least 1"),
        ({"n_heads": 0}, "n_heads must be at least 1"),
        ({"d_mlp": 0}, "d_mlp must be at least 1"),
        ({"d_model": 10}, "multiple of n_heads, got 10 and 4. d_model=12 works"),
    ],
)
@pytest.mark.no_shape_checks
def test_bad_arguments_sizes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ModularTransformer(**{"modulus": P, "seed": 0, **options})
    with pytest.raises(TypeError, match="must be an int"):
        ModularTransformer(2.5, seed=0)
