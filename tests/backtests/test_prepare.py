# SPDX-License-Identifier: Apache-2.0
"""Names, values and terms are checked before the first event."""

from __future__ import annotations

import datetime as dt
import math

import pytest

import kilohour as kh
from kilohour import Index, Product, Strategy, index, product, state
from kilohour.backtests.prepare import checked_cash, parameter_values, parse_parameter, prepare
from kilohour.errors import KilohourError, UnknownName, UsageError
from kilohour.units import NANOS_PER_DAY, date_of
from tests.backtests.tapes import sim_tape


class Plain(Strategy):
    window: int = 20
    entry: float = 2.0
    only_long: bool = False
    chip: Product = product("SIM:H100")
    calls: int = state(0)

    def on_bar(self, desk):
        self.calls += 1


class Series(Plain):
    series: Index = index("SIM-H100")


class Anything(Strategy):
    calls: int = state(0)

    def on_bar(self, desk):
        self.calls += 1


TAPE = sim_tape(days=10, products=("SIM:H100", "SIM:B200"))


@pytest.mark.parametrize("name, text, value", [
    ("window", "90", 90), ("window", "-3", -3), ("entry", "1", 1.0), ("entry", "1e-3", 0.001), ("only_long", "true", True),
    ("only_long", "False", False), ("chip", "SIM:B200", "SIM:B200"),
])
def test_text_becomes_the_fields_kind(name, text, value):
    found = parse_parameter(Plain, name, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("name, text, words", [
    ("window", "2.5", "Plain.window must be a whole number, found '2.5'"),
    ("window", "1e3", "Plain.window must be a whole number, found '1e3'"),
    ("window", "", "Plain.window must be a whole number, found ''"),
    ("entry", "two", "Plain.entry must be a number, found 'two'"),
    ("entry", "nan", "Plain.entry must be finite, found 'nan'"),
    ("entry", "-inf", "Plain.entry must be finite, found '-inf'"),
    ("only_long", "1", "Plain.only_long must be true or false, found '1'"),
    ("windw", "3", "unknown field 'windw' in Plain; did you mean 'window'"),
    ("calls", "3", "unknown field 'calls' in Plain"),
])
def test_wrong_text_names_field_rule_and_value(name, text, words):
    with pytest.raises(UsageError) as caught:
        parse_parameter(Plain, name, text)
    assert words in str(caught.value)


def test_entry_one_stays_a_float_all_the_way():
    values = parameter_values(Plain, {"entry": 1})
    assert type(values["entry"]) is float
    session = prepare(Plain, TAPE, parameters={"entry": 1}).session(quiet=True)
    assert session.state["entry"].dtype.kind == "f"
    assert session.state["entry"][0] == 1.0


@pytest.mark.parametrize("parameters, words", [
    ({"window": 2.5}, "Plain.window must be an int, found 2.5"),
    ({"entry": math.nan}, "Plain.entry must be finite, found nan"),
    ({"entry": math.inf}, "Plain.entry must be finite, found inf"),
    ({"calls": 1}, "unknown field 'calls' in Plain"),
    ({"chip": 3}, "Plain.chip must be the code of a product, found 3"),
    ({"chip": "SIM:H10"}, "unknown product 'SIM:H10' in this tape; did you mean 'SIM:H100'"),
    ({"chip": "NYMEX:CL"}, "unknown product 'NYMEX:CL' in this tape"),
])
def test_wrong_parameters_are_refused(parameters, words):
    with pytest.raises(UsageError) as caught:
        prepare(Plain, TAPE, parameters=parameters)
    assert words in str(caught.value)


def test_an_unknown_series_names_the_nearest():
    with pytest.raises(UnknownName, match="unknown series 'SIM-H10' in this tape; did you mean 'SIM-H100'"):
        prepare(Series, TAPE, parameters={"series": "SIM-H10"})


@pytest.mark.parametrize("cash", [0, -1.0, math.nan, math.inf, 2e12])
def test_cash_is_a_positive_amount(cash):
    with pytest.raises(UsageError, match="cash must be above 0 and at most 1e12 USD"):
        checked_cash(cash)


def test_cash_is_kept_in_micros():
    assert checked_cash(1_000.25) == 1_000_250_000


def test_a_strategy_sees_its_products_only_and_one_without_sees_all():
    one, all_of_them = (prepare(face, TAPE, parameters={}) for face in (Plain, Anything))
    assert one.market.products == ("SIM:H100",)
    assert set(all_of_them.market.products) == {"SIM:H100", "SIM:B200"}
    assert set(one.market.tape.product_codes) == {"SIM:H100"}


def test_each_session_has_memory_of_its_own():
    prepared = prepare(Plain, TAPE, parameters={"window": 3})
    first, second = prepared.session(quiet=True), prepared.session(quiet=True, window=7)
    first.run(len(prepared.market.tape))
    assert (first.state["calls"][0], second.state["calls"][0]) == (10, 0)
    assert (first.state["window"][0], second.state["window"][0]) == (3, 7)
    assert prepared.market.desk["now"][0] == 0


@pytest.mark.parametrize("options, words", [
    ({"start": "2024-13-01"}, "from must be a day such as 2024-01-31, found '2024-13-01'"),
    ({"end": "soon"}, "to must be a day such as 2024-01-31, found 'soon'"),
    ({"assume": ["nowhere.toml"]}, "nowhere.toml"),
    ({"windw": 3}, "unknown field 'windw' in Plain; did you mean 'window'"),
])
def test_a_backtest_refuses_in_one_line(options, words):
    with pytest.raises(KilohourError) as caught:
        kh.backtest(Plain, TAPE, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_from_and_to_are_both_included():
    day = date_of(TAPE.start // NANOS_PER_DAY)
    run = kh.backtest(Anything, TAPE, start=day + dt.timedelta(1), end=str(day + dt.timedelta(3)))
    assert run.result["bars"] == 3 * 4


def test_the_run_is_named_and_says_its_parameters():
    run = kh.backtest(Plain, TAPE, entry=1, interpreted=True)
    assert run.result["parameters"] == {"window": 20, "entry": 1.0, "only_long": False, "chip": "SIM:H100"}
    assert run.manifest["face"] == "interpreted"
    assert kh.backtest(Plain, TAPE).manifest["face"] == "compiled"
