"""Networks with many outputs: a pitch tracker, language models, an encoder's hidden state.

Run as ``python benchmarks/many_outputs.py [ROW ...]``; prints Markdown tables. All weights
are random: what counts are the shapes. Every row has a process of its own, whose memory
over that of the imports and the model is told; ratios are measured within a row.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import entk_lib as entk

GIB = 2**30


class PitchTracker(nn.Module):
    """The shapes of CREPE, tiny: six convolutions over sound, 360 pitches.

    Its outputs are logits, as in chapter 10, or with ``shares`` what a sigmoid makes of
    them: then the last linear map is not the last, and 360 cotangents are needed, not 256.
    """

    def __init__(self, *, shares: bool = False) -> None:
        super().__init__()
        self.last = nn.Sigmoid() if shares else nn.Identity()
        channels, lengths = (1, 128, 16, 16, 16, 32, 64), (512, *[64] * 5)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(a, b, k, stride=4 if i == 0 else 1),
                nn.ReLU(),
                nn.BatchNorm1d(b),
                nn.MaxPool1d(2),
            )
            for i, (a, b, k) in enumerate(
                zip(channels[:-1], channels[1:], lengths, strict=True)
            )
        )
        self.pads = ((254, 254), *[(31, 32)] * 5)
        self.classifier = nn.Linear(256, 360)

    def forward(self, x: Tensor) -> Tensor:
        """360 numbers for 1,024 samples of sound."""
        x = x.unsqueeze(1)
        for pad, block in zip(self.pads, self.blocks, strict=True):
            x = block(F.pad(x, pad))
        return self.last(self.classifier(x.transpose(1, 2).flatten(1)))


class Decoder(nn.Module):
    """A language model: attention, gated or plain, and a logit for each token."""

    def __init__(
        self, vocabulary: int, width: int, layers: int, *, places: int, tied: bool
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(places, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.readout.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits at the last place."""
        x = self.tokens(tokens) + self.places.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.readout(self.norm(x)[:, -1])


class Block(nn.Module):
    """Causal attention with four heads, and a gated pair of layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate, self.up = nn.Linear(width, 3 * width), nn.Linear(width, 3 * width)
        self.down = nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """One block."""
        n, t, width = x.shape
        heads = self.qkv(self.first(x)).reshape(n, t, 3, 4, width // 4)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(n, t, width))
        inner = self.second(x)
        return x + self.down(F.silu(self.gate(inner)) * self.up(inner))


def encoder() -> nn.Module:
    """The shapes of all-MiniLM-L6-v2: six layers of width 384."""
    layer = nn.TransformerEncoderLayer(
        384, 12, 1536, dropout=0.0, activation="gelu", batch_first=True
    )
    return nn.Sequential(
        nn.Embedding(30_522, 384),
        nn.TransformerEncoder(layer, 6, enable_nested_tensor=False),
    )


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a call takes, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def output_by_output(model: nn.Module, x: Tensor, outputs: int) -> float:
    """Seconds that the loop over outputs takes, from so many of them."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    n_all = model(x[:1]).shape[1]

    def one(c: int) -> Tensor:
        def output(state: dict[str, Tensor], sample: Tensor) -> Tensor:
            return torch.func.functional_call(model, state, (sample[None],))[0, c]

        rows = torch.func.vmap(torch.func.grad(output), (None, 0))(parameters, x)
        flat = torch.cat([row.flatten(1) for row in rows.values()], 1)
        return flat @ flat.mT

    one(0)
    seconds, _ = timed(lambda: [one(c) for c in range(outputs)])
    return seconds / outputs * n_all


def pitch(
    n: int = 120, *, by_layer: bool = False, shares: bool = False
) -> dict[str, object]:
    """The pitch tracker beside the loop over its outputs."""
    model, x = PitchTracker(shares=shares).eval(), torch.randn(n, 1024)
    loop = output_by_output(model, x, 10)
    predicted = entk.explain_ntk(model, x).seconds
    seconds, _ = timed(lambda: entk.empirical_ntk(model, x, by_layer=by_layer))
    return {
        "seconds": seconds,
        "predicted": predicted,
        "output by output": loop,
        "ratio": seconds / loop,
    }


def vocabulary(*, tied: bool) -> dict[str, object]:
    """A language model beside the same with as many outputs as it is wide."""
    size, width, layers, n = (50_257, 64, 2, 64) if tied else (32_000, 128, 4, 200)
    model = Decoder(size, width, layers, places=32, tied=tied).eval()
    few = Decoder(width, width, layers, places=32, tied=tied).eval()
    x = torch.randint(width, (n, 32))
    few_seconds, _ = timed(lambda: entk.empirical_ntk(few, x))
    predicted = entk.explain_ntk(model, x).seconds
    seconds, _ = timed(lambda: entk.empirical_ntk(model, x))
    found: dict[str, object] = {
        "seconds": seconds,
        "predicted": predicted,
        f"with {width} outputs": few_seconds,
        "ratio": seconds / few_seconds,
    }
    if tied:
        model, rows, errors = model.double(), x[:6], []
        for c in torch.randint(size, (20,)).tolist():
            exact = exact_block(model, rows, c)
            block = entk.empirical_ntk(model, rows, outputs=(c, c))
            errors.append(float((block - exact).abs().max() / exact.abs().max()))
        found["error of 20 blocks"] = max(errors)
    return found


def exact_block(model: nn.Module, x: Tensor, c: int) -> Tensor:
    """The kernel of one output by a loop over samples."""
    parameters = list(model.parameters())
    rows = [torch.autograd.grad(model(sample[None])[0, c], parameters) for sample in x]
    jacobian = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    return jacobian @ jacobian.mT


def products() -> dict[str, object]:
    """Products with a large kernel beside a backward pass, and its largest eigenpairs."""
    model, x = encoder().eval(), torch.randint(30_522, (122, 24))
    asked = entk.Readout(model, lambda hidden: hidden[:, -1])
    chosen = "1.layers.4.linear2.weight"
    operator = entk.NTKOperator(asked, x, outputs="flatten", parameters=chosen)
    vector = torch.randn(operator.shape[0])
    first, _ = timed(lambda: operator @ vector)
    each = min(timed(lambda: operator @ vector)[0] for _ in range(3))
    # One backward pass to the weight, and a forward pass through what lies above it.
    model.requires_grad_(False)
    weight = model.get_parameter(chosen).requires_grad_()
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        outputs = asked(x)
        cotangent = torch.randn_like(outputs)
        backward = min(
            timed(
                lambda: torch.autograd.grad(outputs, weight, cotangent, retain_graph=True)
            )[0]
            for _ in range(3)
        )
        above, hidden = model.get_submodule("1.layers.5"), torch.randn(122, 24, 384)
        forward = min(timed(lambda: above(hidden))[0] for _ in range(3))
    predicted = entk.spectrum_cost(
        asked, x, 25, outputs="flatten", parameters=chosen
    ).seconds
    counted = []
    original = entk.NTKOperator.product

    def product(self: entk.NTKOperator, vector: Tensor) -> Tensor:
        counted.append(1)
        return original(self, vector)

    entk.NTKOperator.product = product
    seconds, spectrum = timed(
        lambda: entk.ntk_spectrum(
            asked, x, 25, outputs="flatten", parameters=chosen, tolerance=1e-2
        )
    )
    return {
        "first product": first,
        "a product": each,
        "a backward pass": backward,
        "a pass through the layer above": forward,
        "ratio": each / (backward + forward),
        "25 pairs": seconds,
        "predicted": predicted,
        "products": len(counted),
        "residual": spectrum.residual,
    }


def growth() -> dict[str, object]:
    """Seconds over the number of outputs, and the exponent."""
    found: dict[str, object] = {}
    sizes, seconds = (10, 30, 100, 300, 1000), []
    for size in sizes:
        layers = [nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()]
        model = nn.Sequential(*layers, nn.Linear(256, size), nn.Sigmoid())
        x = torch.randn(200, 64)
        entk.empirical_ntk(model, x[:5])
        predicted = entk.explain_ntk(model, x).seconds or 0.0
        seconds.append(timed(lambda model=model, x=x: entk.empirical_ntk(model, x))[0])
        found[f"C = {size}"] = f"{seconds[-1]:.3g} (predicted {predicted:.3g})"
    logs = torch.tensor(seconds).log(), torch.tensor(sizes).float().log()
    centred = logs[1] - logs[1].mean()
    found["exponent"] = float((centred * logs[0]).sum() / centred.square().sum())
    return found


ROWS: dict[str, Callable[[], dict[str, object]]] = {
    "pitch tracker": pitch,
    "pitch tracker, by layer": lambda: pitch(by_layer=True),
    "pitch tracker, after a sigmoid": lambda: pitch(shares=True),
    "pitch tracker, 240 sounds": lambda: pitch(240),
    "32,000 tokens": lambda: vocabulary(tied=False),
    "50,257 tokens, tied": lambda: vocabulary(tied=True),
    "encoder's hidden state": products,
    "growth with outputs": growth,
}


def peak() -> float:
    """Largest resident memory of this process, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def main() -> None:
    """Run each row in a process of its own and print it."""
    if sys.argv[1:2] == ["--row"]:
        torch.manual_seed(0)
        before = peak()
        found = ROWS[sys.argv[2]]()
        print(json.dumps(found | {"GiB": peak() - before}))
        return
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, float32\n")
    for name in sys.argv[1:] or ROWS:
        command = [sys.executable, __file__, "--row", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        cells = [
            f"{k}: {v:.3g}" if isinstance(v, float) else f"{k}: {v}"
            for k, v in found.items()
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
