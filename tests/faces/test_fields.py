# SPDX-License-Identifier: Apache-2.0
"""What a class may declare, and what is refused when it is built, with the field, the rule and the value."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from kilohour import Index, Indicator, IntRing, Product, Ring, Strategy, index, indicator, product, state
from kilohour.errors import CannotCompile, UnknownName, UsageError
from kilohour.faces.fields import dtype_of, fields_of, tag_of
from kilohour.indicators import RollingMean, RollingZ


class Span(Indicator):
    window: int = 4
    weight: float = 0.5
    rising: bool = False
    count: int = state(0)
    ring: Ring
    whole: IntRing


class Base(Strategy):
    note: ClassVar[str] = "not a field"
    window: int = 20
    entry: float = 2
    only_long: bool = True
    chip: Product = product("SIM:H100")
    series: Index = index("SIM-ADOPTION")
    seen: float = state(0)
    by_order: Span = indicator(Span, "window", "entry", "only_long")
    by_name: Span = indicator(Span, weight="entry", window=7)
    bare: Span = indicator(Span)


class Longer(Base):
    window = 90
    extra: int = 3


def test_fields_come_in_order_with_their_kinds_and_bases_first():
    table = [(f.name, f.kind, f.is_parameter) for f in fields_of(Longer)]
    assert table == [
        ("window", "int", True), ("entry", "float", True), ("only_long", "bool", True), ("chip", "product", True),
        ("series", "index", True), ("seen", "float", False), ("by_order", "part", False), ("by_name", "part", False),
        ("bare", "part", False), ("extra", "int", True),
    ]  # fmt: skip
    assert [f.default for f in fields_of(Longer) if f.name in ("window", "entry", "seen")] == [90, 2.0, 0.0]
    assert all(type(f.default) is float for f in fields_of(Base) if f.kind == "float")


def test_an_inherited_class_is_another_record_and_leaves_its_base_alone():
    assert fields_of(Base)[0].default == 20
    assert tag_of(Base) != tag_of(Longer)


def test_bindings_by_order_by_name_and_constant():
    face = Longer(entry=3, only_long=False)
    assert (face.by_order.window, face.by_order.weight, bool(face.by_order.rising)) == (90, 3.0, False)
    assert (face.by_name.window, face.by_name.weight) == (7, 3.0)
    assert (face.bare.window, face.bare.weight, face.bare.count) == (4, 0.5, 0)
    assert bool(Base().by_order.rising) is True


def test_an_int_may_enter_a_float_and_stays_a_float():
    entry = Base(entry=1).entry
    assert type(entry) is float
    assert entry == 1.0


@pytest.mark.parametrize("values, words", [
    ({"window": 20.5}, "Base.window must be an int, found 20.5"),
    ({"window": 20.0}, "Base.window must be an int, found 20.0"),
    ({"window": True}, "Base.window must be an int, found True"),
    ({"window": "20"}, "Base.window must be an int, found '20'"),
    ({"window": 2**63}, "Base.window must fit into 64 bits, found 9223372036854775808"),
    ({"entry": "2"}, "Base.entry must be a float, found '2'"),
    ({"entry": None}, "Base.entry must be a float, found None"),
    ({"only_long": 1}, "Base.only_long must be a bool, found 1"),
    ({"windw": 3}, "unknown field 'windw' in Base; did you mean 'window'?"),
])
def test_a_wrong_value_names_field_rule_and_value(values, words):
    with pytest.raises(UsageError) as caught:
        Base(**values)
    assert words in str(caught.value)


def test_numpy_numbers_are_numbers():
    face = Base(window=np.int64(5), entry=np.float32(1.5), only_long=np.bool_(False))
    assert (face.window, face.entry, bool(face.only_long)) == (5, 1.5, False)


def test_a_window_beyond_the_capacity_is_refused_at_construction():
    class Wide(Strategy):
        window: int = 60
        z: RollingZ = indicator(RollingZ, "window", capacity=100)

    assert Wide(window=100).z.window == 100
    with pytest.raises(UsageError, match=r"^RollingZ\.window must be from 2 to 100 \(its capacity\), found 101$"):
        Wide(window=101)


def test_capacity_sets_the_rings():
    assert len(Span(capacity=3).ring) == 3
    assert len(Span(capacity=3).whole) == 3
    assert dtype_of(Span, 3)["ring"].shape == (3,)


@pytest.mark.parametrize("bad", [0, -1, 2.5, True, "many"])
def test_a_capacity_is_a_whole_number(bad):
    with pytest.raises(UsageError, match="Span: capacity must be a whole number of at least 1"):
        indicator(Span, capacity=bad)


def test_what_cannot_be_bound_is_refused():
    with pytest.raises(UnknownName, match="unknown field 'windw' in Span; did you mean 'window'"):
        indicator(Span, windw=3)
    with pytest.raises(UsageError, match="Span has 4 fields, found 5 values"):
        indicator(Span, 1, 2.0, True, 0, 5)

    class Misbound(Strategy):
        window: int = 3
        span: Span = indicator(Span, "windo")

    with pytest.raises(UnknownName, match=r"unknown field 'windo' in Misbound\.span; did you mean 'window'"):
        Misbound()

    class FloatWindow(Strategy):
        width: float = 3.5
        span: Span = indicator(Span, "width")

    with pytest.raises(UsageError, match=r"Span\.window must be an int, found 3\.5"):
        FloatWindow()


def test_a_marker_without_annotation_is_refused():
    class Forgot(Strategy):
        span = indicator(Span)

    with pytest.raises(UsageError, match=r"Forgot\.span has no annotation"):
        fields_of(Forgot)


@pytest.mark.parametrize("code", [None, "SIM:H100", index("SIM-H100")])
def test_a_product_is_given_as_product(code):
    class Face(Strategy):
        chip: Product = code

    with pytest.raises(UsageError, match=r'Face\.chip must be given as product\("CODE"\)'):
        fields_of(Face)


def test_a_wrong_default_is_refused_when_the_class_is_read():
    class Face(Strategy):
        window: int = 2.5  # type: ignore[assignment]

    with pytest.raises(UsageError, match=r"Face\.window must be an int, found 2\.5"):
        fields_of(Face)


def test_an_unknown_annotation_is_refused():
    class Face(Strategy):
        window: Nowhere = 3  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(CannotCompile, match="an annotation names something unknown"):
        fields_of(Face)


class Free(Strategy):
    interpreted = True
    history: list[float] = []
    started: dict[str, Any] = state({})


def test_python_fields_belong_to_one_object_each():
    one, other = Free(), Free()
    one.history.append(1.0)
    one.started["a"] = 1
    assert other.history == []
    assert other.started == {}
    assert Free.history == []


def test_an_indicator_holds_no_python_objects():
    class Remembers(Indicator):
        values: list[float] = []

    with pytest.raises(UsageError, match=r"Remembers\.values: an indicator holds numbers, rings and indicators only"):
        indicator(Remembers)


def test_parts_nest_to_any_depth():
    class Pair(Indicator):
        window: int = 3
        fast: RollingMean = indicator(RollingMean, "window", capacity=8)
        slow: RollingMean = indicator(RollingMean, 8, capacity=8)

    class Two(Strategy):
        width: int = 5
        pair: Pair = indicator(Pair, "width")

    face = Two(width=6)
    assert (face.pair.fast.window, face.pair.slow.window) == (6, 8)
    with pytest.raises(UsageError, match=r"RollingMean\.window must be from 1 to 8 \(its capacity\), found 9"):
        Two(width=9)
