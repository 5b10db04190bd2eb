# SPDX-License-Identifier: Apache-2.0
"""A user's own CSV, Parquet file or DataFrame, with a mapping file that says which column is what."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kilohour.datafeeds.feed import Feed
from kilohour.datafeeds.importing.feeds import OPTIONS, REJECTED_MAX, columns, share_of
from kilohour.datafeeds.reading import Progress
from kilohour.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "my-file"


def run(
    inputs: Sequence[Path], out: Path, *, mapping: Path | str, rejected_max: str = REJECTED_MAX, progress: Progress | None = None
) -> Iterable[str]:
    """Imports the files as the mapping says: quotes and prints of several, bars of one."""
    from kilohour.datafeeds.importing.mapping import PrintMapping, QuoteMapping
    from kilohour.datafeeds.importing.mapping_file import read_mapping

    found = read_mapping(Path(mapping))
    if isinstance(found, QuoteMapping):
        from kilohour.datafeeds.importing.quotes_import import import_quotes

        return import_quotes(SOURCE, found, inputs, out, rejected_max=share_of(rejected_max), progress=progress).told()
    if isinstance(found, PrintMapping):
        from kilohour.datafeeds.importing.prints_import import import_prints

        return import_prints(SOURCE, found, inputs, out, rejected_max=share_of(rejected_max), progress=progress).told()
    from kilohour.datafeeds.importing.own_bars import import_bars

    if len(inputs) != 1:
        raise UsageError(f"{SOURCE}: bars come from one INPUT, found {len(inputs)}")
    return import_bars(inputs[0], found, out, rejected_max=share_of(rejected_max), progress=progress).told()


def import_frame(frame: pd.DataFrame, out: str | Path, *, mapping: str | Path, rejected_max: str = REJECTED_MAX) -> list[str]:
    """Imports a DataFrame as :func:`run` does a file; returns the lines to tell. Its index is not read."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frame.parquet"
        frame.to_parquet(file, index=False)
        return list(run([file], Path(out), mapping=mapping, rejected_max=rejected_max))


FEED = Feed(
    name=SOURCE,
    about="your own CSV or Parquet files of quotes, series or bars, with a mapping file",
    gives="any",
    columns=columns(("any", "as the mapping says", "USD or cents, per GPU or node, per second to year")),
    time="as the mapping says: instants with a zone or days, and how long until they could be known",
    licence="yours: kilohour passes nothing on",
    options={"mapping": "FILE in TOML that says which column is what", **OPTIONS},
    needs=("mapping",),
    inputs="some",
    run=run,
)
