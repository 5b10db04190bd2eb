# SPDX-License-Identifier: Apache-2.0
"""One offline HTML page: text, tables, figures as JSON, plotly.js inlined. Nothing outside the file is ever loaded."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.errors import EngineError
from kilohour.reports.charts.style import Figure

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; worker-src blob:"
)
"""The browser is told to load nothing: a figure that tried would fail loudly. plotly.js compiles 3-D code, so eval."""


def escape(text: object) -> str:
    """Text made safe for HTML, in element and attribute."""
    return html.escape(str(text), quote=True)


def usd(micros: int | None, places: int = 0, *, sign: bool = False) -> str:
    """Dollars with thousands separators and a real minus sign; exact, half-even, from integer micros.

    >>> usd(-1234567890), usd(1500000, 2, sign=True), usd(None)
    ('−$1,235', '+$1.50', 'n/a')
    """
    if micros is None:
        return "n/a"
    from decimal import ROUND_HALF_EVEN, Decimal

    # Rounding is named: a library in the same process (ccxt does) may have set another one for all decimals.
    value = Decimal(abs(int(micros))).scaleb(-6).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    mark = "−" if micros < 0 and value else "+" if sign and value else ""
    return f"{mark}${value:,.{places}f}"


def percent(fraction: float | None, places: int = 1, *, sign: bool = False) -> str:
    """A fraction as percent with a real minus sign.

    >>> percent(0.1234), percent(-0.5, 0), percent(None)
    ('12.3%', '−50%', 'n/a')
    """
    return "n/a" if fraction is None else number(fraction * 100.0, places, sign=sign) + "%"


def number(value: float | None, places: int = 0, *, sign: bool = False) -> str:
    """A number with thousands separators and a real minus sign.

    >>> number(-12345.678, 2), number(None), number(-0.0001)
    ('−12,345.68', 'n/a', '0')
    """
    if value is None:
        return "n/a"
    text = f"{abs(value):,.{places}f}"
    zero = not any(digit in "123456789" for digit in text)
    return ("−" if value < 0 and not zero else "+" if sign and not zero else "") + text


def table(
    head: Sequence[str],
    body: Iterable[Sequence[str]],
    *,
    text: int = 1,
    words: str = "",
    total: bool = False,
    tall: bool = False,
) -> str:
    """A table in a box that scrolls by itself.

    Cells are HTML; the first ``text`` columns and the one named ``words`` are set left, the others right.
    """
    classes = ["left" if place < text or name == words else "right" for place, name in enumerate(head)]
    head_row = "".join(f'<th class="{c}" scope="col">{escape(h)}</th>' for c, h in zip(classes, head, strict=True))
    lines = [
        "<tr>" + "".join(f'<td class="{c}">{cell}</td>' for c, cell in zip(classes, row, strict=True)) + "</tr>"
        for row in body
    ]
    if total and lines:
        lines[-1] = lines[-1].replace("<tr>", '<tr class="total">', 1)
    box = "box tall" if tall else "box"
    rows = f"<thead><tr>{head_row}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="{box}" tabindex="0"><table>{rows}</table></div>'


def fields(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values, a line each; values are HTML."""
    return "<dl>" + "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in pairs) + "</dl>"


def tiles(boxes: Iterable[tuple[str, str, str]]) -> str:
    """Headline numbers: (name, value, a word more)."""
    told = "".join(
        f'<div class="tile"><div class="name">{name}</div><div class="value">{value}</div>'
        f'<div class="more">{more}</div></div>'
        for name, value, more in boxes
    )
    return f'<div class="tiles" id="headline">{told}</div>'


def section(key: str, title: str, *parts: str, lead: str = "") -> str:
    """A section of the page; ``lead`` is a plain sentence under the title."""
    said = f'<p class="lead">{lead}</p>' if lead else ""
    return f'<section id="{key}"><h2>{escape(title)}</h2>{said}{"".join(parts)}</section>'


def details(summary: str, *parts: str, is_open: bool = False) -> str:
    """A part the reader opens, or finds open where there is room."""
    return f"<details{' open' if is_open else ''}><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def empty(sentence: str) -> str:
    """The sentence that stands where there is nothing to show."""
    return f'<p class="none">{escape(sentence)}</p>'


def figure(key: str, content: Figure, label: str) -> str:
    """A place for a figure, and the figure; drawn by the page's script. ``label`` says in words what it shows."""
    height = int(content["layout"]["height"])
    data = json.dumps(content, default=_packed, allow_nan=False, separators=(",", ":")).replace("</", "<\\/")
    return (
        f'<div class="figure" id="figure-{key}" role="img" aria-label="{escape(label)}" '
        f'style="height:{height}px"></div>'
        f'<script type="application/json" data-figure="figure-{key}">{data}</script>'
    )


_PACKED = {"float64": "f8", "float32": "f4", "int32": "i4", "int16": "i2", "int8": "i1"}


def _packed(value: Any) -> Any:
    # plotly.js reads typed arrays as base64; it knows no 64-bit integers, so those travel as 32 bits or floats.
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a figure must hold plain values and arrays, found {type(value).__name__}")
    if value.dtype == np.int64:
        small = not value.size or (value.min() >= -(2**31) and value.max() < 2**31)
        value = value.astype(np.int32 if small else np.float64)
    packed: dict[str, Any] = {"dtype": _PACKED[value.dtype.name]}
    packed["bdata"] = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
    if value.ndim > 1:
        packed["shape"] = ", ".join(str(length) for length in value.shape)
    return packed


def write_page(path: Path, title: str, body: str, *, charts: bool = True) -> Path:
    """Writes the page beside its target and moves it there, so that no half-written page is ever seen.

    Without ``charts`` it holds no chart library, and a hundredth of the bytes.
    """
    here = Path(__file__).parent
    style = (here / "report.css").read_text(encoding="utf-8")
    script = (here / "report.js").read_text(encoding="utf-8")
    head = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{style}</style></head><body><main>'
    )
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as out:
        out.write(head.encode())
        out.write(body.encode())
        out.write(b"</main>")
        for code in (_plotly_js(), script.encode()) if charts else ():
            out.write(b"<script>" + code + b"</script>")
        out.write(b"</body></html>\n")
    os.replace(temporary, path)
    return path


def _plotly_js() -> bytes:
    # Read as a file: importing plotly would cost more than the rest of the report.
    from importlib.util import find_spec

    spec = find_spec("plotly")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(place) / "package_data" / "plotly.min.js"
        if file.is_file():
            return file.read_bytes()
    raise EngineError("plotly must be installed with its package_data/plotly.min.js; found none")
