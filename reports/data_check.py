# SPDX-License-Identifier: Apache-2.0
"""The findings of ``kilohour data check`` as one small page that needs no network and holds no chart library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kilohour.reports.page import empty, escape, number, section, table, tiles, write_page

MEANING = {
    "gap": "nothing for longer than is usual",
    "missing bar": "no bar on a day on which the product has some",
    "missing mark": "a bar and no settlement that day",
    "missing print": "a fixing day without a print known by the settlement",
    "window before prints": "fixing days before the index begins",
    "bar outside listing": "a bar before the listing or after the last trade",
    "missing final": "a contract past its settlement that nothing settles",
    "settled twice": "a second final settlement that is no correction",
    "out of order": "an event that could be known before the one it follows",
    "duplicated row": "the same thing said twice",
    "unit slip": "8 or 100 times what it was or is elsewhere: a whole node, or cents",
    "outlier": "a value beyond those on both sides of it",
    "stale": "no change where the series moves otherwise",
    "weekend": "a weekend's value in a series that has few",
    "outside neighbours": "far from what is next to it: other months, other zones and providers",
    "level break": "the method of the series changed: no difference is taken across it",
}
"""What each rule says, in a sentence."""


def write_check(path: Path, checked: Mapping[str, Any]) -> Path:
    """Writes the page of what ``data check`` found: ``kind``, the folder under that name, ``errors``, ``warnings``, ``findings``."""
    findings = checked["findings"]
    folder = str(checked[checked["kind"]])
    head = f"<h1>{escape(Path(folder).name)}</h1><p class='lead'>{escape(checked['kind'])} in {escape(folder)}</p>"
    boxes = tiles([("Errors", number(checked["errors"]), "a run or an index could not trust it"),
                   ("Warnings", number(checked["warnings"]), "to look at; not always faults")])  # fmt: skip
    counted = Counter((row["rule"], row["grade"]) for row in findings)
    times = Counter[str]()
    for row in findings:
        times[row["rule"]] += row["count"]
    rules = [(escape(rule), escape(grade), number(count), number(times[rule]), escape(MEANING.get(rule, "")))
             for (rule, grade), count in sorted(counted.items(), key=lambda one: (one[0][1], one[0][0]))]  # fmt: skip
    rows = []
    for row in sorted(findings, key=lambda row: row["grade"]):
        words = [escape(row[name]) for name in ("grade", "contract", "rule", "day")]
        rows.append([*words, number(row["count"]), escape(row["detail"])])
    body = [head, boxes]
    if findings:
        by_rule = table(("Rule", "Grade", "Findings", "Times", "Meaning"), rules, text=2, words="Meaning")
        every = table(("Grade", "Of", "Rule", "First day", "Count", "Detail"), rows, text=4, words="Detail")
        body += [section("rules", "By rule", by_rule), section("findings", "All findings", every)]
    else:
        body.append(empty("Nothing found: every check passed."))
    return write_page(path, f"Check of {Path(folder).name}", "".join(body), charts=False)
