"""Write baseline.json beside this script: statistics of clips, linear discriminants, Gaussians of
songs and support vector machines on them, by NumPy, SciPy and scikit-learn.

usage: python generate_baseline.py        (versions: see PINS)

Inputs are integers over a power of two, from the generator in README.md, so that a test reads them
without rounding. Everything is computed in float64.
"""
import itertools
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy
import scipy.fft
import scipy.signal
import sklearn
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

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


def grid(values, bits):
    """Rounded to so many bits after the point."""
    return np.round(np.asarray(values) * 2**bits) / 2**bits


def numbers(values):
    return [float(value) for value in np.asarray(values, dtype=np.float64).ravel()]


# ---------------------------------------------------------------- statistics of clips

def clip_statistics():
    cases = []
    for n_frames, n_mels, n_mfcc, width, seed in [
        (32, 40, 20, 9, 31), (9, 24, 13, 9, 32), (3, 8, 8, 3, 33), (94, 20, 20, 5, 34),
    ]:
        slow = noise((1, n_mels), seed + 100) * np.linspace(-1, 1, n_frames)[:, None]
        log_mel = grid(noise((n_frames, n_mels), seed) * 16 + slow * 24 - 40, 3)
        mfcc = scipy.fft.dct(log_mel, axis=1, type=2, norm="ortho")[:, :n_mfcc]
        delta = scipy.signal.savgol_filter(
            mfcc, width, polyorder=1, deriv=1, axis=0, mode="interp")
        statistics = np.concatenate(
            [mfcc.mean(0), mfcc.std(0), delta.mean(0), delta.std(0)])
        cases.append({
            "n_mels": n_mels, "n_mfcc": n_mfcc, "delta_width": width,
            "eighths_of_decibel": [int(value) for value in (log_mel * 8).ravel()],
            "statistics": numbers(statistics),
        })
    return cases


# ---------------------------------------------------------------- linear discriminants

def clips(counts, n_features, seed, unit=1.0):
    """Features of correlated noise around a mean a class, and the classes in mixed order."""
    n_classes = len(counts)
    total = sum(counts)
    classes = np.repeat(np.arange(n_classes), counts)
    classes = classes[np.argsort(noise((total,), seed + 1), kind="stable")]
    mixing = noise((n_features, n_features), seed + 2) + np.eye(n_features)
    means = noise((n_classes, n_features), seed + 3)
    rows = noise((total, n_features), seed) @ mixing + means[classes]
    rows *= unit * (1 + np.arange(n_features))
    rows += 20 * noise((1, n_features), seed + 4)
    return grid(rows, 12), classes


def discriminants():
    cases = []
    sets = {
        "three classes": clips([20, 30, 10], 6, 41),
        "two classes": clips([12, 17], 5, 42),
        "more features than clips": clips([4, 5, 6], 18, 43),
        "a class of one clip": clips([14, 1, 15], 4, 44),
        "one feature": clips([9, 8, 11], 1, 45),
        "seven classes": clips([15] * 7, 10, 46),
    }
    rows, classes = clips([13, 14, 15], 5, 47)
    rows[:, 2] = 3.25
    sets["a feature that never varies"] = (rows, classes)
    for name, (rows, classes) in sets.items():
        n_classes = int(classes.max()) + 1
        test = grid(rows[:6] * 0.75 + rows[-6:] * 0.25, 14)
        shrinkages = ["auto", 0.25] if rows.shape[1] > len(rows) - n_classes else ["auto", 0.25, 0.0]
        for shrinkage, equal in itertools.product(shrinkages, [False, True]):
            priors = np.full(n_classes, 1 / n_classes) if equal else None
            model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(
                solver="lsqr", shrinkage=shrinkage, priors=priors))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(rows, classes)
                probabilities = model.predict_proba(test)
            cases.append({
                "set": name, "shrinkage": None if shrinkage == "auto" else shrinkage,
                "equal_priors": equal, "probabilities": numbers(probabilities),
            })
    data = {
        name: {
            "n_features": rows.shape[1], "n_classes": int(classes.max()) + 1,
            "features": numbers(rows), "classes": [int(value) for value in classes],
            "test": numbers(grid(rows[:6] * 0.75 + rows[-6:] * 0.25, 14)),
        }
        for name, (rows, classes) in sets.items()
    }
    return {"sets": data, "cases": cases}


# ---------------------------------------------------------------- Gaussians of songs

def divergence(p, q):
    """Kullback-Leibler, of q from p, from the textbook."""
    (mean_p, cov_p), (mean_q, cov_q) = p, q
    inverse = np.linalg.inv(cov_q)
    shift = mean_q - mean_p
    log_ratio = np.linalg.slogdet(cov_q)[1] - np.linalg.slogdet(cov_p)[1]
    return 0.5 * (np.trace(inverse @ cov_p) + shift @ inverse @ shift - len(mean_p) + log_ratio)


def songs():
    n_coefficients, ridge = 5, 0.01
    classes = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3]
    frames, gaussians = [], []
    for song, artist in enumerate(classes):
        own = noise((n_coefficients, n_coefficients), 200 + song) * 0.7
        mixing = noise((n_coefficients, n_coefficients), 300 + artist) + np.eye(n_coefficients) + own
        mean = noise((n_coefficients,), 400 + artist) * 4 + noise((n_coefficients,), 500 + song) * 3
        rows = grid(noise((24, n_coefficients), 600 + song) @ mixing * 4 + mean, 6)
        frames.append(rows)
        gaussians.append((rows.mean(0), np.cov(rows.T) + ridge * np.eye(n_coefficients)))
    one_way = np.array([[divergence(p, q) for q in gaussians] for p in gaussians])
    both_ways = one_way + one_way.T
    np.fill_diagonal(both_ways, 0.0)

    # The last song of each class is asked about, the others are learnt from.
    asked = [i for i, artist in enumerate(classes) if classes[i + 1:i + 2] != [artist]]
    learnt = [i for i in range(len(classes)) if i not in asked]
    machines = []
    for cost, gamma in [(1.0, 0.005), (10.0, 0.02), (100.0, 0.001)]:
        kernel = np.exp(-gamma * both_ways)
        machine = SVC(kernel="precomputed", C=cost, tol=1e-12, decision_function_shape="ovo")
        machine.fit(kernel[np.ix_(learnt, learnt)], np.array(classes)[learnt])
        asks = kernel[np.ix_(asked, learnt)]
        pairs = machine.decision_function(asks)
        machine.decision_function_shape = "ovr"
        machines.append({
            "cost": cost, "gamma": gamma,
            "decisions": numbers(pairs), "votes": numbers(machine.decision_function(asks)),
            "predicted": [int(value) for value in machine.predict(asks)],
        })
    return {
        "n_coefficients": n_coefficients, "ridge": ridge, "classes": classes,
        "frames": [numbers(rows) for rows in frames],
        "divergences": numbers(one_way), "symmetric_divergences": numbers(both_ways),
        "asked": asked, "learnt": learnt, "machines": machines,
    }


def main():
    if FOUND != PINS:
        print(f"expected {PINS}, found {FOUND}", file=sys.stderr)
    golden = {
        "clip_statistics": clip_statistics(), "discriminants": discriminants(), "songs": songs(),
    }
    text = json.dumps(golden, separators=(",", ":"))
    (HERE / "baseline.json").write_text(text + "\n")
    print(len(text), "bytes")


if __name__ == "__main__":
    main()
