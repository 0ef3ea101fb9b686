"""Write tsne.json beside this script: affinities of points, and the divergence and gradient of a map
of them, by scikit-learn.

usage: python generate_tsne.py        (versions: see PINS)

Inputs are integers over a power of two, from the generator in README.md, so that a test reads them
without rounding.
"""
import json
import sys
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.spatial.distance import squareform
from sklearn.manifold._t_sne import _joint_probabilities_nn, _kl_divergence
from sklearn.neighbors import NearestNeighbors

PINS = {"numpy": "2.4.6", "scipy": "1.17.1", "scikit-learn": "1.9.1"}
FOUND = {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__}
HERE = Path(__file__).resolve().parent


def noise(shape, seed):
    """Integers of 24 bits with sign, of the generator in README.md, over 2^23: from -1 to 1."""
    out, state = [], seed
    for _ in range(int(np.prod(shape))):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 40) - 2**23)
    return np.array(out).reshape(shape) / 2**23


def numbers(values):
    return [float(value) for value in np.asarray(values, dtype=np.float64).ravel()]


def case(points, dimensions, perplexity, spread):
    X = noise((points, dimensions), 31)
    neighbours = int(3 * perplexity)
    distances = NearestNeighbors(n_neighbors=neighbours).fit(X).kneighbors_graph(mode="distance")
    distances.data **= 2
    P = _joint_probabilities_nn(distances, perplexity, 0).toarray()
    Y = noise((points, 2), 32) * spread
    divergence, gradient = _kl_divergence(Y.ravel(), squareform(P, checks=False), 1.0, points, 2)
    return {
        "points": points, "dimensions": dimensions, "perplexity": perplexity, "spread": spread,
        "affinities": numbers(P), "kl_divergence": float(divergence), "gradient": numbers(gradient),
    }


if FOUND != PINS:
    sys.exit(f"these versions are wanted: {PINS}; found {FOUND}")
cases = [case(40, 5, 4.0, 4.0), case(24, 3, 7.0, 0.5)]
text = json.dumps({"seed_points": 31, "seed_map": 32, "cases": cases})
(HERE / "tsne.json").write_text(text + "\n")
