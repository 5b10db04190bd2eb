# SPDX-License-Identifier: Apache-2.0
"""The report in a real browser, without network: no error, every figure drawn, no page wider than its window."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from kilohour.reports.report import write_report

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--in-process-gpu", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--enable-logging=stderr", "--window-size=1900,2000", "--virtual-time-budget=10000", "--dump-dom",
]  # fmt: skip
PROBE = r"""<script>
const trouble = [];
addEventListener("error", (event) => trouble.push(String(event.message)));
addEventListener("securitypolicyviolation", (event) => trouble.push("blocked " + event.blockedURI));
addEventListener("load", () => setTimeout(() => parent.postMessage({
  kind: location.pathname.match(/(\w+)\.html$/)[1], width: innerWidth, page: document.documentElement.scrollWidth, trouble,
  missing: [...document.querySelectorAll(".figure")].filter(
    (f) => !f.closest("details:not([open])") && !f.querySelector(".main-svg")).map((f) => f.id),
  loaded: performance.getEntriesByType("resource").map((entry) => entry.name),
}, "*"), 1500));
</script>"""
FRAME = """<body><pre id="said"></pre><script>
addEventListener("message", (event) => { said.textContent += JSON.stringify(event.data) + "\\n"; });
</script>"""


RUNS = {"trades": {"days": 200, "products": ("SIM:H100", "SIM:B200")}, "nothing": {"days": 0, "trade": False, "records": False}}


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: the report is not opened in a browser")
def test_opens_offline_at_desk_and_phone_width(make_run, tmp_path):
    frames = ""
    for kind, options in RUNS.items():
        page = write_report(make_run(kind, **options))
        # The probe comes first in the page, so that it hears every error; the page is otherwise as written.
        probed = tmp_path / f"{kind}.html"
        probed.write_text(page.read_text(encoding="utf-8").replace("<title>", PROBE + "<title>", 1), encoding="utf-8")
        frames += "".join(
            f'<iframe src="{probed.as_uri()}" style="width:{w}px;height:900px;border:0"></iframe>' for w in (1400, 390)
        )
    (tmp_path / "frame.html").write_text(FRAME + frames, encoding="utf-8")
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    answers = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.S)
    assert answers is not None, done.stderr[-2000:]
    said = [json.loads(line) for line in answers.group(1).split("\n") if line]
    opened = {(answer["kind"], answer["width"]) for answer in said}
    assert opened == {(kind, width) for kind in RUNS for width in (390, 1400)}
    assert len(said) == len(opened)
    for answer in said:
        assert answer["trouble"] == []
        assert answer["missing"] == []
        assert answer["loaded"] == []
        assert answer["page"] <= answer["width"]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if re.search(r":(ERROR|WARNING):CONSOLE|Uncaught|Refused|rror:", line)]
