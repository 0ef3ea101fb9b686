"""Writes tensorboard.tfevents: events as TensorBoard's own writer frames them.

    python generate_tensorboard.py [--check FILE]

With --check, reads a file of events instead, by TensorBoard's loaders, and prints what they find.
"""

import math
import pathlib
import sys

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

# Seconds since 1970, step, tags and numbers. One and two bytes of step and length; a tag in two
# scripts, and one too long for a length of one byte; numbers that 32 bits do not hold.
EVENTS = [
    (1700000000.25, 1, {
        "loss/training": 2.75, "loss/validation": 2.9, "accuracy/training": 0.125,
        "accuracy/validation": 0.1, "learning_rate": 1e-3}),
    (1700000061.5, 127, {
        "loss/training": 0.3333333333333333, "loss/validation": 1e-45, "accuracy/training": 1.0,
        "accuracy/validation": 0.0, "learning_rate": 1e-3}),
    (1700000123.0, 128, {"ρυθμός/歌": -0.0}),
    (1700000124.0, 70000, {"a" * 200: math.inf}),
]


def write(path):
    with open(path, "wb") as file:
        records = RecordWriter(file)
        records.write(Event(wall_time=1699999999.5, file_version="brain.Event:2").SerializeToString())
        for wall_time, step, scalars in EVENTS:
            values = [Summary.Value(tag=tag, simple_value=number) for tag, number in scalars.items()]
            event = Event(wall_time=wall_time, step=step, summary=Summary(value=values))
            records.write(event.SerializeToString())
        records.flush()


def check(path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for event in EventFileLoader(path).Load():
        print("event", repr(event.wall_time), event.step, event.file_version, len(event.summary.value))
    accumulator = EventAccumulator(path)
    accumulator.Reload()
    for tag in accumulator.Tags()["scalars"]:
        for point in accumulator.Scalars(tag):
            print(tag, repr(point.wall_time), point.step, point.value)


if sys.argv[1:2] == ["--check"]:
    check(sys.argv[2])
else:
    write(pathlib.Path(__file__).parent / "tensorboard.tfevents")
