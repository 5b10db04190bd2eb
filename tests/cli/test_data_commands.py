# SPDX-License-Identifier: Apache-2.0
"""``kilohour data index`` and ``data curve``: what they print and write, and how bad input ends."""

import datetime as dt
import json

import pytest

from kilohour.contracts import Registry
from kilohour.curves import Launch, search
from kilohour.curves.report import report_of
from kilohour.datafeeds.quotes import Quote, Quotes
from kilohour.tape import Kind, Tape
from kilohour.units import nanos_of


@pytest.fixture
def quotes(here):
    rows = []
    for day in range(1, 9):
        seen = nanos_of(dt.datetime(2026, 3, day, 12, tzinfo=dt.UTC))
        for who, price in (("a", 2_000_000), ("b", 2_500_000), ("c", 4_000_000)):
            rows.append(Quote(seen=seen, quoted=seen, price=price + 1000 * day, provider=who, segment="neocloud", chip="H100",
                              term="on-demand", source="by hand"))  # fmt: skip
    Quotes.of(rows).save(here / "quotes")
    return here / "quotes"


def test_an_index_becomes_a_tape_of_prints_with_what_one_provider_could_do(kilohour, here, quotes):
    ended = kilohour(f"data index neocloud-median --quotes {quotes} --out index --html index.html --json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert (told["prints"], told["first"], told["last"], told["last_value_micros"]) == (8, "2026-03-01", "2026-03-08", 2_508_000)
    worst = told["influence"][0]
    # b is the middle one at 2.5045 on average: half more stops at 3.756750, half less at a's 2.0045
    assert (worst["provider"], worst["settlement_micros"]) == ("b", 2_504_500)
    assert worst["moved_micros"] == {"-0.5": -500_000, "-0.1": -250_450, "+0.1": 250_450, "+0.5": 1_252_250}
    tape = Tape.load(here / "index")
    assert tape.frame(Kind.PRINT)["close"].tolist() == [2.501, 2.502, 2.503, 2.504, 2.505, 2.506, 2.507, 2.508]
    page = (here / "index.html").read_text(encoding="utf-8")
    assert "One provider could move" in page
    assert "http://" not in page.split("<script>")[0]


def test_an_index_for_a_person(kilohour, here, quotes):
    ended = kilohour(f"data index neocloud-median --quotes {quotes} --out index")
    assert ended.code == 0
    assert "What one provider alone could do to the mean of 202603, 2.5045 USD" in ended.out
    assert kilohour("data show index").code == 0


def test_a_curve_as_known_on_a_day(kilohour, here, tape_folder):
    ended = kilohour(f"data curve SIM:B200 --tape {tape_folder} --on 2026-08-14 --launch 2027-01-05:-0.2:0.05 --html c.html --json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told["contracts"][0]["code"] == "SIM:B200-2026-08"
    assert told["contracts"][0]["fixed_days"] + told["contracts"][0]["open_days"] == 21
    assert told["launches"][0]["years"] == pytest.approx(144 / 365)
    months = {row["code"][-7:]: row["price_micros"] for row in told["contracts"]}
    quarter = sum(months[f"2027-0{m}"] for m in (1, 2, 3)) / 3
    assert told["strips_micros"]["2027Q1"] == round(quarter)
    assert "The curve with its fit and band" in (here / "c.html").read_text(encoding="utf-8")


def test_a_curve_for_a_person(kilohour, tape_folder):
    ended = kilohour(f"data curve SIM:H100 --tape {tape_folder} --on 2026-08-14 --strips hours")
    assert ended.code == 0
    assert "Strips by hours" in ended.out
    assert "no launch is in the fit: name those you know with --launch" in ended.out


def test_the_fit_finds_the_mark_down_that_the_market_was_made_with(tape):
    """Launches of 2027-01-05 and 2028-06-01, each over half a year, take a fifth: told as 10 ± 20 %, seen by the prices themselves."""
    day = dt.date(2026, 8, 14)
    launches = [Launch((dt.date(*at) - day).days / 365, -0.10, 0.20, 0.5) for at in ((2027, 1, 5), (2028, 6, 1))]
    report = report_of(tape, Registry.shipped().product("SIM:B200"), day, launches, "lots")
    assert [step.jump for step in report.fit.shape.steps] == pytest.approx([-0.2, -0.2], abs=0.05)
    assert report.fit.misfit < report_of(tape, Registry.shipped().product("SIM:B200"), day, [], "lots").fit.misfit / 2


def test_a_history_finds_the_mark_down_too_and_reads_nothing_later(kilohour, here, tape_folder):
    """160 days until 2026-08-14, launches of the embedded market over half a year: a fifth, within a hundredth."""
    line = f"data curve SIM:H100 --tape {tape_folder} --on 2026-08-14 --launch 2027-01-05 --launch 2028-06-01 --history --json --html c.html"
    told = json.loads(kilohour(line).out)["two_factor"]
    assert told["days"] > 120
    assert set(told["errors"]) >= {"reversion", "markdown", "noise"}
    assert told["doubts"] == []
    assert "Two factors over" in (here / "c.html").read_text(encoding="utf-8")
    short = kilohour(f"data curve SIM:H100 --tape {tape_folder} --on 2026-02-14 --history")
    assert short.code == 2
    assert "a history needs 60 days of marks, found" in short.err


def test_a_history_whose_fit_is_in_doubt_says_so(kilohour, tape_folder, monkeypatch):
    monkeypatch.setattr(search, "ROUGH_ROUNDS", 0)
    monkeypatch.setattr(search, "ROUNDS", 0)
    ended = kilohour(f"data curve SIM:H100 --tape {tape_folder} --on 2026-04-14 --history")
    assert "- two factors: the search had not come to rest: its next step promises " in ended.out
    assert ended.code == 0


def test_a_day_of_negative_oil_is_shown_and_left_out_of_the_fit(kilohour, here):
    """2020-04-20: May at −37.63 is on the curve and in no fit."""
    days = "".join(f"CL,2020-04-{day},2020{month:02d},{price}\n" for day, prices in ((17, (18.27, 25.03, 29.42)), (20, (-37.63, 20.43, 26.28)))
                   for month, price in zip((5, 6, 7), prices, strict=True))  # fmt: skip
    (here / "strip.csv").write_text("root,date,contract,settle\n" + days, encoding="utf-8")
    (here / "expiries.csv").write_text("root,contract,last_trade\nCL,202005,2020-04-21\nCL,202006,2020-05-19\nCL,202007,2020-06-22\n")
    assert kilohour("data import energy-strip strip.csv --expiries expiries.csv --out oil").code == 0
    ended = kilohour("data curve NYMEX:CL --tape oil --on 2020-04-20 --json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert [row["price_micros"] for row in told["contracts"]] == [-37_630_000, 20_430_000, 26_280_000]
    assert told["unit"] == "USD per barrel"
    ended = kilohour("data curve NYMEX:CL --tape oil --on 2020-04-20 --html oil.html")
    page = (here / "oil.html").read_text(encoding="utf-8")
    for shown in (ended.out, page):
        assert "USD per barrel" in shown
        assert "GPU-hour" not in shown
    assert "left out of the fit, which knows only prices above 0: NYMEX:CL-2020-05" in ended.out
    assert "does not settle on a plain mean of prints" in ended.out


def test_a_tape_of_prints_alone_is_no_tape_to_trade_on(kilohour, here, quotes):
    assert kilohour(f"data index neocloud-median --quotes {quotes} --out index").code == 0
    ended = kilohour("backtest calendar-spread --tape index")
    assert ended.code == 2
    assert ended.err.startswith("kilohour: error: ")
    assert kilohour("data check index").code == 0


BAD = [
    ("data index neocloud-medain --quotes q --out t", "unknown index method 'neocloud-medain'"),
    ("data index neocloud-median --quotes nowhere --out t", "nowhere"),
    ("data index none.toml --quotes q --out t", "none.toml: must be a TOML file of an index method, found nothing there"),
    ("data curve SIM:H100 --tape TAPE --on 14.8.2026", "--on must be a day like 2026-08-14, found '14.8.2026'"),
    ("data curve SIM:H100 --tape TAPE --on 2026-08-14 --launch 2027-01-05:x", "--launch must be DATE[:JUMP[:DEVIATION]], found '2027-01-05:x'"),
    ("data curve SIM:H100 --tape TAPE --on 2026-08-14 --launch 2026-01-05", "a launch must lie ahead"),
    ("data curve SIM:H100 --tape TAPE --on 2020-08-14", "SIM:H100 must have a price of a listed contract by 2020-08-14, found none"),
    ("data curve SIM:H10 --tape TAPE --on 2026-08-14", "unknown product 'SIM:H10' in the registry; did you mean 'SIM:H100'?"),
    ("data curve SIM:H100 --tape TAPE --on 2026-08-14 --strips days", "unknown strip weight 'days'"),
    ("data curve NYMEX:GPU1 --tape TAPE --on 2026-08-14", "unknown product 'NYMEX:GPU1' in this tape"),
]


@pytest.mark.parametrize(("line", "message"), BAD)
def test_bad_input_ends_in_one_line(kilohour, here, tape_folder, line, message):
    ended = kilohour(line.replace("TAPE", str(tape_folder)))
    assert ended.code == 2
    assert ended.err.startswith("kilohour: error: ")
    assert message in ended.err
    assert ended.err.count("\n") == 1
