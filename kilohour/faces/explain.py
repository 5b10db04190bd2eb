# SPDX-License-Identifier: Apache-2.0
"""numba's error, many pages long, as one line: the user's line and the reason."""

from __future__ import annotations

import re

from kilohour.faces.syntax import WAYS_OUT
from kilohour.faces.traceback import is_users

_PLACE = re.compile(r"at (\S.*?) \((\d+)\)")
_NOISE = ("Failed in nopython", "- Resolution failure", "During:", "File ", "None", "<source", "Enable", "[")
_LONGEST = 240


def explain(error: Exception, face: type) -> str:
    """The innermost of the user's lines that numba was at, and the first thing it says that is not about itself."""
    text = str(error)
    places = [(file, line) for file, line in _PLACE.findall(text) if is_users(file)]
    place = f"{places[0][0]}:{places[0][1]}" if places else face.__name__
    return f"{place}: cannot be compiled: {_reason(text) or type(error).__name__}; {WAYS_OUT}"


def _reason(text: str) -> str:
    missing = re.search(r'due to "TypeError: ([^"]*)"', text)
    if missing:
        return missing.group(1)
    for line in (line.strip() for line in text.splitlines()):
        if line and not line.startswith(_NOISE):
            plain = re.sub(r"Record\([^()]*(\([^()]*\)[^()]*)*\)", "a record", line)
            return plain if len(plain) <= _LONGEST else plain[:_LONGEST] + "..."
    return ""
