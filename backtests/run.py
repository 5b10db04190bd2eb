# SPDX-License-Identifier: Apache-2.0
"""A run: its result, its tables, its manifest. In memory, and as a folder that a report is made from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilohour import folders
from kilohour.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kilohour.reports.figures import Figures

MANIFEST = "manifest.json"
TABLES = ("equity", "orders", "fills", "positions", "ledger", "settlements", "records", "curve", "prices")
JOURNAL = ("journal.db", "journal.db-wal", "journal.db-shm", "journal.lock", "word")
FILES = (MANIFEST, "report.html", *JOURNAL, *(f"{name}.parquet" for name in TABLES))


def check_target(target: Path) -> None:
    """Raises :class:`UsageError` when something that is not a run is there."""
    folders.check_target(target, what="run", files=FILES, needs=(MANIFEST, "ledger.parquet"))


@dataclass(slots=True)
class Run:
    """The outcome of one backtest.

    ``result`` is the object that ``--json`` prints. Tables are DataFrames by attribute (``run.equity``, ``run.fills`` ...),
    indexed by UTC time, money in integer micros.
    """

    manifest: dict[str, Any]
    tables: dict[str, pa.Table]
    folder: Path | None = None
    _frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def result(self) -> dict[str, Any]:
        """Counts, money and statistics of the run."""
        found: dict[str, Any] = self.manifest["result"]
        return found

    def frame(self, name: str) -> pd.DataFrame:
        """A table as a DataFrame with its times as an index. Raises :class:`UnknownName`."""
        if name not in self.tables:
            from kilohour.errors import UnknownName

            raise UnknownName("table", name, self.tables, where="this run")
        if name not in self._frames:
            import pandas as pd

            frame = self.tables[name].to_pandas()
            frame.index = pd.to_datetime(frame.pop("ts"), unit="ns", utc=True)
            frame.index.name = "time"
            self._frames[name] = frame
        return self._frames[name]

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or name not in TABLES:
            raise AttributeError(f"a run has no {name!r}; its tables are {', '.join(TABLES)}")
        return self.frame(name)

    @property
    def figures(self) -> Figures:
        """The report's figures as plotly objects: ``run.figures.equity()`` ..."""
        from kilohour.reports.figures import Figures

        return Figures(self.manifest, self.tables)

    def save(self, folder: str | Path, *, complete: Callable[[Path], None] | None = None) -> Path:
        """Writes the run folder: manifest and tables, whole or not at all; returns it.

        ``complete`` may add to the draft of the folder before it is moved into place.
        Raises :class:`UsageError` when something that is not a run is there already.
        """
        target = Path(folder)
        check_target(target)
        with folders.written_whole(target) as draft:
            self.write_into(draft)
            if complete is not None:
                complete(draft)
        self.folder = target
        return target

    def write_into(self, folder: Path) -> None:
        """Writes tables and manifest into a folder."""
        import pyarrow.parquet as pq

        for name, table in self.tables.items():
            pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
        self.write_manifest(folder)

    def write_manifest(self, folder: Path) -> None:
        """Writes ``manifest.json`` into a folder."""
        text = json.dumps(self.manifest, indent=1, ensure_ascii=False) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")

    def report(self, folder: str | Path | None = None) -> Path:
        """Writes ``report.html`` into the run's folder, saving the run first when it has none yet."""
        from kilohour.reports.report import write_report

        if folder is not None or self.folder is None:
            if folder is None:
                raise UsageError("this run has no folder yet: give one, run.report('runs/first')")
            self.save(folder)
        assert self.folder is not None
        return write_report(self.folder)

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Reads a run folder. Raises :class:`UsageError` when it is none."""
        import pyarrow.parquet as pq

        source = Path(folder)
        if not (source / MANIFEST).is_file():
            raise UsageError(f"{source}: not a run folder, it has no {MANIFEST}")
        manifest = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        tables = {name: pq.ParquetFile(source / f"{name}.parquet").read() for name in TABLES if (source / f"{name}.parquet").is_file()}
        return cls(manifest, tables, source)

    def __repr__(self) -> str:
        r = self.result
        return (f"<Run {r['strategy']} on {r['tape']}: net {r['net_usd']:,.2f} USD, {r['fills']} fills, "
                f"{str(r['start'])[:10]} to {str(r['end'])[:10]}>")

    def _repr_html_(self) -> str:
        from kilohour.reports.summary import summary_html

        return summary_html(self.manifest)
