"""Bad arguments of everything but models: what was expected, what came, and the fix."""

import math

import pytest
import torch
from assertions import refused
from cases import inputs, mlp

from entk_lib import (
    LinearizedPredictor,
    analytic,
    chance_overlap,
    factor_spectrum,
    feature_alignment,
    find_cliffs,
    hidden_dimensionality,
    kernel_spectrum,
    ntk_spectrum,
    subspace_overlap,
)
from entk_lib.toys.models import ReLUNetwork, TiedAutoencoder
from entk_lib.toys.tasks import superposition
from entk_lib.training import train, train_many

pytestmark = pytest.mark.no_shape_checks  # every test passes what annotations forbid

X, Y = inputs(5, 4), inputs(5, 3, seed=3)
NAN = torch.full((5, 4), math.nan, dtype=torch.float64)
EYE = torch.eye(3)


def model():
    return mlp()[0]


def spectrum_of(*values):
    return torch.diag(torch.tensor(values, dtype=torch.float64))


SPECTRA = [
    refused(
        ValueError,
        r'symmetric matrix, got \'full\'\. Use "flatten"',
        lambda: ntk_spectrum(model(), X, outputs="full"),
    ),
    refused(
        ValueError,
        r"symmetric matrix, got \(0, 1\)\. .*block \(c, c\)",
        lambda: ntk_spectrum(model(), X, outputs=(0, 1)),
    ),
    refused(
        TypeError, r"k must be an int, got 2\.0", lambda: ntk_spectrum(model(), X, 2.0)
    ),
    refused(
        ValueError, r"k must be at least 1, got 0", lambda: ntk_spectrum(model(), X, 0)
    ),
    refused(
        ValueError,
        r"at most the rank .*, which 5 rows and 129 columns .* by 5, got 6\. .*k=None",
        lambda: ntk_spectrum(model(), X, 6),
    ),
    refused(
        ValueError,
        r"at most the numerical rank 2 of the kernel, got 3\. .*k=None",
        lambda: kernel_spectrum(spectrum_of(3, 1, 0, 0), 3),
    ),
    refused(
        ValueError, r"rank 2 .*got 3", lambda: factor_spectrum(spectrum_of(3, 1, 0), 3)
    ),
    refused(TypeError, r"k must be an int, got True", lambda: kernel_spectrum(EYE, True)),
    refused(
        ValueError,
        r"kernel must be square, got shape \(3, 2\)\. .*svdvals",
        lambda: kernel_spectrum(torch.ones(3, 2)),
    ),
    refused(
        ValueError,
        r"kernel must be a non-empty matrix, got shape \(3, 3, 1, 1\)\. One row per",
        lambda: kernel_spectrum(torch.ones(3, 3, 1, 1)),
    ),
    refused(
        ValueError,
        r"kernel must be symmetric, got .* by 1\.0e\+00 .*\(kernel \+ kernel\.mT\) / 2",
        lambda: kernel_spectrum(EYE + EYE.roll(1, 0).triu()),
    ),
    refused(
        ValueError,
        r"positive semi-definite, got an eigenvalue of -1\.00e\+00 beside a largest of 2",
        lambda: kernel_spectrum(spectrum_of(2, -1)),
    ),
    refused(
        ValueError,
        r"kernel must be finite, got 4 NaN",
        lambda: kernel_spectrum(torch.full((2, 2), math.nan)),
    ),
    refused(
        ValueError,
        r"factor must be a non-empty matrix, got shape \(3,\)",
        lambda: factor_spectrum(torch.ones(3)),
    ),
    refused(
        ValueError,
        r"factor must be finite, got 2 NaN or infinite entries of 2",
        lambda: factor_spectrum(torch.full((2, 1), math.inf)),
    ),
]
CLIFFS = [
    refused(
        ValueError,
        r"descending order, got an increase at index 2\. .*sort first",
        lambda: find_cliffs(torch.tensor([3.0, 1.0, 2.0])),
    ),
    refused(
        ValueError,
        r"must not be negative, got -1\.00e\+00\. Drop",
        lambda: find_cliffs(torch.tensor([3.0, -1.0])),
    ),
    refused(
        ValueError,
        r"non-empty vector, got shape \(0,\)\. Pass Spectrum\.eigenvalues",
        lambda: find_cliffs(torch.ones(0)),
    ),
    refused(ValueError, r"non-empty vector, got shape \(3, 3\)", lambda: find_cliffs(EYE)),
    refused(
        ValueError, r"eigenvalues must be finite, got 1", lambda: find_cliffs(NAN[0, :1])
    ),
    refused(
        ValueError,
        r"min_ratio must be above 1, got 1\. ",
        lambda: find_cliffs(torch.ones(3), min_ratio=1),
    ),
    refused(
        ValueError,
        r"min_ratio must be above 1, got nan",
        lambda: find_cliffs(torch.ones(3), min_ratio=math.nan),
    ),
    refused(
        ValueError,
        r"prominence must be at least 1, got 0\.5",
        lambda: find_cliffs(torch.ones(3), prominence=0.5),
    ),
    refused(
        ValueError,
        r"window must be at least 2, got 1",
        lambda: find_cliffs(torch.ones(3), window=1),
    ),
    refused(
        TypeError,
        r"window must be an int, got 2\.5",
        lambda: find_cliffs(torch.ones(3), window=2.5),
    ),
]
ALIGNMENT = [
    refused(
        ValueError,
        r"vectors must be a non-empty matrix, got shape \(3,\)",
        lambda: hidden_dimensionality(EYE[0]),
    ),
    refused(
        ValueError,
        r"vectors must be finite, got 20 NaN",
        lambda: hidden_dimensionality(NAN),
    ),
    refused(
        ValueError,
        r"x must be finite, got 20 NaN",
        lambda: superposition.sample_indicators(NAN),
    ),
    refused(
        ValueError,
        r"basis_a and basis_b must have .* number of rows, got 3 and 4\. .*one row per",
        lambda: subspace_overlap(EYE, torch.eye(4)),
    ),
    refused(
        ValueError,
        r"basis_a must be a non-empty matrix, got shape \(3,\)",
        lambda: subspace_overlap(EYE[0], EYE),
    ),
    refused(
        ValueError,
        r"basis_b must be finite, got 20 NaN",
        lambda: subspace_overlap(X, NAN),
    ),
    refused(
        ValueError,
        r"k_a must be at most n = 3, got 4\. A sub",
        lambda: chance_overlap(4, 1, 3),
    ),
    refused(
        ValueError, r"k_b must be at least 0, got -1", lambda: chance_overlap(1, -1, 3)
    ),
    refused(ValueError, r"n must be at least 1, got 0", lambda: chance_overlap(0, 0, 0)),
    refused(TypeError, r"k_b must be an int, got 1\.5", lambda: chance_overlap(1, 1.5, 3)),
    refused(
        ValueError,
        r"features must have shape \(n, f\) or \(n, f, 2\), got \(3, 3, 3\)\. A cosine",
        lambda: feature_alignment(EYE, torch.ones(3, 3, 3)),
    ),
    refused(
        ValueError,
        r"features must have one row per row of eigenvectors, expected 3, got 4\. ",
        lambda: feature_alignment(EYE, torch.eye(4)),
    ),
    refused(
        ValueError,
        r"eigenvectors must not be zero, got a zero column at index 1\. Drop it",
        lambda: feature_alignment(EYE * torch.tensor([1.0, 0, 1]), EYE),
    ),
    refused(
        ValueError,
        r"features must be finite, got 20 NaN",
        lambda: feature_alignment(X, NAN),
    ),
    refused(
        ValueError,
        r"eigenvectors must be a non-empty matrix, got shape \(3, 0\)",
        lambda: feature_alignment(EYE[:, :0], EYE),
    ),
]
REGRESSION = [
    refused(
        ValueError,
        r'around must be "model" or "zero", got \'start\'',
        lambda: LinearizedPredictor(model(), X, Y, ridge=1, around="start"),
    ),
    refused(
        ValueError,
        r"ridge must be a finite number of at least 0, got -1\. It is added",
        lambda: LinearizedPredictor(model(), X, Y, ridge=-1),
    ),
    refused(
        ValueError,
        r"at least 0, got nan",
        lambda: LinearizedPredictor(model(), X, Y, ridge=math.nan),
    ),
    refused(
        ValueError,
        r"at least 0, got inf",
        lambda: LinearizedPredictor(model(), X, Y, ridge=math.inf),
    ),
    refused(
        ValueError,
        r"y_train must have the shape of the model's output .*\(5, 3\), got \(5,\)",
        lambda: LinearizedPredictor(model(), X, Y[:, 0], ridge=1),
    ),
    refused(
        ValueError,
        r"y_train must be finite, got 15 NaN",
        lambda: LinearizedPredictor(model(), X, Y / 0, ridge=1),
    ),
    refused(
        ValueError,
        r"accept a batch of 4 samples, x of shape \(4, 2\)",
        lambda: LinearizedPredictor(model(), X, Y, ridge=1)(X[:, :2]),
    ),
    refused(
        ValueError,
        r"target must have the shape of the prediction, \(5, 3\), got \(5, 2\)",
        lambda: LinearizedPredictor(model(), X, Y, ridge=1).r_squared(X, Y[:, :2]),
    ),
    refused(
        ValueError,
        r"target must vary, got a constant",
        lambda: LinearizedPredictor(model(), X, Y, ridge=1).r_squared(X, Y * 0 + 0.7),
    ),
    refused(
        ValueError,
        r"target must be finite, got 15 NaN",
        lambda: LinearizedPredictor(model(), X, Y, ridge=1).r_squared(X, Y * torch.nan),
    ),
]
TRAINING = [
    refused(
        ValueError,
        r"x and y must hold as many samples, at least 1, got 5 and 4",
        lambda: train(model(), X, Y[:4], steps=1),
    ),
    refused(
        ValueError,
        r"at least 1, got 0 and 0",
        lambda: train(model(), X[:0], Y[:0], steps=1),
    ),
    refused(
        ValueError, r"x must be finite, got 20", lambda: train(model(), NAN, Y, steps=1)
    ),
    refused(
        ValueError, r"y must be finite, got 15", lambda: train(model(), X, Y / 0, steps=1)
    ),
    refused(
        ValueError,
        r"steps must be at least 1, got 0",
        lambda: train(model(), X, Y, steps=0),
    ),
    refused(
        TypeError,
        r"steps must be an int, got 1\.5",
        lambda: train(model(), X, Y, steps=1.5),
    ),
    refused(
        ValueError,
        r"record_every must be at least 1, got 0",
        lambda: train(model(), X, Y, steps=1, record_every=0),
    ),
    refused(
        ValueError,
        r"snapshot_every must be at least 1, got 0",
        lambda: train(model(), X, Y, steps=1, snapshot_every=0),
    ),
    refused(
        ValueError,
        r"go together, got batch_size=2 and seed=None",
        lambda: train(model(), X, Y, steps=1, batch_size=2),
    ),
    refused(
        ValueError,
        r"go together, got batch_size=None and seed=0",
        lambda: train(model(), X, Y, steps=1, seed=0),
    ),
    refused(
        ValueError,
        r"batch_size must be at most the 5 samples, got 6\. Leave it out",
        lambda: train(model(), X, Y, steps=1, batch_size=6, seed=0),
    ),
    refused(
        ValueError,
        r"batch_size must be at least 1, got 0",
        lambda: train(model(), X, Y, steps=1, batch_size=0, seed=0),
    ),
    refused(
        ValueError,
        r"trainable parameter, got 4 parameters",
        lambda: train(model().requires_grad_(False), X, Y, steps=1),
    ),
    refused(
        ValueError,
        r"models must be as many as data sets in x, at least 1, got 1 and 2\. Stack",
        lambda: train_many([model()], X.expand(2, 5, 4), Y.expand(2, 5, 3), steps=1),
    ),
    refused(
        ValueError,
        r"at least 1, got 0 and 0",
        lambda: train_many([], X[:0], Y[:0], steps=1),
    ),
    refused(
        ValueError,
        r"x and y must hold as many data sets, got 1 and 2",
        lambda: train_many([model()], X[None], Y.expand(2, 5, 3), steps=1),
    ),
    refused(
        ValueError,
        r"x must be finite, got 20 NaN",
        lambda: train_many(
            [model(), model()], torch.stack([X, NAN]), Y.expand(2, 5, 3), steps=1
        ),
    ),
]
SIZES = [
    refused(
        ValueError,
        r"sparsity must lie in \[0, 1\), got 1\. It is the probability",
        lambda: superposition.sample(3, 3, 1, seed=0),
    ),
    refused(
        ValueError,
        r"sparsity must lie in \[0, 1\), got -0\.1",
        lambda: superposition.sample(3, 3, -0.1, seed=0),
    ),
    refused(
        ValueError,
        r"n_samples must be at least 1, got 0",
        lambda: superposition.sample(0, 3, 0.5, seed=0),
    ),
    refused(
        TypeError,
        r"n_features must be an int, got 3\.0",
        lambda: superposition.sample(3, 3.0, 0.5, seed=0),
    ),
    refused(
        ValueError,
        r"decay must be positive, got 0\. 1 weighs",
        lambda: superposition.importances(3, decay=0),
    ),
    refused(
        ValueError,
        r"n_features must be at least 1, got 0",
        lambda: superposition.importances(0),
    ),
    refused(
        ValueError,
        r"x must be a non-empty matrix, got shape \(4,\)",
        lambda: superposition.feature_indicators(X[0]),
    ),
    refused(
        ValueError,
        r"n_hidden must be at least 1, got 0",
        lambda: TiedAutoencoder(3, 0, seed=0),
    ),
    refused(
        ValueError, r"width must be at least 1, got 0", lambda: ReLUNetwork(3, 0, seed=0)
    ),
    refused(
        ValueError,
        r"depth must be at least 1, got 0",
        lambda: ReLUNetwork(3, 3, depth=0, seed=0),
    ),
    refused(
        ValueError,
        r"x1 and x2 must be matrices with one width, got shapes \(5, 4\) and \(5, 3\)",
        lambda: analytic.relu_limit_ntk(X, Y),
    ),
    refused(
        ValueError,
        r"depth must be at least 1, got 0",
        lambda: analytic.relu_limit_ntk(X, X, depth=0),
    ),
]


@pytest.mark.parametrize(
    ("error", "pattern", "call"),
    [*SPECTRA, *CLIFFS, *ALIGNMENT, *REGRESSION, *TRAINING, *SIZES],
)
def test_bad_arguments_are_refused(error, pattern, call):
    with pytest.raises(error, match=pattern):
        call()
