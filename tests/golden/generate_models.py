"""Write the golden files of the original's four other networks, made narrow: other_models_*.

usage: python generate_models.py        (versions: see PINS)

Only weights and clips are drawn here. Every expected value comes from PyTorch in float64 and is
compared with Keras 3, which also counts the parameters of the networks in full size.
"""
import json
import math
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import torch
from keras import layers as L
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

PINS = {"keras": "3.15.1", "numpy": "2.4.6", "torch": "2.15.0"}
FOUND = {"keras": keras.__version__, "numpy": np.__version__, "torch": torch.__version__.split("+")[0]}
HERE = Path(__file__).resolve().parent
EPS = 1e-3
LARGER = [(2, 2), (2, 2), (2, 2), (4, 1), (4, 1)]  # mel x frame
VGG = [w for pool, n in zip(LARGER, (2, 2, 3, 3, 3)) for w in [(1, 1)] * (n - 1) + [pool]]

# Widths that differ from layer to layer, so that no two can change places; of 16 where
# convolutions of 16 channels and more are computed in another way.
NARROW = {
    "larger": dict(kind="2d", filters=(4, 5, 16, 16, 7), pools=LARGER, units=(5, 4), form="keras", frames=37),
    "vgg": dict(kind="2d", filters=(4, 4, 5, 5, 16, 16, 16, 6, 6, 6, 7, 7, 7), pools=VGG, units=(5, 4), form="keras", frames=37),
    "crnn1d": dict(kind="1d", filters=(6, 7, 8), units=(5, 4), form="keras", frames=53),
    "rnn_keras": dict(kind="rnn", units=(6, 5), form="keras", frames=29),
    "rnn_torch": dict(kind="rnn", units=(6, 5), form="torch", frames=29),
}
FULL = {
    "larger": dict(kind="2d", filters=(64, 128, 256, 512, 512), pools=LARGER, units=(32, 32), form="keras", frames=94),
    "vgg": dict(kind="2d", filters=(64,) * 2 + (128,) * 2 + (256,) * 3 + (512,) * 6, pools=VGG, units=(32, 32), form="keras", frames=94),
    "crnn1d": dict(kind="1d", filters=(64, 128, 128), units=(64, 64), form="keras", frames=94),
    "rnn": dict(kind="rnn", units=(64, 64), form="keras", frames=94),
}
CLASSES, LABELS = 3, [2, 0]


def mels(net):
    return 128 if net["kind"] == "2d" else 16


def gates_of(net):
    return 4 if net["kind"] == "rnn" else 3


def draw_weights(net, seed):
    rng, out = np.random.RandomState(seed), {}

    def put(name, *shape, scale=1.0, shift=0.0):
        out[name] = torch.tensor(rng.standard_normal(shape) * scale + shift)

    def put_norm(name, n, mean=0.3, mean_scale=0.2, var=1.0):
        put(f"{name}.weight", n, scale=0.2, shift=1.0)
        put(f"{name}.bias", n, scale=0.2)
        put(f"{name}.running_mean", n, scale=mean_scale, shift=mean)
        out[f"{name}.running_var"] = torch.tensor(var * rng.uniform(0.5, 1.5, n))

    last, kernel = 1, (3, 3)
    if net["kind"] == "2d":
        put_norm("norm0", mels(net), mean=-25.0, mean_scale=5.0, var=150.0)
    else:
        last, kernel = mels(net), (5,)
    for i, width in enumerate(net.get("filters", ()), 1):
        put(f"conv{i}.weight", width, last, *kernel, scale=math.sqrt(2 / (math.prod(kernel) * last)))
        put(f"conv{i}.bias", width, scale=0.1)
        if net["kind"] == "2d":
            put_norm(f"norm{i}", width)
        last = width
    cell, gates = ("lstm", 4) if net["kind"] == "rnn" else ("gru", 3)
    # What reaches the recurrent layers is decibels in one network, near 1 in the others.
    scale = {"2d": 0.5, "1d": 0.05, "rnn": 0.02}[net["kind"]]
    for i, units in enumerate(net["units"], 1):
        put(f"{cell}{i}.weight_ih", gates * units, last, scale=scale)
        put(f"{cell}{i}.weight_hh", gates * units, units, scale=0.8)
        put(f"{cell}{i}.bias" if cell == "lstm" else f"{cell}{i}.bias_ih", gates * units, scale=0.5)
        last, scale = units, 1.0
    put("dense.weight", CLASSES, last)
    put("dense.bias", CLASSES, scale=0.1)
    return out


# ---------------------------------------------------------------- PyTorch

def gate_of(net, saturated):
    def hard(v):  # of Keras 1 and 2
        y = torch.clamp(0.2 * v + 0.5, 0.0, 1.0)
        saturated.append(((y == 0) | (y == 1)).double().mean().item())
        return y
    return hard if net["form"] == "keras" else torch.sigmoid


def gru(x, w, name, gate):  # x: batch, step, feature; the reset gate before the product
    w_r, w_z, w_n = w[f"{name}.weight_ih"].chunk(3)
    u_r, u_z, u_n = w[f"{name}.weight_hh"].chunk(3)
    b_r, b_z, b_n = w[f"{name}.bias_ih"].chunk(3)
    h, steps = x.new_zeros(len(x), u_r.shape[1]), []
    for t in range(x.shape[1]):
        r = gate(x[:, t] @ w_r.T + b_r + h @ u_r.T)
        z = gate(x[:, t] @ w_z.T + b_z + h @ u_z.T)
        n = torch.tanh(x[:, t] @ w_n.T + b_n + (r * h) @ u_n.T)
        h = z * h + (1 - z) * n
        steps.append(h)
    return torch.stack(steps, 1)


def lstm(x, w, name, gate):
    u = w[f"{name}.weight_hh"]
    h, c, steps = x.new_zeros(len(x), u.shape[1]), x.new_zeros(len(x), u.shape[1]), []
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t] @ w[f"{name}.weight_ih"].T + w[f"{name}.bias"] + h @ u.T).chunk(4, 1)
        c = gate(f) * c + gate(i) * torch.tanh(g)
        h = gate(o) * torch.tanh(c)
        steps.append(h)
    return torch.stack(steps, 1)


def check_lstm_against_torch(x, w, units):
    peer = nn.LSTM(x.shape[2], units, batch_first=True).double()
    with torch.no_grad():
        peer.weight_ih_l0.copy_(w["lstm1.weight_ih"])
        peer.weight_hh_l0.copy_(w["lstm1.weight_hh"])
        peer.bias_ih_l0.copy_(w["lstm1.bias"])
        peer.bias_hh_l0.zero_()
        assert torch.allclose(peer(x)[0], lstm(x, w, "lstm1", torch.sigmoid), atol=1e-12)


def forward(net, x, w, train, seen, saturated):
    """Logits of x (batch, mel, frame); no dropout. seen collects statistics and narrow windows."""
    def norm(v, name):
        shape = [1, -1] + [1] * (v.ndim - 2)
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        if train:
            axes = [d for d in range(v.ndim) if d != 1]
            mean, var = v.mean(axes), v.var(axes, unbiased=False)
            seen[f"{name}.batch_mean"], seen[f"{name}.batch_var"] = mean, var
        v = (v - mean.view(shape)) / torch.sqrt(var.view(shape) + EPS)
        return v * w[f"{name}.weight"].view(shape) + w[f"{name}.bias"].view(shape)

    if net["kind"] == "2d":
        x = norm(x, "norm0").unsqueeze(1)  # batch, channel, mel, frame
        for i, pool in enumerate(net["pools"], 1):
            x = F.elu(F.conv2d(x, w[f"conv{i}.weight"], w[f"conv{i}.bias"], padding=1))
            x = F.max_pool2d(norm(x, f"norm{i}"), pool)
        x = x.permute(0, 3, 2, 1).flatten(2)  # batch, frame, mel * channel
    elif net["kind"] == "1d":
        for i in range(1, len(net["filters"]) + 1):
            x = F.max_pool1d(F.relu(F.conv1d(x, w[f"conv{i}.weight"], w[f"conv{i}.bias"])), 2)
        x = x.transpose(1, 2)
    else:
        x = x.transpose(1, 2)
    cell, layer = ("lstm", lstm) if net["kind"] == "rnn" else ("gru", gru)
    for i in (1, 2):
        x = layer(x, w, f"{cell}{i}", gate_of(net, saturated))
    return x[:, -1] @ w["dense.weight"].T + w["dense.bias"]


# ---------------------------------------------------------------- Keras

def hard_sigmoid_of_keras2(x):
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def build_keras(net, n_mels, classes):
    gate = "sigmoid" if net["form"] == "torch" else hard_sigmoid_of_keras2
    frames, cells = net["frames"], dict(recurrent_activation=gate)
    if net["kind"] == "2d":
        layers = [keras.Input((n_mels, frames, 1)), L.BatchNormalization(axis=1)]
        for filters, pool in zip(net["filters"], net["pools"]):
            layers += [L.Conv2D(filters, 3, padding="same", activation="elu"), L.BatchNormalization(axis=3)]
            layers += [L.MaxPooling2D(pool)] if pool != (1, 1) else []
            frames //= pool[1]
        rows = n_mels // math.prod(pool[0] for pool in net["pools"])
        layers += [L.Permute((2, 1, 3)), L.Reshape((frames, rows * net["filters"][-1]))]
    else:
        layers = [keras.Input((frames, n_mels))]
        for filters in net.get("filters", ()):
            layers += [L.Conv1D(filters, 5, activation="relu"), L.MaxPooling1D(2)]
    Cell = L.LSTM if net["kind"] == "rnn" else L.GRU
    if Cell is L.GRU:
        cells["reset_after"] = False
    layers += [Cell(net["units"][0], return_sequences=True, **cells), Cell(net["units"][1], **cells),
               L.Dense(classes)]
    return keras.Sequential(layers)


def to_keras(net, w):
    def norm(i):
        return [w[f"norm{i}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]

    def gates(v):  # a GRU's are z, r, n in Keras; an LSTM's stand as in PyTorch
        if net["kind"] == "rnn":
            return v.T
        r, z, n = np.split(v, 3)
        return np.concatenate([z, r, n]).T

    w = {k: v.numpy() for k, v in w.items()}
    out = [norm(0)] if net["kind"] == "2d" else []
    for i in range(1, len(net.get("filters", ())) + 1):
        kernel = w[f"conv{i}.weight"]
        out.append([np.moveaxis(kernel, (0, 1), (-1, -2)), w[f"conv{i}.bias"]])
        out += [norm(i)] if net["kind"] == "2d" else []
    cell, bias = ("lstm", "bias") if net["kind"] == "rnn" else ("gru", "bias_ih")
    for i in (1, 2):
        out.append([gates(w[f"{cell}{i}.{part}"]) for part in ("weight_ih", "weight_hh", bias)])
    return out + [[w["dense.weight"].T, w["dense.bias"]]]


def check_against_keras(name, net, x, w, expected):
    model = build_keras(net, mels(net), CLASSES)
    weighted = [layer for layer in model.layers if layer.weights]

    def reset():
        for layer, values in zip(weighted, to_keras(net, w), strict=True):
            layer.set_weights(values)

    clips = x.numpy()[..., None] if net["kind"] == "2d" else x.numpy().transpose(0, 2, 1)
    reset()
    found = {"eval.logits": model(clips, training=False)}
    found["train.logits"] = model(clips, training=True)
    reset()
    loss = F.cross_entropy(model(clips, training=True), torch.tensor(LABELS))
    trained = model.trainable_variables
    gradients = torch.autograd.grad(loss, [v.value for v in trained])
    in_keras_layout = to_keras(net, {k: expected.get(f"grad.{k}", v) for k, v in w.items()})
    wanted = [g for layer, values in zip(weighted, in_keras_layout) for g in values[:len(layer.trainable_weights)]]
    for key, got in found.items():
        difference = (got - expected[key]).abs().max().item()
        print(f"{name} {key}: Keras differs by at most {difference:.1e} of {expected[key].abs().max():.2f}")
    worst = max(np.abs(g.numpy() - want).max() / np.abs(want).max() for g, want in zip(gradients, wanted, strict=True))
    print(f"{name} gradients: Keras differs by at most {worst:.1e} of a parameter's largest")


def main():
    assert FOUND == PINS, f"this script ran with {PINS}, found {FOUND}"
    keras.config.set_floatx("float64")
    inputs, weights, out, summary = {}, {}, {}, {"classes": CLASSES, "labels": LABELS, "loss": {}, "parameters": {}}
    for seed, (name, net) in enumerate(NARROW.items(), 40):
        shape = (len(LABELS), mels(net), net["frames"])
        key = "x".join(map(str, shape))
        if key not in inputs:
            rng = np.random.RandomState(shape[2])
            tilt = np.linspace(0, -30, shape[1])[None, :, None]
            inputs[key] = torch.tensor(np.round(-10 + tilt + 12 * rng.standard_normal(shape), 2)).float()
        x, w = inputs[key].double(), draw_weights(net, seed)
        if net["form"] == "torch":
            check_lstm_against_torch(torch.randn(2, 7, mels(net), dtype=torch.float64), w, net["units"][0])

        saturated, expected, seen = [], {}, {}
        logits = forward(net, x, w, False, seen, saturated)
        expected |= {"eval.logits": logits, "eval.probabilities": torch.softmax(logits, -1)}
        leaves = {k: v.clone().requires_grad_() for k, v in w.items() if "running" not in k}
        clips = x.clone().requires_grad_()
        logits = forward(net, clips, {**w, **leaves}, True, seen, saturated)
        loss = F.cross_entropy(logits, torch.tensor(LABELS))
        found = torch.autograd.grad(loss, [*leaves.values(), clips])
        expected["train.logits"] = logits.detach()
        expected |= {f"train.{k}": v.detach() for k, v in seen.items()}
        expected |= {f"grad.{k}": v for k, v in zip([*leaves, "input"], found)}
        check_against_keras(name, net, x, w, expected)
        if saturated:
            print(f"{name}: {np.mean(saturated):.0%} of the gates are saturated")
        weights |= {f"{name}.{k}": v for k, v in w.items()}
        out |= {f"{name}.{k}": v.contiguous() for k, v in expected.items()}
        summary["loss"][name] = loss.item()

    for name, net in FULL.items():
        model = build_keras(net, 128, 20)
        trained = sum(math.prod(v.shape) for v in model.trainable_variables)
        summary["parameters"][name] = {"trained": trained, "total": model.count_params()}
    save_file(inputs, HERE / "other_models_inputs.safetensors")
    save_file(weights, HERE / "other_models_weights.safetensors")
    save_file(out, HERE / "other_models_expected.safetensors")
    (HERE / "other_models_summary.json").write_text(json.dumps(summary, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
