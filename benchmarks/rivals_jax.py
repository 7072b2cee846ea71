"""The class-averaged eNTK by neural-tangents, and the benchmark networks in JAX.

The networks take the weights of their torch twins in the layout that JAX code uses:
``x @ w`` with w of shape ``(in, out)``, images ``NHWC`` with kernels ``HWIO``, tokens
one-hot. The two spellings that torch users write with bare parameters are translated as
they stand, transposed weights and einsums included.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from architectures import (
    EinsumTransformer,
    LinearTransformer,
    ModularMLP,
    ModularMLPTransposed,
)
from torch import Tensor, nn

Params = dict[str, Any]
Kernels = dict[str, Any]
Network = Callable[[Params, Any], Any]
Twin = tuple[Network, Params, Any]
BATCH_BYTES = 6 * 10**9  # of the Jacobian
BATCH_PRODUCTS = 100  # samples, of which the kernel-vector products hold all pairs


def _numpy(tensor: Tensor) -> np.ndarray:
    """Contiguous copy, as JAX wants it."""
    return np.ascontiguousarray(tensor.detach().numpy())


def _modular_mlp(model: ModularMLP, x: Tensor) -> Twin:
    """Weights ``(in, out)``."""
    width, two_p = model.width, model.two_p

    def f(params: Params, x: Any) -> Any:
        hidden = (x @ params["first"]) / two_p**0.5
        return ((hidden * hidden) @ params["second"]) / width

    params = {"first": model.first.weight.T, "second": model.second.weight.T}
    return f, {name: _numpy(w) for name, w in params.items()}, _numpy(x)


def _modular_mlp_transposed(model: ModularMLPTransposed, x: Tensor) -> Twin:
    """Weights ``(out, in)``, transposed inside."""
    width, two_p = model.width, model.two_p

    def f(params: Params, x: Any) -> Any:
        hidden = (x @ params["first"].T) / two_p**0.5
        return ((hidden * hidden) @ params["second"].T) / width

    params = {"first": _numpy(model.first), "second": _numpy(model.second)}
    return f, params, _numpy(x)


def _sequential(model: nn.Sequential, x: Tensor) -> Twin:
    """ReLU networks of linear layers after convolutions, ``NHWC`` and ``HWIO``."""
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]
    from jax import lax  # pyright: ignore[reportMissingImports]

    params: Params = {}
    steps: list[Network] = []
    channels = 0
    for name, module in model.named_children():
        if isinstance(module, nn.Conv2d):
            stride, pad = module.stride, [(int(k), int(k)) for k in module.padding]
            weight, bias = module.weight.permute(2, 3, 1, 0), module.bias
            channels = module.out_channels
            convolve = partial(
                lax.conv_general_dilated,
                window_strides=stride,
                padding=pad,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
            steps.append(lambda p, h, n=name, c=convolve: c(h, p[n][0]) + p[n][1])
        elif isinstance(module, nn.Linear):
            weight, bias = module.weight.T, module.bias
            if channels:  # torch flattens CHW, this twin HWC
                weight = weight.unflatten(0, (channels, -1)).transpose(0, 1).flatten(0, 1)
                channels = 0
            steps.append(lambda p, h, n=name: h @ p[n][0] + p[n][1])
        elif isinstance(module, nn.ReLU):
            steps.append(lambda p, h: jnp.maximum(h, 0))
            continue
        else:
            steps.append(lambda p, h: h.reshape(h.shape[0], -1))
            continue
        assert bias is not None
        params[name] = (_numpy(weight), _numpy(bias))

    def f(params: Params, h: Any) -> Any:
        for step in steps:
            h = step(params, h)
        return h

    return f, params, _numpy(x.movedim(1, -1))


def _softmax(scores: Any) -> Any:
    """Softmax of the last axis in primitives that every implementation supports."""
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]
    from jax import lax  # pyright: ignore[reportMissingImports]

    exp = jnp.exp(scores - lax.stop_gradient(scores.max(-1, keepdims=True)))
    return exp / exp.sum(-1, keepdims=True)


def _linear_transformer(model: LinearTransformer, x: Tensor) -> Twin:
    """Weights ``(in, out)``, tokens one-hot."""
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]

    heads = model.n_heads
    causal = np.tril(np.ones((3, 3), dtype=np.float32))

    def split(h: Any) -> Any:
        return h.reshape(*h.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    def f(params: Params, one_hot: Any) -> Any:
        h = one_hot @ params["embed"] + params["positions"]
        q, k, v = (split(h @ params[name]) for name in ("q", "k", "v"))
        scores = q @ k.transpose(0, 1, 3, 2) / q.shape[-1] ** 0.5
        z = _softmax(scores - 1e10 * (1 - causal)) @ v
        h = h + z.transpose(0, 2, 1, 3).reshape(h.shape) @ params["o"]
        h = h + jnp.maximum(h @ params["w_in"], 0) @ params["w_out"]
        return h[:, -1] @ params["unembed"]

    params = {name.split(".")[0]: p.T for name, p in model.named_parameters()}
    params |= {"embed": model.embed.weight, "positions": model.positions}
    one_hot = nn.functional.one_hot(x, len(model.embed.weight)).float()
    return f, {name: _numpy(p) for name, p in params.items()}, _numpy(one_hot)


def _einsum_transformer(model: EinsumTransformer, x: Tensor) -> Twin:
    """The torch code, einsum by einsum."""
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]

    causal = np.tril(np.ones((3, 3), dtype=np.float32))

    def f(w: Params, tokens: Any) -> Any:
        h = jnp.einsum("dbp->bpd", w["W_E"][:, tokens]) + w["W_pos"]
        q = jnp.einsum("ihd,bpd->biph", w["W_Q"], h)
        k = jnp.einsum("ihd,bpd->biph", w["W_K"], h)
        v = jnp.einsum("ihd,bpd->biph", w["W_V"], h)
        scores = jnp.einsum("biqh,biph->biqp", q, k) / q.shape[-1] ** 0.5
        attention = _softmax(scores - 1e10 * (1 - causal))
        z = jnp.einsum("biqp,biph->biqh", attention, v)
        z = z.transpose(0, 2, 1, 3).reshape(h.shape)
        h = h + jnp.einsum("df,bqf->bqd", w["W_O"], z)
        hidden = jnp.maximum(jnp.einsum("md,bpd->bpm", w["W_in"], h), 0)
        h = h + jnp.einsum("dm,bpm->bpd", w["W_out"], hidden)
        return (h @ w["W_U"])[:, -1]

    params = {name: _numpy(p) for name, p in model.named_parameters()}
    return f, params, _numpy(x).astype(np.int32)


TWINS: dict[type[nn.Module], Callable[[Any, Tensor], Twin]] = {
    ModularMLP: _modular_mlp,
    ModularMLPTransposed: _modular_mlp_transposed,
    nn.Sequential: _sequential,
    LinearTransformer: _linear_transformer,
    EinsumTransformer: _einsum_transformer,
}


def _batch_size(implementation: int, model: nn.Module, n: int, n_outputs: int) -> int:
    """Largest divisor of n that fits: structured derivatives always do."""
    if implementation == 3:
        return n
    entries = n_outputs * sum(p.numel() for p in model.parameters())
    limit = BATCH_BYTES // (4 * entries) if implementation == 1 else BATCH_PRODUCTS
    return max(size for size in range(1, n + 1) if n % size == 0 and size <= max(1, limit))


def neural_tangents(
    implementation: int, model: nn.Module, x: Tensor, by_layer: bool
) -> Callable[[], Kernels]:
    """``nt.empirical_ntk_fn`` (which averages over the axes it traces), compiled.

    Jacobian contraction and vector products go through ``nt.batch`` where they would not
    fit; structured derivatives take all samples at once.
    """
    import jax  # pyright: ignore[reportMissingImports]
    import neural_tangents as nt  # pyright: ignore[reportMissingImports]

    f, params, inputs = TWINS[type(model)](model, x)
    with torch.no_grad():
        n_outputs = model(x[:1]).shape[1]
    size = _batch_size(implementation, model, len(x), n_outputs)
    ntk = partial(
        nt.empirical_ntk_fn, trace_axes=(-1,), vmap_axes=0, implementation=implementation
    )

    own = params if by_layer else {"total": params}
    networks: dict[str, Any] = {"total": f}
    if by_layer:
        networks = {
            name: lambda layer, x, name=name: f(params | {name: layer}, x)
            for name in params
        }

    def compiled(name: str) -> Callable[[], Any]:
        kernel = ntk(networks[name])
        if size < len(x):
            kernel = nt.batch(jax.jit(kernel), batch_size=size, device_count=0)
            return lambda: kernel(inputs, None, own[name])
        run = jax.jit(lambda p, x: kernel(x, None, p)).lower(own[name], inputs).compile()
        return lambda: run(own[name], inputs)

    own, inputs = jax.device_put(own), jax.device_put(inputs)
    runs = {name: compiled(name) for name in networks}
    return lambda: jax.block_until_ready({name: run() for name, run in runs.items()})


JAX_RIVALS = {
    "neural-tangents-jacobian": partial(neural_tangents, 1),
    "neural-tangents-products": partial(neural_tangents, 2),
    "neural-tangents-structured": partial(neural_tangents, 3),
}
