"""Write mel_sweep.json, delta.json and mfcc.json beside this script: librosa over many settings.

usage: python generate_mel_sweep.py        (versions: see PINS)

The signals are made of integers, so that a test makes the same ones to the last bit. librosa is
given them in float64, where it keeps that precision throughout but for the mel filters, which are
float32; how far its float32 results lie from that is printed and stored. README.md describes the
files.
"""
import json
import sys
import warnings
from pathlib import Path

import librosa
import numpy as np
import scipy

PINS = {"librosa": "0.11.0", "numpy": "2.4.6", "scipy": "1.17.1"}
FOUND = {"librosa": librosa.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
HERE = Path(__file__).resolve().parent


def write_json(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def rounded(values, digits):
    return [float(f"{value:.{digits}g}") for value in np.asarray(values).ravel()]


# ---------------------------------------------------------------- signals of integers

def noise(n, seed):
    """n integers of 24 bits with sign, of the generator in README.md."""
    out, state = [], seed
    for _ in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 40) - 2**23)
    return out


def wave(phase):
    """A sine made of parabolas, +-2^23 high, of a phase of 32 bits."""
    half = (phase >> 16) & 0x7FFF
    arch = half * (0x8000 - half) >> 5
    return -arch if (phase >> 31) & 1 else arch


def glides(n):
    """A rising and a falling wave over faint noise."""
    out, low, high = [], 0, 0
    for i, hiss in enumerate(noise(n, 2)):
        low = (low + 40_000_000 + 20_000 * i) % 2**32
        high = (high + 1_900_000_000 - 80_000 * i) % 2**32
        out.append((3 * wave(low) + 2 * wave(high) + (hiss >> 10)) >> 3)
    return out


def notes(n):
    """Silence for 3000 samples, then every 2500 a note that decays."""
    steps = (60_000_000, 150_000_000, 400_000_000, 1_000_000_000)
    out = [0] * min(n, 3000)
    for i in range(n - len(out)):
        note, age = divmod(i, 2500)
        if age == 0:
            phase, envelope = 0, 2**16
        phase = (phase + steps[note % 4]) % 2**32
        envelope = envelope * 65_400 >> 16
        out.append(wave(phase) * envelope >> 16)
    return out


SIGNALS = {
    "noise": lambda n: [value >> 1 for value in noise(n, 1)],
    "glides": glides,
    "notes": notes,
    # A few of the 24 bits alone: near amin.
    "whisper": lambda n: [value >> 18 for value in noise(n, 3)],
}


def signal(name, n):
    return np.array(SIGNALS[name](n), dtype=np.float64) / 2**23


def features(n_frames, n_features, seed):
    """+-64, 24 bits, [frame][feature]."""
    return np.array(noise(n_frames * n_features, seed)).reshape(n_frames, n_features) / 2**17


# ---------------------------------------------------------------- the sweep

# rate, n_fft, hop, bands, lowest and highest Hz, scale, norm, padding, top_db, signal, samples
SWEEP = [
    (16000, 400, 160, 40, 0, None, "slaney", "slaney", "zero", 80, "glides", 12000),
    (16000, 400, 160, 80, 0, None, "slaney", "slaney", "reflect", 80, "notes", 12000),
    (16000, 400, 160, 80, 20, 7600, "htk", "none", "reflect", None, "noise", 12000),
    (8000, 400, 100, 40, 0, None, "htk", "slaney", "zero", 80, "notes", 9000),
    (8000, 401, 80, 64, 0, None, "slaney", "slaney", "reflect", None, "glides", 9001),
    (8000, 480, 120, 64, 125, 3800, "slaney", "none", "zero", None, "noise", 8999),
    (11025, 441, 110, 48, 0, None, "slaney", "slaney", "reflect", 80, "glides", 10000),
    (11025, 512, 256, 128, 0, None, "slaney", "slaney", "zero", 80, "noise", 10000),
    (12000, 513, 171, 60, 30.5, 5999.5, "htk", "slaney", "reflect", 80, "glides", 10000),
    (12000, 600, 150, 96, 0, None, "slaney", "none", "reflect", None, "notes", 10000),
    (16000, 512, 128, 64, 60, 7800, "htk", "none", "zero", None, "glides", 12345),
    (16000, 512, 1000, 40, 0, None, "slaney", "slaney", "reflect", 80, "noise", 15999),
    (16000, 640, 320, 80, 0, 8000, "htk", "slaney", "zero", 80, "notes", 12000),
    (16000, 800, 200, 80, 55, 7600, "slaney", "slaney", "zero", None, "glides", 12000),
    (16000, 1000, 333, 100, 0, None, "slaney", "slaney", "reflect", 80, "whisper", 12000),
    (16000, 1024, 256, 80, 0, None, "slaney", "slaney", "reflect", 80, "glides", 12000),
    (16000, 1024, 256, 128, 0, None, "htk", "none", "zero", 80, "noise", 12000),
    (16000, 1025, 300, 80, 0, None, "slaney", "slaney", "zero", 80, "glides", 12000),
    (16000, 1103, 441, 90, 27.5, 4186, "htk", "slaney", "reflect", None, "notes", 12000),
    (16000, 2047, 511, 128, 0, None, "slaney", "slaney", "reflect", 80, "glides", 16000),
    (16000, 2048, 512, 128, 0, None, "slaney", "slaney", "reflect", 80, "notes", 16000),
    (16000, 2048, 512, 128, 0, None, "slaney", "slaney", "reflect", None, "whisper", 16000),
    (16000, 2048, 512, 256, 0, None, "slaney", "slaney", "zero", None, "glides", 16000),
    (16000, 2048, 2048, 40, 300, 3400, "htk", "none", "reflect", 80, "noise", 20000),
    (16000, 2049, 700, 128, 0, None, "htk", "slaney", "zero", 80, "noise", 16000),
    (22050, 882, 441, 64, 0, None, "slaney", "slaney", "reflect", 80, "notes", 14000),
    (22050, 1024, 512, 96, 0, 11025, "htk", "none", "reflect", 80, "glides", 14000),
    (22050, 2048, 512, 128, 0, None, "slaney", "slaney", "zero", 80, "glides", 22050),
    (22050, 2205, 441, 128, 0, None, "slaney", "slaney", "zero", None, "noise", 14000),
    (22050, 4096, 1024, 256, 0, None, "slaney", "slaney", "reflect", 80, "glides", 22050),
    (24000, 768, 192, 100, 0, 12000, "slaney", "slaney", "reflect", None, "glides", 12000),
    (24000, 1024, 240, 80, 0, None, "htk", "none", "zero", 80, "notes", 12000),
    (24000, 1200, 300, 80, 50, 11000, "slaney", "slaney", "zero", 80, "whisper", 12000),
    (32000, 1323, 500, 64, 50, 14000, "slaney", "slaney", "reflect", 80, "glides", 16000),
    (32000, 1536, 384, 128, 0, None, "htk", "slaney", "zero", 80, "noise", 16000),
    (44100, 1024, 441, 64, 0, None, "slaney", "slaney", "zero", 80, "noise", 16000),
    (44100, 2048, 512, 128, 0, None, "slaney", "slaney", "reflect", 80, "glides", 22050),
    (44100, 2400, 600, 200, 0, 20000, "slaney", "none", "zero", 80, "notes", 16000),
    (44100, 4093, 1024, 192, 20, 20000, "htk", "slaney", "reflect", None, "glides", 22050),
    (44100, 4096, 1024, 256, 0, None, "htk", "none", "zero", None, "notes", 22050),
    (48000, 2000, 480, 128, 0, None, "slaney", "slaney", "reflect", 80, "glides", 22050),
    (48000, 3000, 999, 160, 40, 16000, "slaney", "slaney", "zero", 80, "noise", 22050),
    (48000, 4000, 1000, 256, 0, None, "slaney", "slaney", "reflect", 80, "glides", 22050),
    (48000, 4095, 1365, 128, 0, None, "htk", "none", "reflect", 80, "notes", 22050),
    # As short as a signal can be.
    (16000, 2048, 512, 128, 0, None, "slaney", "slaney", "reflect", 80, "noise", 1025),
    (16000, 2047, 512, 128, 0, None, "slaney", "slaney", "reflect", 80, "noise", 1024),
    (16000, 2048, 512, 128, 0, None, "slaney", "slaney", "zero", 80, "noise", 100),
]

# librosa since 0.10 pads the frames at the end apart from the others. If the first of them is centred just past
# the last sample, what it pads is half a window long, and for the last sample of the reflection there is
# nothing left to reflect: np.pad turns back and takes another.
SHORT_TAIL = (16000, 16, 16, 4, 0, None, "slaney", "slaney", "reflect", None, "noise", 160)


def config_of(row):
    rate, n_fft, hop, n_mels, f_min, f_max, scale, norm, padding, top_db = row[:10]
    config = {"sample_rate": rate, "n_fft": n_fft, "hop_length": hop, "n_mels": n_mels, "f_min": f_min,
              "f_max": f_max, "scale": scale, "norm": norm, "padding": padding,
              "top_db": "none" if top_db is None else top_db}
    return {key: value for key, value in config.items() if value is not None}


def arguments_of(row):
    rate, n_fft, hop, n_mels, f_min, f_max, scale, norm, padding = row[:9]
    return {"sr": rate, "n_fft": n_fft, "hop_length": hop, "n_mels": n_mels, "fmin": f_min, "fmax": f_max,
            "htk": scale == "htk", "norm": None if norm == "none" else norm,
            "pad_mode": "constant" if padding == "zero" else padding}


def log_mel(y, row):
    """[frame][band]"""
    return librosa.power_to_db(librosa.feature.melspectrogram(y=y, **arguments_of(row)), top_db=row[9]).T


def log_mel_padded_whole(y, row):
    """The same, of a signal that was padded in one piece before."""
    arguments = arguments_of(row)
    y = np.pad(y, row[1] // 2, mode=arguments.pop("pad_mode"))
    mel = librosa.feature.melspectrogram(y=y, center=False, **arguments)
    return librosa.power_to_db(mel, top_db=row[9]).T


def some(n, count):
    return sorted({round(i) for i in np.linspace(0, n - 1, count)})


def sweep():
    cases, farthest = [], {"loud": 0.0, "quiet": 0.0}
    for row in SWEEP:
        name, n = row[10:]
        y = signal(name, n)
        assert np.array_equal(y, y.astype(np.float32))
        full, half = log_mel(y, row), log_mel(y.astype(np.float32), row)
        assert full.dtype == np.float64 and half.dtype == np.float32
        assert np.array_equal(full, log_mel_padded_whole(y, row))
        n_frames, n_mels = full.shape
        edges = [i for i in (1, 2, n_frames - 3, n_frames - 2) if 0 <= i < n_frames]
        frames = sorted({*some(n_frames, 7), *edges})
        bands = some(n_mels, 24)
        cases.append({"config": config_of(row), "signal": name, "samples": n, "n_frames": n_frames,
                      "max": float(full.max()), "mean": float(full.mean()),
                      "frames": frames, "bands": bands,
                      "values": rounded(full[np.ix_(frames, bands)], 9)})
        error, quiet = np.abs(half - full), full < full.max() - 60
        for part, cells in (("loud", error[~quiet]), ("quiet", error[quiet])):
            farthest[part] = max(farthest[part], float(cells.max(initial=0)))
        print(f"{row}: float32 differs by {error.max():.1e} dB, {quiet.mean():.0%} quiet")
    print(f"{len(cases)} cases, float32 differs by at most", farthest)
    write_json("mel_sweep.json", {"float32_differs_by_db": farthest, "cases": cases, "short_tail": short_tail()})


def short_tail():
    y = signal(*SHORT_TAIL[10:])
    librosas, whole = log_mel(y, SHORT_TAIL), log_mel_padded_whole(y, SHORT_TAIL)
    assert np.array_equal(librosas[:-1], whole[:-1])
    print(f"short tail: the last frame differs by {np.abs(librosas[-1] - whole[-1]).max():.1e} dB")
    return {"config": config_of(SHORT_TAIL), "signal": SHORT_TAIL[10], "samples": SHORT_TAIL[11],
            "last_frame": rounded(librosas[-1], 9), "last_frame_padded_whole": rounded(whole[-1], 9)}


# ---------------------------------------------------------------- features of features

# frames, features a frame, width, order, mode
DELTAS = [
    (24, 5, 9, 1, "interp"), (24, 5, 9, 2, "interp"), (24, 17, 3, 1, "interp"), (12, 3, 3, 2, "interp"),
    (12, 3, 5, 1, "interp"), (30, 2, 15, 3, "interp"), (24, 2, 11, 4, "interp"), (9, 4, 9, 1, "interp"),
    (24, 5, 9, 1, "nearest"), (24, 5, 7, 2, "nearest"), (24, 2, 11, 3, "nearest"), (4, 3, 9, 1, "nearest"),
    (1, 2, 5, 1, "nearest"),
]

# frames, bands, coefficients, lifter
MFCCS = [(4, 128, 20, 0), (4, 128, 13, 22), (3, 40, 40, 0), (3, 40, 13, 26.5), (2, 97, 31, 22), (2, 256, 20, 500),
         (2, 1, 1, 0)]

# row of the sweep, coefficients, lifter: from the signal on, with librosa's own 80 dB
CHAINS = [(0, 13, 22), (20, 20, 0), (27, 20, 0)]


def deltas():
    cases, farthest = [], 0.0
    for seed, (n_frames, n_features, width, order, mode) in enumerate(DELTAS):
        data = features(n_frames, n_features, seed)
        full = librosa.feature.delta(data, width=width, order=order, mode=mode, axis=0)
        half = librosa.feature.delta(data.astype(np.float32), width=width, order=order, mode=mode, axis=0)
        farthest = max(farthest, float(np.abs(half - full).max()))
        cases.append({"n_frames": n_frames, "n_features": n_features, "seed": seed, "width": width, "order": order,
                      "mode": mode, "values": rounded(full, 12)})
    print(f"{len(cases)} deltas, float32 differs by at most {farthest:.1e}")
    write_json("delta.json", {"float32_differs_by": farthest, "cases": cases})


def mfccs():
    cases, chains, farthest = [], [], 0.0
    for seed, (n_frames, n_mels, n_mfcc, lifter) in enumerate(MFCCS):
        data = features(n_frames, n_mels, seed) - 40
        full = librosa.feature.mfcc(S=data.T, n_mfcc=n_mfcc, lifter=lifter).T
        half = librosa.feature.mfcc(S=data.T.astype(np.float32), n_mfcc=n_mfcc, lifter=lifter).T
        farthest = max(farthest, float(np.abs(half - full).max()))
        cases.append({"n_frames": n_frames, "n_mels": n_mels, "seed": seed, "n_mfcc": n_mfcc, "lifter": lifter,
                      "values": rounded(full, 12)})
    for index, n_mfcc, lifter in CHAINS:
        row = SWEEP[index]
        arguments = arguments_of(row)
        arguments["mel_norm"] = arguments.pop("norm")
        assert row[9] == 80
        full = librosa.feature.mfcc(y=signal(*row[10:]), n_mfcc=n_mfcc, lifter=lifter, **arguments)
        frames = some(full.shape[1], 8)
        chains.append({"config": config_of(row), "signal": row[10], "samples": row[11], "n_mfcc": n_mfcc,
                       "lifter": lifter, "frames": frames, "mfcc": rounded(full.T[frames], 9),
                       "delta": rounded(librosa.feature.delta(full).T[frames], 9)})
    print(f"{len(cases)} mfccs, float32 differs by at most {farthest:.1e}")
    write_json("mfcc.json", {"float32_differs_by": farthest, "cases": cases, "chains": chains})


if __name__ == "__main__":
    if FOUND != PINS:
        print("other versions than pinned:", FOUND, file=sys.stderr)
    # Some settings have bands without a bin on purpose, some signals are shorter than a frame.
    warnings.simplefilter("ignore", UserWarning)
    sweep()
    deltas()
    mfccs()
