# SPDX-License-Identifier: Apache-2.0
"""Finds a strategy class: a built-in name, an installed plug-in, ``path/to/file.py:Class``, or a class as it stands."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from kilohour.errors import StrategyRaised, UnknownName, UsageError
from kilohour.faces.fields import fields_of
from kilohour.strategies import BUILT_IN
from kilohour.strategy import Strategy

GROUP = "kilohour.strategies"
RESERVED = frozenset({"strategy", "tape", "grid", "cash", "cash_rate", "start", "end", "assume", "contracts", "venue", "interpreted",
                      "fills", "limits", "feeds", "out", "progress", "out_of_sample", "cores", "cuts", "warm_up", "allow",
                      "already_read", "scenario", "paths", "first_seed"})


def strategy_class(strategy: str | type[Strategy]) -> type[Strategy]:
    """The class behind a name, a path or itself.

    Raises :class:`UnknownName` with the nearest name, :class:`UsageError` when it is not a strategy, and
    :class:`StrategyRaised` when the user's file fails while it is read.
    """
    if isinstance(strategy, str):
        found: Any = _from_file(strategy) if ".py" in strategy else _from_name(strategy)
    else:
        found = strategy
    if is_backtrader(found):
        from kilohour.execution.bridge.relay import relay_of

        found = relay_of(found)
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise UsageError(f"a strategy must be a class that derives from kilohour.Strategy, found {found!r}")
    if found.on_bar is Strategy.on_bar:
        raise UsageError(f"{found.__name__} has no on_bar(self, desk)")
    taken = [f.name for f in fields_of(found) if f.name in RESERVED]
    if taken:
        raise UsageError(f"{found.__name__}.{taken[0]}: a field cannot have the name of an argument of backtest() or sweep(); rename it")
    return found


def is_backtrader(found: object) -> bool:
    """True for a class that derives from ``backtrader.Strategy``; known by name, for backtrader need not be there."""
    return isinstance(found, type) and any(c.__module__ == "backtrader.strategy" and c.__name__ == "Strategy" for c in found.__mro__)


def strategy_names() -> tuple[str, ...]:
    """Built-in names and installed plug-ins."""
    return tuple(sorted({*BUILT_IN, *(point.name for point in _plug_ins())}))


def _plug_ins() -> Any:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _from_name(name: str) -> Any:
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    for point in _plug_ins():
        if point.name == name:
            try:
                return point.load()
            except Exception as error:
                from kilohour.faces.traceback import user_traceback

                raise StrategyRaised(f"the plug-in {name!r} ({point.value}) failed while it was read\n{user_traceback(error)}") from error
    raise UnknownName("strategy", name, strategy_names(), where="the built-in ones and the installed plug-ins (or path/to/file.py:Class)")


def _from_file(text: str) -> Any:
    path_text, _, name = text.partition(":")
    path = Path(path_text).resolve()
    if not path.is_file():
        raise UsageError(f"strategy: no such file {path_text!r}")
    module = _load(path)
    classes = {k: v for k, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__
               and (issubclass(v, Strategy) or is_backtrader(v))}
    if not name:
        if len(classes) != 1:
            raise UsageError(f"{path_text} holds {len(classes)} strategies ({', '.join(classes) or 'none'}): name one as {path_text}:Class")
        return next(iter(classes.values()))
    if not hasattr(module, name):
        raise UnknownName("strategy", name, classes, where=path_text)
    return getattr(module, name)


def _load(path: Path) -> Any:
    name = f"kilohour_user_{path.stem}_{hashlib.blake2b(str(path).encode() + path.read_bytes(), digest_size=4).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, ModuleNotFoundError) and error.name == "backtrader":
            raise UsageError(f"{path.name} needs backtrader, which the extra brings: pip install 'kilohour[backtrader]'") from None
        from kilohour.faces.traceback import user_traceback

        raise StrategyRaised(f"{path.name} failed while it was read\n{user_traceback(error)}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module
