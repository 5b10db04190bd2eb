# SPDX-License-Identifier: Apache-2.0
"""The bitemporal store, against tables worked by hand: a trader can read them and say whether they are right."""

import numpy as np
import pytest

from kilohour.contracts.contract import Contract
from kilohour.datafeeds.prints import Print, Prints, Restated
from kilohour.errors import DataError, UnknownName
from kilohour.tape import Kind, TapeBuilder
from kilohour.units import MISSING
from kilohour.units import NANOS_PER_DAY as DAY

# day 1 is restated twice, day 2 once and late, day 4 comes before day 3; from day 5 on the method is another one
TABLE = """
series  value_at  known_at  value  regime
H100    1         2         100    A
H100    1         4         101    A
H100    1         9         103    A
H100    2         3         200    A
H100    2         8         190    A
H100    4         5         400    A
H100    3         6         300    A
H100    5         6         50     B
H100    6         7         60     B
USERS   1         31        7      -
"""


def prints(table=TABLE):
    rows = [line.split() for line in table.strip().splitlines()[1:]]
    return Prints.of([Print(series=series, value_at=int(at) * DAY, known_at=int(known) * DAY, value=int(value),
                            regime=regime.replace("-", ""), source="by hand") for series, at, known, value, regime in rows],
                     units={"H100": "USD per GPU-hour", "USERS": "million"})


# what a trader knew at the end of each day: value by value date
AS_OF = [
    (1, {}),
    (2, {1: 100}),
    (3, {1: 100, 2: 200}),
    (4, {1: 101, 2: 200}),
    (5, {1: 101, 2: 200, 4: 400}),
    (6, {1: 101, 2: 200, 3: 300, 4: 400, 5: 50}),
    (7, {1: 101, 2: 200, 3: 300, 4: 400, 5: 50, 6: 60}),
    (8, {1: 101, 2: 190, 3: 300, 4: 400, 5: 50, 6: 60}),
    (9, {1: 103, 2: 190, 3: 300, 4: 400, 5: 50, 6: 60}),
]


def as_dict(known):
    return {int(at // DAY): int(value) for at, value in zip(known.value_at, known.value, strict=True)}


@pytest.mark.parametrize(("day", "wanted"), AS_OF)
def test_what_was_known_then(day, wanted):
    assert as_dict(prints().as_of(day * DAY, "H100")) == wanted
    if wanted:
        assert as_dict(prints().as_of(day * DAY - 1, "H100")) == dict(AS_OF)[day - 1]


def test_revisions_are_counted_in_the_order_they_became_known():
    known = prints().as_of(9 * DAY, "H100")
    assert known.revision.tolist() == [2, 1, 0, 0, 0, 0]
    assert known.unit == "USD per GPU-hour"


def test_the_replay_tells_each_value_and_what_stood_there_before():
    told = [(step.known_at // DAY, step.value_at // DAY, step.before, step.value, step.revision) for step in prints().replay("H100")]
    assert told == [
        (2, 1, None, 100, 0), (3, 2, None, 200, 0), (4, 1, 100, 101, 1), (5, 4, None, 400, 0), (6, 3, None, 300, 0), (6, 5, None, 50, 0),
        (7, 6, None, 60, 0), (8, 2, 200, 190, 1), (9, 1, 101, 103, 2),
    ]
    assert [step.series for step in prints().replay()][-1] == "USERS"


def test_what_would_it_be_now():
    assert prints().restated("H100", 3 * DAY, 9 * DAY) == (
        Restated(series="H100", value_at=DAY, then=100, now=103), Restated(series="H100", value_at=2 * DAY, then=200, now=190))
    assert prints().restated("H100", 9 * DAY, 100 * DAY) == ()


def test_a_change_is_never_taken_across_a_level_break():
    known = prints().as_of(9 * DAY, "H100")
    at, change = known.changes()
    assert dict(zip((at // DAY).tolist(), change.tolist(), strict=True)) == {2: 87, 3: 110, 4: 100, 6: 10}
    (its,) = known.breaks()
    assert (its.at, its.known_at, its.before, its.after) == (5 * DAY, 6 * DAY, "A", "B")
    assert str(its) == "H100: level break at 1970-01-06, from 'A' to 'B'"
    assert prints().as_of(5 * DAY, "H100").breaks() == ()


@pytest.mark.parametrize("day", range(1, 10))
def test_what_becomes_known_later_changes_nothing_earlier(day):
    """Mutation: every later row is changed, doubled or taken away; a read as of a day before is the same in every bit."""
    whole, rng = prints(), np.random.default_rng(day)
    rows = list(whole.rows())
    later = [Print(series=r.series, value_at=r.value_at, known_at=r.known_at, value=int(rng.integers(1, 999)), regime="Z", source="other")
             for r in rows if r.known_at > day * DAY and rng.random() < 0.7]
    late = [Print(series="H100", value_at=DAY * int(rng.integers(1, 10)), known_at=(day + 50 + i) * DAY, value=5, source="other") for i in range(5)]
    changed = Prints.of([r for r in rows if r.known_at <= day * DAY] + later + late, units={"H100": "USD per GPU-hour", "USERS": "million"})
    before, after = whole.as_of(day * DAY, "H100") if day > 1 else None, changed.as_of(day * DAY, "H100")
    if before is None:
        assert len(after) == 0
        return
    for name in ("value_at", "known_at", "value", "revision", "regime"):
        assert getattr(before, name).tolist() == getattr(after, name).tolist()


def test_what_is_read_is_a_copy_and_cannot_reach_the_table():
    whole = prints()
    whole.as_of(9 * DAY, "H100").value[:] = 0
    assert as_dict(whole.as_of(9 * DAY, "H100")) == AS_OF[-1][1]
    with pytest.raises(ValueError, match="read-only"):
        whole.value[0] = 1


def test_later_prints_join_without_touching_the_past():
    more = Prints.of([Print(series="H100", value_at=DAY, known_at=20 * DAY, value=99, regime="A", source="later")], units={"H100": "USD per GPU-hour"})
    joined = prints().joined(more)
    assert as_dict(joined.as_of(9 * DAY, "H100")) == AS_OF[-1][1]
    assert joined.as_of(20 * DAY, "H100").revision.tolist()[0] == 3


def test_on_a_tape_each_method_is_a_series_of_its_own():
    builder = TapeBuilder(source="by hand")
    ref = builder.contract(Contract(code="X:Y", product="X:Y", symbol="", month=0, listed_at=0, last_trade_at=2**62, settlement_at=2**62,
                                    fixing_days=(), rule=""))
    one = np.array([DAY])
    builder.bars(ref, one, one, one, one, one, np.array([MISSING]))
    refs = prints().add_to(builder, "H100", code="SPOT")
    tape = builder.build()
    assert list(refs) == ["SPOT", "SPOT@2"]
    rows = tape.events["kind"] == Kind.PRINT
    wanted = [(step.known_at, step.value, step.before if step.before is not None else MISSING) for step in prints().replay("H100")]
    found = zip(tape.events["ts"][rows].tolist(), tape.events["close"][rows].tolist(), tape.events["open"][rows].tolist(), strict=True)
    assert sorted(found) == sorted(wanted)
    assert tape.notes == ("H100: level break at 1970-01-06, from 'A' to 'B'",)


def test_a_folder_gives_back_what_was_written(tmp_path):
    saved = prints().save(tmp_path / "p")
    found = Prints.load(tmp_path / "p")
    assert list(found.rows()) == list(saved.rows())
    assert (found.sha256, found.units, found.revision.tolist()) == (saved.sha256, saved.units, saved.revision.tolist())
    assert found.frame()["value"].tolist()[0] == 0.0001
    prints(TABLE.replace("400", "401")).save(tmp_path / "other")
    (tmp_path / "other" / "prints-00000.parquet").replace(tmp_path / "p" / "prints-00000.parquet")
    with pytest.raises(DataError, match="was changed or damaged"):
        Prints.load(tmp_path / "p")


def test_faults_are_refused():
    with pytest.raises(DataError, match="a print needs a time of its own, found two of 1970-01-02 00:00 known at 1970-01-03 00:00"):
        prints(TABLE + "H100 1 2 5 A\n")
    with pytest.raises(DataError, match="must not be known before the time it stands for, found 1970-01-08 00:00 known at 1970-01-02"):
        prints(TABLE + "H100 7 1 5 A\n")
    with pytest.raises(DataError, match="GPU: a series needs a unit"):
        prints(TABLE + "GPU 7 8 5 A\n")
    with pytest.raises(UnknownName, match="did you mean 'H100'"):
        prints().as_of(0, "H10")
