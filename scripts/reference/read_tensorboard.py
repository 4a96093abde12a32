#!/usr/bin/env python3
"""Reads the event file of a run with TensorBoard's own reader, and compares it with metrics.csv.

    python3 -m venv venv && venv/bin/pip install tensorboard==2.21.0
    venv/bin/python scripts/reference/read_tensorboard.py RUN
    venv/bin/python scripts/reference/read_tensorboard.py --bytes

Lists every tag with its number of values, the last value, or the size of the last picture. The figures of metrics.csv
must be there at the same steps, up to the digits of the table. Exits with 1 if one differs. With --bytes, prints the
serialized event that a test of crates/train/src/tensorboard/event.rs expects.
"""

import argparse
import csv
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

COLUMNS = {
    "rate": "rate",
    "train_loss": "loss/train",
    "val_loss": "loss/validation",
    "val_top1_error": "error/validation",
    "images_per_second": "images_per_second",
}


def example():
    value = Summary.Value(tag="a", simple_value=0.5)
    return Event(wall_time=1.5, step=300, summary=Summary(value=[value])).SerializeToString().hex()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run", nargs="?")
    parser.add_argument("--bytes", action="store_true")
    options = parser.parse_args()
    if options.bytes:
        return print(example())
    run = pathlib.Path(options.run)
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0}).Reload()
    for tag in events.Tags()["scalars"]:
        values = events.Scalars(tag)
        print(f"{tag}: {len(values)} values, last {values[-1].value:.6g} at step {values[-1].step}")
    for tag in events.Tags()["images"]:
        values = events.Images(tag)
        print(f"{tag}: {len(values)} pictures, last {values[-1].width}x{values[-1].height} at step {values[-1].step}")
    rows = list(csv.DictReader(open(run / "metrics.csv", newline="")))
    wrong = 0
    for column, tag in COLUMNS.items():
        expected = [(int(row["step"]), float(row[column])) for row in rows if row[column]]
        found = [(event.step, event.value) for event in events.Scalars(tag)] if tag in events.Tags()["scalars"] else []
        # The table has six decimals, or none.
        digits = 0.51 if column == "images_per_second" else 0.51e-6
        close = [abs(a - b) <= digits + 1e-6 * abs(a) for (_, a), (_, b) in zip(expected, found)]
        same = [step for step, _ in expected] == [step for step, _ in found] and all(close)
        wrong += not same
        print(f"{column}: {len(expected)} epochs, {'equal' if same else 'DIFFERENT'}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
