"""Random architectures, with what the layer rules should make of them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from cases import inputs
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

N1, N2 = 4, 3
SMOOTH = {"tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU}
ACTIVATIONS = {**SMOOTH, "relu": nn.ReLU}


@dataclass(frozen=True)
class Drawn:
    """A model with inputs.

    Attributes:
        model: In float64 and eval mode.
        x1: Samples of the rows.
        x2: Samples of the columns.
        smooth: Whether no activation has a kink.
        by_autodiff: Parameters that no rule is expected for.
    """

    model: nn.Module
    x1: Tensor
    x2: Tensor
    smooth: bool = True
    by_autodiff: frozenset[str] = frozenset()


class Functional(nn.Module):
    """A function of the model and x; tensors become parameters, modules stay."""

    def __init__(self, function: Callable, label: str = "", **parts) -> None:
        super().__init__()
        self.function, self.label = function, label
        for name, part in parts.items():
            own = part if isinstance(part, nn.Module) else nn.Parameter(part)
            setattr(self, name, own)

    def extra_repr(self) -> str:
        return self.label

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Tensor:
        return self.function(self, *args, **kwargs)


class Positions(nn.Module):
    """Applies a function to the output of modules, position by position, then averages."""

    def __init__(self, body: nn.Module, readout: nn.Module, pool: str) -> None:
        super().__init__()
        self.body, self.readout, self.pool = body, readout, pool

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x)
        if self.pool == "mean":
            return self.readout(hidden.mean(1))
        return self.readout(hidden[:, -1] if self.pool == "last" else hidden.flatten(1))


def weights(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers of about the size that layers start with."""
    return inputs(1, *shape, seed=seed + 100)[0] / max([1, *shape[-1:]]) ** 0.5


def _finished(model: nn.Module, seed: int) -> nn.Module:
    """Weights, biases and running statistics that are all different from their start."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.4 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(generator=generator)
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2, generator=generator)
    return model


def _batches(*shape: int, seed: int) -> tuple[Tensor, Tensor]:
    return inputs(N1, *shape, seed=seed + 1), inputs(N2, *shape, seed=seed + 2)


def _seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _finished(make(), seed)


seeds = st.integers(0, 10**6)
widths = st.integers(1, 5)
activations = st.sampled_from(sorted(ACTIVATIONS))


@st.composite
def perceptrons(draw) -> Drawn:
    """Depth, widths, biases, one layer twice, frozen parameters."""
    seed, name = draw(seeds), draw(activations)
    n_in, depth = draw(widths), draw(st.integers(0, 3))
    layers: list[nn.Module] = []
    width = n_in
    for _ in range(depth):
        wide = draw(widths)
        layers += [
            nn.Linear(width, wide, bias=draw(st.booleans())),
            ACTIVATIONS[name](),
        ]
        if draw(st.booleans()):
            again = nn.Linear(wide, wide, bias=draw(st.booleans()))
            layers += [again, nn.Tanh(), again]
        width = wide
    layers.append(nn.Linear(width, draw(widths), bias=draw(st.booleans())))
    model = _seeded(lambda: nn.Sequential(*layers), seed)
    parameters = list(model.parameters())
    for i in draw(st.sets(st.integers(0, len(parameters) - 1))):
        if sum(p.requires_grad for p in parameters) > 1:
            parameters[i].requires_grad_(False)
    return Drawn(model, *_batches(n_in, seed=seed), name != "relu")


@st.composite
def tied_weights(draw) -> Drawn:
    """One weight as an encoder and, transposed and maybe scaled, as a decoder."""
    seed, n_in, width = draw(seeds), draw(widths), draw(widths)
    transposed = {
        "T": lambda w: w.T,
        "mT": lambda w: w.mT,
        "t": lambda w: w.t(),
        "transpose": lambda w: torch.transpose(w, 0, 1),
        "permute": lambda w: w.permute(1, 0),
        "scaled": lambda w: -0.7 * w.T / 3,
        "cloned": lambda w: w.clone().swapaxes(0, 1).contiguous(),
    }
    spelling = draw(st.sampled_from(sorted(transposed)))
    turn = transposed[spelling]

    def forward(self, x):
        hidden = torch.tanh(self.encoder(x))
        return F.linear(hidden, turn(self.encoder.weight), self.bias)

    def make():
        return Functional(
            forward, spelling, encoder=nn.Linear(n_in, width), bias=weights(n_in)
        )

    return Drawn(_seeded(make, seed), *_batches(n_in, seed=seed))


@st.composite
def convolutions(draw, with_rule: bool = True) -> Drawn:
    """One to three axes, any stride, padding, dilation and groups, and a norm."""
    seed, n_axes, name = draw(seeds), draw(st.integers(1, 3)), draw(activations)
    groups, per_group = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    channels = groups * per_group
    n_out = groups * draw(st.integers(2, 3) if per_group == 1 else st.integers(1, 2))
    each = st.tuples(*[st.integers(1, 3)] * n_axes)
    kernel, stride, dilation = draw(each), draw(each), draw(each)
    mode = draw(st.sampled_from(["zeros", "circular", "reflect", "replicate"]))
    padding = draw(
        st.one_of(
            st.sampled_from(["valid", "same"]), st.tuples(*[st.integers(0, 1)] * n_axes)
        )
    )
    if padding == "same":
        stride = 1
    sizes = tuple(
        d * (k - 1) + draw(st.integers(2, 3)) for k, d in zip(kernel, dilation, strict=True)
    )
    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[n_axes - 1]
    batch_norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[n_axes - 1]
    instance_norm = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)[n_axes - 1]
    norms = {
        "none": lambda: nn.Identity(),
        "group": lambda: nn.GroupNorm(groups, n_out, eps=0.1),
        "batch": lambda: batch_norm(n_out),
        "batch without weights": lambda: batch_norm(n_out, affine=False),
    }
    kind = draw(st.sampled_from(sorted(norms)))
    norm = norms[kind]
    if kind == "group":
        stride = 1  # two positions at least: torch refuses groups of one value
    if not with_rule:
        norm = functools.partial(instance_norm, n_out, affine=True, eps=0.1)
        padding, mode, stride = "valid", "zeros", 1
        sizes = tuple(size + 1 for size in sizes)
    n_classes, bias = draw(widths), draw(st.booleans())

    def make():
        body = [
            convolution(
                channels,
                n_out,
                kernel,
                stride=stride,
                padding=padding,
                dilation=dilation,
                groups=groups,
                padding_mode=mode,
                bias=bias,
            ),
            norm(),
            ACTIVATIONS[name](),
            nn.Flatten(),
        ]
        shape = nn.Sequential(*body).eval()(torch.zeros(1, channels, *sizes)).shape
        return nn.Sequential(*body, nn.Linear(shape[1], n_classes))

    by_autodiff = frozenset() if with_rule else frozenset({"1.weight", "1.bias"})
    batches = _batches(channels, *sizes, seed=seed)
    return Drawn(_seeded(make, seed), *batches, name != "relu", by_autodiff)


@st.composite
def sequences(draw) -> Drawn:
    """Linear maps and norms at every position, pooled in one of three ways."""
    seed, name, length = draw(seeds), draw(activations), draw(st.integers(1, 4))
    n_in, width = draw(widths), draw(st.integers(2, 5))
    norms = {
        "layer": lambda: nn.LayerNorm(width, eps=0.1),
        "layer of all": lambda: nn.LayerNorm((length, width), eps=0.1),
        "layer without bias": lambda: nn.LayerNorm(width, eps=0.1, bias=False),
        "layer without weights": lambda: nn.LayerNorm(width, elementwise_affine=False),
        "rms": lambda: nn.RMSNorm(width, eps=0.1),
        "none": lambda: nn.Identity(),
    }
    norm = norms[draw(st.sampled_from(sorted(norms)))]
    pool = draw(st.sampled_from(["mean", "last", "all"]))
    n_classes = draw(widths)

    def make():
        body = nn.Sequential(
            nn.Linear(n_in, width), norm(), ACTIVATIONS[name](), nn.Linear(width, width)
        )
        flat = width * length if pool == "all" else width
        return Positions(body, nn.Linear(flat, n_classes), pool)

    return Drawn(_seeded(make, seed), *_batches(length, n_in, seed=seed), name != "relu")


@st.composite
def token_models(draw) -> Drawn:
    """Embeddings of repeated tokens and of positions, maybe with a padding token."""
    seed, vocabulary, length = draw(seeds), draw(st.integers(2, 5)), draw(st.integers(1, 5))
    width, n_classes = draw(widths), draw(widths)
    padding = draw(st.sampled_from([None, 0, -1]))
    where = draw(st.sampled_from(["module", "parameter", "gathered", "per sample", "none"]))

    def forward(self, tokens):
        hidden = self.embed(tokens)
        if where == "module":
            hidden = hidden + self.place(torch.arange(length))
        if where == "per sample":
            hidden = hidden + self.place(torch.arange(length).expand(len(tokens), length))
        if where == "parameter":
            hidden = hidden + self.place.weight[1 : length + 1]
        if where == "gathered":
            hidden = hidden + self.place.weight[torch.arange(length) // 2]
        return self.readout(torch.tanh(hidden).mean(1))

    def make():
        parts = {} if where == "none" else {"place": nn.Embedding(length + 1, width)}
        return Functional(
            forward,
            where,
            embed=nn.Embedding(vocabulary, width, padding_idx=padding),
            readout=nn.Linear(width, n_classes),
            **parts,
        )

    generator = torch.Generator().manual_seed(seed)
    x1, x2 = (torch.randint(vocabulary, (n, length), generator=generator) for n in (N1, N2))
    return Drawn(_seeded(make, seed), x1, x2)


# Spellings of a product of x (n, 2, 3) with one weight, by the weight's shape.
PRODUCTS = {
    "nsd,od->nso": (4, 3),
    "nsd,od": (4, 3),
    "...d,od->...o": (4, 3),
    "...d,do": (3, 4),
    " n s d , o d -> n s o ": (4, 3),
    "nsd,do->no": (3, 4),
    "nsd,sd->nd": (2, 3),
    "nsd,sdo->no": (2, 3, 4),
    "nsd,sdo->nso": (2, 3, 4),
    "nsd,tsd->ntd": (2, 2, 3),
    "nsd,dhe->nhse": (3, 2, 2),
    "nsd,hde->nshe": (2, 3, 2),
    "nsd,o->nsdo": (2,),
    "nsd,s->nd": (2,),
    "nsd,->nsd": (),
}
OTHER_PRODUCTS = {
    "x @ w": ((3, 4), lambda x, w: x @ w),
    "matmul": ((3, 4), lambda x, w: torch.matmul(x, w)),
    "matmul by keyword": ((3, 4), lambda x, w: torch.matmul(input=x, other=w)),
    "by heads": (
        (2, 3, 4),
        lambda x, w: x.unsqueeze(2).movedim(1, 2).expand(-1, 2, -1, -1) @ w,
    ),
    "vector": ((3,), lambda x, w: x @ w),
    "rows": ((3, 4), lambda x, w: (x.flatten(0, 1) @ w).unflatten(0, (len(x), 2))),
    "mm": ((3, 4), lambda x, w: torch.mm(x[:, 0], w)),
    "addmm": ((3, 4), lambda x, w: torch.addmm(w[0], x[:, 0], w)),
    "linear": ((4, 3), lambda x, w: F.linear(x, w)),
    "linear by keyword": ((4, 3), lambda x, w: F.linear(input=x, weight=w)),
    "mul": ((3,), lambda x, w: x * w),
    "mul from the left": ((2, 1), lambda x, w: w * x),
    "add": ((2, 3), lambda x, w: x + w),
    "add one for all": ((), lambda x, w: x + w),
    "subtract": ((3,), lambda x, w: x - 0.5 * w),
    "add twice": ((3,), lambda x, w: torch.add(x, w, alpha=2)),
    "add in place": ((3,), lambda x, w: torch.sin(x).add_(w)),
    "sliced": ((5, 7), lambda x, w: F.linear(x, w[1:4, ::3])),
    "chunked": (
        (6, 3),
        lambda x, w: F.linear(x, w.chunk(2)[0]) * F.linear(x, w.chunk(2)[1]),
    ),
    "split": ((3, 6), lambda x, w: torch.einsum("nsd,de->nse", x, w.split([2, 4], 1)[1])),
    "unbound": ((2, 3, 4), lambda x, w: x @ w.unbind(0)[1] + x @ w.unbind(0)[0]),
    "expanded": ((1, 3), lambda x, w: F.linear(x, w.expand(4, 3))),
    "gathered": ((4, 3), lambda x, w: F.linear(x, w[torch.tensor([2, 0, 2])])),
    "gathered twice": ((3, 3), lambda x, w: F.linear(x, w[torch.tensor([0, 0, 1])])),
    "selected": ((4, 3), lambda x, w: F.linear(x, w[[3, 1]])),
    "selected twice": ((3, 3), lambda x, w: F.linear(x, w[[0, 0, 1]])),
    "moved by keyword": (
        (3, 4),
        lambda x, w: F.linear(x, torch.transpose(input=w, dim0=0, dim1=1)),
    ),
    "reshaped": ((12,), lambda x, w: F.linear(x, w.view(4, 3))),
    "scaled": ((4, 3), lambda x, w: F.linear(x, 2 * w) + F.linear(x, -w / 3)),
    "divided": ((4, 3), lambda x, w: F.linear(x, torch.div(w, 2))),
    "beside a number": ((3,), lambda x, w: x * (1 + w)),
    "convolved back": ((2, 2, 2), lambda x, w: F.conv_transpose1d(x, w)),
}
# No rule is expected to cover these.
UNCOVERED = {
    "squared": ((4, 3), lambda x, w: F.linear(x, w**2)),
    "inverse": ((4, 3), lambda x, w: F.linear(x, 2 / (w**2 + 1))),
    "softmax": ((4, 3), lambda x, w: F.linear(x, w.softmax(1))),
    "triangle": ((3, 3), lambda x, w: F.linear(x, w.tril())),
    "two at once": ((3, 3), lambda x, w: x @ w @ (w @ w)),
    "diagonal": ((3, 3), lambda x, w: torch.einsum("nsd,dd->ns", x, w)),
    "expanded by sample": (
        (3, 4),
        lambda x, w: torch.bmm(x, w.expand(len(x), 3, 4)),
    ),
    "written into": ((4, 3), lambda x, w: F.linear(x, w.clone().fill_diagonal_(0))),
    "doubled in place": ((4, 3), lambda x, w: F.linear(x, w.clone().mul_(2))),
    "concatenated": (
        (1, 1, 3),
        lambda x, w: torch.cat([w.expand(len(x), -1, -1), x], 1).cumsum(1),
    ),
    "divided by": ((3,), lambda x, w: x / (2 + w.square())),
    "tensordot": ((3, 4), lambda x, w: torch.tensordot(x, w, 1)),
    "constant": ((2, 3), lambda x, w: w.expand(len(x), 2, 3)),
    "in the frequencies": (
        (3,),
        lambda x, w: torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(w), n=3),
    ),
}


@st.composite
def products(draw) -> Drawn:
    """One weight in one of the spellings of a product, between other layers."""
    every = {**PRODUCTS, **OTHER_PRODUCTS}
    return one_product(draw(st.sampled_from(sorted(every))), draw(seeds))


@st.composite
def uncovered(draw) -> Drawn:
    """The same in a spelling that no rule covers."""
    return one_product(draw(st.sampled_from(sorted(UNCOVERED))), draw(seeds))


def one_product(spelling: str, seed: int) -> Drawn:
    """A weight in one spelling between a linear map and the outputs."""
    if spelling in PRODUCTS:
        shape = PRODUCTS[spelling]

        def product(x, w):
            return torch.einsum(spelling, x, w)
    else:
        shape, product = {**OTHER_PRODUCTS, **UNCOVERED}[spelling]

    def forward(self, x):
        hidden = torch.tanh(product(self.first(x), self.weight))
        return torch.cat([hidden.flatten(1), hidden.flatten(1).cumsum(1)], 1)[:, :5]

    def make():
        return Functional(forward, spelling, first=nn.Linear(2, 3), weight=weights(*shape))

    by_autodiff = frozenset({"weight"} if spelling in UNCOVERED else set())
    return Drawn(_seeded(make, seed), *_batches(2, 2, seed=seed), by_autodiff=by_autodiff)


FAMILIES = {
    "perceptrons": perceptrons(),
    "tied weights": tied_weights(),
    "convolutions": convolutions(),
    "instance norms": convolutions(with_rule=False),
    "sequences": sequences(),
    "tokens": token_models(),
    "products": products(),
    "uncovered": uncovered(),
}
