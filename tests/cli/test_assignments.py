# SPDX-License-Identifier: Apache-2.0
"""``--set``: ranges and lists as values."""

import pytest

from kilohour.cli.assignments import grid_of, values_of
from kilohour.cli.sweep import share
from kilohour.errors import UsageError
from kilohour.strategies.calendar_spread import CalendarSpread

# text given for a field -> its values, worked by hand
TABLE = """
window   60                60
window   20:60:10          20 30 40 50 60
window   20:65:10          20 30 40 50 60
window   60:20:-20         60 40 20
window   20,90,30          20 90 30
window   20,20:40:10,90    20 30 40 90
window   60:60:5           60
entry    1,1.5,2           1.0 1.5 2.0
entry    0.1:0.7:0.1       0.1 0.2 0.3 0.4 0.5 0.6 0.7
entry    1e0:1e1:4.5       1.0 5.5 10.0
product  SIM:H100,SIM:B200 SIM:H100 SIM:B200
"""


@pytest.mark.parametrize("row", [line.split() for line in TABLE.split("\n") if line])
def test_values(row):
    name, text, *expected = row
    found = values_of(CalendarSpread, name, text)
    assert [str(value) for value in found] == expected
    assert len({type(value) for value in found}) == 1


def test_a_field_with_one_value_is_no_axis_of_the_grid():
    assert grid_of(CalendarSpread, ["window=20,30", "lots=5"]) == ({"window": [20, 30]}, {"lots": 5})


@pytest.mark.parametrize(("text", "value"), [("30%", 0.3), ("0.3", 0.3), ("0", 0.0), ("12.5%", 0.125)])
def test_share(text, value):
    assert share(text) == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize("text", ["-1%", "1", "100%", "nan", "a third", "%", ""])
def test_share_is_refused(text):
    with pytest.raises(UsageError, match="out-of-sample must be a share"):
        share(text)
