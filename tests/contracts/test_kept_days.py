# SPDX-License-Identifier: Apache-2.0
"""Days kept on disk are the library's; what is damaged or not the library's own is computed."""

import datetime as dt
import json
import os
import subprocess
import sys

import pytest

from kilohour.contracts import kept_days
from kilohour.contracts.kept_days import FIRST, LAST
from kilohour.errors import UnknownName

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # exchange_calendars calls what pandas deprecates
ASK = """
import json, sys
from kilohour.contracts.calendars import CalendarRule, business_days
days = business_days(CalendarRule(sys.argv[1], sys.argv[1]))
print(json.dumps([days.days.tolist(), days.version, days.first, days.last, "exchange_calendars" in sys.modules]))
"""


def asked(name, cache, before=""):
    """What a process of its own finds, and whether it imported the library."""
    done = subprocess.run([sys.executable, "-c", before + ASK, name], env={**os.environ, "KILOHOUR_CACHE": str(cache)}, capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KILOHOUR_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def exchange_calendars():
    """Not imported at the top: the days kept on disk are read by none of a process's tests once the library is there."""
    import exchange_calendars as library

    return library


def test_the_next_process_has_the_library_s_days_without_importing_it(cache, exchange_calendars):
    sessions = exchange_calendars.get_calendar("XNYS", start=str(FIRST), end=str(LAST)).sessions
    expected = [day.toordinal() - dt.date(1970, 1, 1).toordinal() for day in sessions.date]
    days, *first = kept_days.days_of("XNYS")
    *second, imported = asked("XNYS", cache)
    assert [days.tolist(), *first] == second == [expected, f"exchange_calendars {exchange_calendars.__version__}", 7_305, 29_219]  # 1990-01-01, 2049-12-31
    assert not imported


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda _: b""],
                         ids=["cut", "another day", "empty"])
def test_a_damaged_file_is_made_again(cache, monkeypatch, damage):
    monkeypatch.delitem(sys.modules, "exchange_calendars", raising=False)
    days, *said = kept_days.days_of("XNYS")
    (kept,) = (cache / "calendars").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    monkeypatch.delitem(sys.modules, "exchange_calendars", raising=False)
    again, *same = kept_days.days_of("XNYS")
    assert (again.tolist(), same) == (days.tolist(), said)
    assert kept.read_bytes() == whole
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


def test_a_calendar_that_the_user_registered_is_neither_read_nor_kept(cache):
    """Under a name of the library's: kept days of it must not stand in for his."""
    kept_days.days_of("XNYS")
    kept = {file.name: file.read_bytes() for file in (cache / "calendars").iterdir()}
    own = """
import exchange_calendars as library
from exchange_calendars.always_open import AlwaysOpenCalendar
class Mine(AlwaysOpenCalendar):
    @property
    def weekmask(self):
        return "1000000"
library.register_calendar_type("XNYS", Mine, force=True)
"""
    days, *_ = asked("XNYS", cache, before=own)
    assert {(day + 3) % 7 for day in days} == {0}, "1970-01-01 was a Thursday: Mondays only"
    assert {file.name: file.read_bytes() for file in (cache / "calendars").iterdir()} == kept


def test_an_unknown_calendar_is_refused_and_leaves_nothing(cache):
    with pytest.raises(UnknownName, match="did you mean .XNZE."):
        kept_days.days_of("XNYZ")
    assert not (cache / "calendars").exists()


def test_where_nothing_can_be_kept_the_days_are_the_same(cache, exchange_calendars):
    (cache / "calendars").write_text("a file in the way")
    days, *_ = kept_days.days_of("XNYS")
    assert len(days) == len(exchange_calendars.get_calendar("XNYS", start=str(FIRST), end=str(LAST)).sessions)
