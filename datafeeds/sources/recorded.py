# SPDX-License-Identifier: Apache-2.0
"""What a recorder wrote, as a tape (:mod:`kilohour.datafeeds.recording`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kilohour.datafeeds.feed import Feed
from kilohour.datafeeds.importing.feeds import columns
from kilohour.datafeeds.reading import Progress


def run(inputs: Sequence[Path], out: Path, *, progress: Progress | None = None) -> Iterable[str]:
    """Makes the tape of one recording, also while it is still being written."""
    from kilohour.datafeeds.importing.recording_import import import_recording

    return import_recording(inputs[0], out, progress=progress).told()


FEED = Feed(
    name="recorded",
    about="a recording of a live or paper run: the folder a recorder writes, chunks of events and the tail since the last",
    gives="tape",
    columns=columns(
        ("ts", "nanoseconds UTC", "when the recorder could know the event"),
        ("ts_event", "nanoseconds UTC", "when the venue says it happened"),
        ("kind, ref", "", "as on a tape"),
        ("open, high, low, close", "micros", "what the kind carries"),
        ("volume", "lots", ""),
    ),
    time="as the recorder saw the events come in",
    licence="the venue's terms for its market data",
    inputs="folder",
    run=run,
)
