# SPDX-License-Identifier: Apache-2.0
"""Every source alike: the same input gives the same bytes, an interrupted import goes on where it stopped, and progress is told."""

from __future__ import annotations

import pytest

from kilohour.datafeeds import BUILT_IN, source
from kilohour.datafeeds.importing.intake import PROGRESS, Intake
from tests.datafeeds.sources import test_shipped_sources as plain
from tests.datafeeds.sources.damage import Aside
from tests.datafeeds.sources.test_damage import SHAPES


def given(name, folder):
    """Inputs of a source in the folder, with a row to put aside where it puts any aside, and how they are imported."""
    if name in plain.HAND:
        text = plain.HAND[name][0]
        path = plain.write(folder, name, text + text.splitlines()[1] + "\n")
        return lambda out, **how: list(source(name).run([path], out, rejected_max="100%", **how))
    shape = SHAPES[name]
    cells = [cell for kind in shape.cells.values() for cell in (kind if isinstance(kind, tuple) else (kind,))]
    aside = next((cell for cell in cells if isinstance(cell, Aside)), None)
    shape.write(folder, shape.rows if aside is None else aside.rows(shape.rows))
    more = {} if aside is None else {**aside.options, "rejected_max": "100%"}
    return lambda out, **how: shape.run(folder, out, **more, **how)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def short_runs(monkeypatch):
    """A run on the disk after each batch: files of a few rows are interrupted as those of millions are."""
    taken_up = Intake.taken_up.__func__
    monkeypatch.setattr(Intake, "taken_up", classmethod(lambda cls, work, key, reader, _: taken_up(cls, work, key, reader, 1)))


NAMES = [*SHAPES, *plain.HAND]


def test_all_sources_are_here():
    assert {SHAPES[name].source if name in SHAPES else name for name in NAMES} == set(BUILT_IN)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_again_and_after_an_interruption(tmp_path, monkeypatch, short_runs, name):
    if name == "databento":
        pytest.importorskip("databento_dbn", reason="the extra kilohour[databento] is not installed")
    (tmp_path / "in").mkdir()
    run, told = given(name, tmp_path / "in"), []
    for out in ("once", "twice"):
        run(tmp_path / out, progress=lambda done, total: told.append((done, total)))
    assert contents(tmp_path / "once") == contents(tmp_path / "twice")
    assert ("rejected.csv" in contents(tmp_path / "once")) == (name != "recorded")
    half = told[: len(told) // 2]
    assert half == told[len(half):] == sorted(half)
    assert 0 < half[-1][0] <= half[-1][1]

    read = Intake.read

    def interrupted(intake, inputs, progress):
        read(intake, inputs, progress)
        raise KeyboardInterrupt

    monkeypatch.setattr(Intake, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert (tmp_path / ".out.import" / PROGRESS).is_file()
    found = []

    def goes_on(intake, inputs, progress):
        before = intake.rows
        read(intake, inputs, progress)
        found.append((before, intake.rows))

    monkeypatch.setattr(Intake, "read", goes_on)
    run(tmp_path / "out")
    ((before, after),) = found
    assert before == after > 0, "what was read is not read again"
    assert contents(tmp_path / "out") == contents(tmp_path / "once")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "once", "out", "twice"]
