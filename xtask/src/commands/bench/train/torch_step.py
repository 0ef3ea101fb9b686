"""One process of `bench train` of the peer: the same network in PyTorch, channels last, float32."""

import json
import resource
import time

import torch
from torch import nn

torch.set_num_threads(threads)
torch.manual_seed(0)


class Crnn2d(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm0 = nn.BatchNorm1d(128)
        blocks, channels = [], 1
        for filters, pool in [(64, (2, 2)), (128, (4, 2)), (128, (4, 2)), (128, (4, 2))]:
            blocks += [
                nn.Conv2d(channels, filters, 3, padding=1),
                nn.ELU(),
                nn.BatchNorm2d(filters),
                nn.MaxPool2d(pool),
                nn.Dropout(0.1),
            ]
            channels = filters
        self.blocks = nn.Sequential(*blocks)
        self.gru = nn.GRU(128, 32, num_layers=2, batch_first=True)
        self.drop = nn.Dropout(0.3)
        self.dense = nn.Linear(32, 20)

    def forward(self, x):
        x = self.norm0(x).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        x = self.blocks(x)
        x = x.permute(0, 3, 1, 2).flatten(2)
        states, _ = self.gru(x)
        return self.dense(self.drop(states[:, -1]))


network = Crnn2d().to(memory_format=torch.channels_last)
adam = torch.optim.Adam(network.parameters(), lr=1e-3)
x = torch.randn(batch, 128, frames) * 15 - 40
targets = torch.arange(batch) % 20


def train():
    started = time.perf_counter()
    adam.zero_grad(set_to_none=True)
    loss = nn.functional.cross_entropy(network(x), targets)
    loss.backward()
    adam.step()
    return (time.perf_counter() - started) * 1e3


def infer():
    started = time.perf_counter()
    with torch.inference_mode():
        network(x).softmax(1)
    return (time.perf_counter() - started) * 1e3


network.train()
train_ms = times(train)
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
network.eval()
infer_ms = times(infer)
version = torch.__version__
print(json.dumps(dict(train_ms=train_ms, infer_ms=infer_ms, peak_mib=peak_mib, version=version)))
