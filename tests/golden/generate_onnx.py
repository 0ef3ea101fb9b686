"""Write onnx.json: what onnxruntime says of the networks that `cargo xtask export` writes.

usage: python generate_onnx.py [XTASK]              (default: target/release/xtask)
       python generate_onnx.py --compare FOLDER     (of the example onnx_cases)

Weights and clips are those of the other golden files, in model files made here. ONNX' own checker
looks at each file, and infers the shapes that the file states. With --compare, prints the largest
differences between what onnxruntime says and what stands beside each ONNX file.
"""
import json
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file, save_file

PINS = {"numpy": "2.4.6", "onnx": "1.23.2", "onnxruntime": "1.32.0"}
FOUND = {"numpy": np.__version__, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
HERE = Path(__file__).resolve().parent
LARGER = [(2, 2), (2, 2), (2, 2), (4, 1), (4, 1)]  # mel x frame
VGG = [w for pool, n in zip(LARGER, (2, 2, 3, 3, 3)) for w in [(1, 1)] * (n - 1) + [pool]]


def crnn2d(filters, pools, units, classes, form="keras"):
    return {"crnn2d": dict(
        n_mels=128, filters=filters, pools=pools, gru_units=units, classes=classes, gru_form=form,
        block_dropout=0.0, dense_dropout=0.0, batch_norm_epsilon=0.001, batch_norm_momentum=0.99)}


def rnn(form):
    return {"rnn": dict(n_mels=16, lstm_units=[6, 5], classes=3, gru_form=form)}


PAPER = [(2, 2), (4, 2), (4, 2), (4, 2)]
NETWORKS = {  # configuration, shape of the clips
    "reset_before": (crnn2d([8] * 4, PAPER, [8, 8], 20), None),
    "reset_after": (crnn2d([8] * 4, PAPER, [8, 8], 20, "torch"), None),
    "larger": (crnn2d([4, 5, 16, 16, 7], LARGER, [5, 4], 3), "2x128x37"),
    "vgg": (crnn2d([4] * 2 + [5] * 2 + [16] * 3 + [6] * 3 + [7] * 3, VGG, [5, 4], 3), "2x128x37"),
    "crnn1d": ({"crnn1d": dict(
        n_mels=16, filters=[6, 7, 8], kernel_frames=5, pool_frames=2, gru_units=[5, 4], classes=3,
        gru_form="keras")}, "2x16x53"),
    "rnn_keras": (rnn("keras"), "2x16x29"),
    "rnn_torch": (rnn("torch"), "2x16x29"),
}


def weights_and_clips(name, shape):
    if shape is None:
        clips = load_file(HERE / "model_input.safetensors")["input"]
        return load_file(HERE / f"model_{name}_weights.safetensors"), clips
    all_weights = load_file(HERE / "other_models_weights.safetensors")
    weights = {key.removeprefix(f"{name}."): value for key, value in all_weights.items()
               if key.startswith(f"{name}.")}
    return weights, load_file(HERE / "other_models_inputs.safetensors")[shape]


def write_model_file(path, config, weights):
    (network,) = config.values()
    metadata = dict(
        config=config, format_version=2, frames_per_clip=94, front_end={},
        labels=[f"Artist {i}" for i in range(network["classes"])])
    canonical = json.dumps(metadata, sort_keys=True, separators=(",", ":"))
    save_file({key: np.ascontiguousarray(value, np.float32) for key, value in weights.items()},
              path, {"cantus": canonical})


def graph_bytes(model):
    """Field 7 of a ModelProto as it stands in the file."""
    at, found = 0, None

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte, at = model[at], at + 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    while at < len(model):
        key = varint()
        if key & 7 == 0:
            varint()
        else:
            assert key & 7 == 2, key
            length = varint()
            if key >> 3 == 7:
                found = model[at:at + length]
            at += length
    return found


def run(path, clips):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities", "embedding"], {"log_mel": clips})


def generate(xtask):
    assert FOUND == PINS, (FOUND, PINS)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (config, shape) in NETWORKS.items():
            weights, clips = weights_and_clips(name, shape)
            weights_path = Path(folder, f"{name}.safetensors")
            path = Path(folder, f"{name}.onnx")
            write_model_file(weights_path, config, weights)
            subprocess.run([xtask, "export", "--onnx", path, "--weights", weights_path,
                            "--data", Path(folder, "data")], check=True)
            onnx.checker.check_model(path, full_check=True)
            probabilities, embedding = run(path, np.ascontiguousarray(clips, np.float32))
            digits = lambda rows: [[float(f"{x:.9g}") for x in row] for row in rows.tolist()]
            results[name] = dict(
                graph_crc32=zlib.crc32(graph_bytes(path.read_bytes())),
                probabilities=digits(probabilities), embedding=digits(embedding))
    lines = ",\n".join(f'"{name}": {json.dumps(result)}' for name, result in results.items())
    (HERE / "onnx.json").write_text(f"{{\n{lines}\n}}\n")


def compare(folder):
    print(f"onnxruntime {onnxruntime.__version__}: largest differences\n")
    print("| network | clips x frames | probabilities | embedding |\n|---|---|---|---|")
    for path in sorted(folder.glob("*.onnx")):
        onnx.checker.check_model(path, full_check=True)
        said = load_file(path.with_suffix(".safetensors"))
        for case in sorted({key.split(".")[0] for key in said}, key=lambda key: [*map(int, key.split("x"))]):
            got = run(path, said[f"{case}.log_mel"])
            wanted = [said[f"{case}.{output}"] for output in ("probabilities", "embedding")]
            differences = [f"{np.abs(g - w).max():.1e}" for g, w in zip(got, wanted)]
            print(f"| {path.stem} | {case} | {' | '.join(differences)} |")


if sys.argv[1:2] == ["--compare"]:
    compare(Path(sys.argv[2]))
else:
    generate(sys.argv[1] if len(sys.argv) > 1 else HERE.parents[1] / "target/release/xtask")
