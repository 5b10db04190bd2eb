# SPDX-License-Identifier: Apache-2.0
"""Each source on a file of its own columns, by hand; on the real one where it is there; and spoilt."""

import csv
import os
from pathlib import Path

import pandas as pd
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from kilohour.datafeeds import source
from kilohour.datafeeds.prints import Prints
from kilohour.datafeeds.quotes import Quotes
from kilohour.errors import DataError, KilohourError
from kilohour.units import NANOS_PER_DAY

DATA = Path(os.environ.get("KILOHOUR_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))

# A source, the columns of its files as text with two rows, and what the import must give: (term or series, micros) in order.
HAND = {
    "aws-spot": ("""ts_utc,instance,chip,gpus,region,zone,spot_usd_per_gpu_h,ondemand_usd_per_gpu_h
2023-08-01 10:00:00,p5.48xlarge,H100,8,us-east-1,use1-az4,8.603,12.29
2023-08-01 10:00:00,p5.48xlarge,H100,8,us-east-1,use1-az5,,12.29
""", [("on-demand", 12_290_000), ("spot", 8_603_000), ("on-demand", 12_290_000)]),
    "google-prices": ("""date,chip,machine,gpus,region,ondemand_usd_per_gpu_h,spot_usd_per_gpu_h,cud_1y_usd_per_gpu_h,cud_3y_usd_per_gpu_h
2026-01-02,H100,a3-highgpu-8g,8,us-central1,9.8,2.25,6.8,4.3
2026-01-09,H100,a3-highgpu-8g,8,us-central1,9.8,,,
""", [("1y", 6_800_000), ("3y", 4_300_000), ("on-demand", 9_800_000), ("spot", 2_250_000), ("on-demand", 9_800_000)]),
    "google-gpu-only": ("""date,chip,region,ondemand_usd_per_gpu_h,spot_usd_per_gpu_h
2023-05-12,tpu-v2-8,us-central1,4.5,1.35
2023-05-12,T4,us-central1,0.35,
""", [("on-demand", 350_000), ("on-demand", 4_500_000), ("spot", 1_350_000)]),
    "hyperscaler-lists": ("""date,provider,region,instance,chip,gpus,ondemand_usd_per_instance_h,ondemand_usd_per_gpu_h,flag
2025-06-10,AWS,us-east-1,p5.48xlarge,H100,8,55.04,6.88,
2025-06-10,Azure,polandcentral,Standard_ND96isr_H100_v5,H100,8,7.68,0.96,suspect_low
""", [("on-demand", 6_880_000), ("on-demand", 960_000)]),
    "cloud-tables": ("""date,provider,segment,chip,gpu_label,gpus,instance,ondemand_usd_per_gpu_h,spot_usd_per_gpu_h,flag
2022-08-04,AWS,hyperscaler,A100-40,A100 (40 GB),8.0,p4d.24xlarge,4.09625,1.22875,
2022-08-04,Lambda,neocloud,A100-40,A100 (40 GB),1.0,,1.1,,
""", [("on-demand", 4_096_250), ("spot", 1_228_750), ("on-demand", 1_100_000)]),
    "neocloud-offers": ("""ts_utc,chip,provider,n_configs,min,avg
2025-10-19 21:01:58,H100,runpod,12,1.99,2.39
2025-10-19 21:01:58,H100,vultr,2,2.5,2.5
""", [("on-demand", 2_390_000), ("on-demand", 2_500_000)]),
    "marketplace-asks": ("""collected_utc,gpu_name,num_gpus,gpu_ram_mb,usd_per_gpu_h,bid_usd_per_gpu_h,verification,country,machine_id,host_id,offer_id
2026-02-27 15:22:46,A100 PCIE,1,81920,0.6,0.4,verified,US,1,1,1
2026-02-27 15:22:46,H100 SXM,8,81559,1.5,,unverified,IT,2,2,2
""", [("on-demand", 600_000), ("spot", 400_000), ("on-demand", 1_500_000)]),
    "neocloud-market": ("""ts_utc,chip,min,p10,p25,median,p75,p90,max,mean,n_configs,n_available,min_1x,min_8x
2025-10-19 21:01:58,H100,1.4,1.5,1.9,1.99,2.5,2.9,3.5,2.2,40,12,1.4,
""", [("NEOCLOUD-MEDIAN-H100", 1_990_000), ("NEOCLOUD-MIN_1X-H100", 1_400_000), ("NEOCLOUD-N_CONFIGS-H100", 40_000_000)]),
    "token-prices": ("""provider,model,valid_from,basis,valid_to,input_usd_per_mtok,output_usd_per_mtok,cache_read_usd_per_mtok
openai,gpt-x,2026-01-01,documented,,1.25,10,0.125
openai,gpt-y,2026-01-01,models.dev commit,2026-01-01,9,9,
""", [("TOKENS-CACHED-OPENAI/GPT-X", 125_000), ("TOKENS-INPUT-OPENAI/GPT-X", 1_250_000), ("TOKENS-OUTPUT-OPENAI/GPT-X", 10_000_000)]),
    "openrouter-prices": ("""date,model,input_usd_per_mtok,output_usd_per_mtok
2026-01-07,a/b,0,2.5
""", [("OPENROUTER-INPUT-A/B", 0), ("OPENROUTER-OUTPUT-A/B", 2_500_000)]),
    "openrouter-index": ("""date,n_models_paid,blend_median,blend_p25,blend_min,output_median,n_models_all
2026-01-07,300,0.6,0.2,0.02,2.0,350
""", [("OPENROUTER-BLEND_MEDIAN", 600_000), ("OPENROUTER-N_MODELS_ALL", 350_000_000)]),
    "openrouter-revenue": ("""week,est_revenue_usd,regime,top10_tokens_trillion
2025-11-09,3500000,A: before 2025-11-16,
2025-11-16,9000000,B: from 2025-11-16 (level break),4.5
""", [("OPENROUTER-REVENUE", 3_500_000), ("OPENROUTER-REVENUE", 9_000_000), ("OPENROUTER-TOKENS", 4_500_000)]),
    "adoption-series": ("""date,metric,value,verification
2025-12-31,capex_meta_usd_bn,22.1,recall
""", [("CAPEX_META_USD_BN", 22_100_000)]),
    "chip-facts": ("""chip,release_date,bf16_dense_tflops,fp8_dense_tflops,fp4_dense_tflops,hbm_gb,mem_bw_tb_s,tdp_w,release_price_usd,status
H100,2022-09-20,989.4,1978.9,,80,3.35,700,,shipping
""", [("CHIP-BF16_DENSE_TFLOPS-H100", 989_400_000), ("CHIP-HBM_GB-H100", 80_000_000)]),
    "energy-positions": ("""root,date,nth,settle
BRN,2007-01-02,1,60.44
""", [("BRN-01", 60_440_000)]),
    "wti-cash": ("""date,series,value
2020-04-20,cash,-36.98
2020-04-20,fut,-37.63
""", [("WTI-CASH", -36_980_000), ("WTI-FUT", -37_630_000)]),
    "price-statistics": ("""date,chip,segment,median,min,p25,p75,max
2023-08-01,H100,aws_spot_us,8.603,8.6,8.6,8.7,9
""", [("MEDIAN-AWS_SPOT_US-H100", 8_603_000)]),
}  # fmt: skip
FILES = {
    "aws-spot": "aws_gpu_spot_6h.parquet", "google-prices": "gcp_gpu_prices_weekly.parquet", "google-gpu-only": "gcp_gpu_only_2022_2024.parquet",
    "hyperscaler-lists": "hyperscaler_ondemand_list.csv", "cloud-tables": "cloud_list_prices_2022_2025.csv",
    "neocloud-offers": "neocloud_market_30min_by_provider.parquet", "marketplace-asks": "vast_offers_2026q1.parquet",
    "neocloud-market": "neocloud_market_30min.parquet", "token-prices": "llm_api_prices_history.csv",
    "openrouter-prices": "llm_openrouter_prices_monthly.csv", "openrouter-index": "llm_openrouter_price_index_monthly.csv",
    "openrouter-revenue": "openrouter_weekly_revenue.csv", "adoption-series": "ai_adoption.csv", "chip-facts": "chips.csv",
    "energy-positions": "futures_generic_energy.parquet", "wti-cash": "wti_cash_vs_future_2019_2020.csv", "price-statistics": "gpu_price_daily.csv",
}  # fmt: skip
MARKET = ["min", "p10", "p25", "median", "p75", "p90", "max", "mean", "min_1x", "min_8x", "n_configs", "n_available"]
LIST = ["ondemand_usd_per_gpu_h", "spot_usd_per_gpu_h"]
TOKENS = ["input_usd_per_mtok", "output_usd_per_mtok"]
FACTS = ["bf16_dense_tflops", "fp8_dense_tflops", "fp4_dense_tflops", "hbm_gb", "mem_bw_tb_s", "tdp_w", "release_price_usd"]
# How pandas counts the values in each real file, and the faults in it that README names or a look at it shows.
REAL = {
    "aws-spot": (LIST, 0), "google-prices": ([*LIST, "cud_1y_usd_per_gpu_h", "cud_3y_usd_per_gpu_h"], 0), "google-gpu-only": (LIST, 0),
    "hyperscaler-lists": (LIST[:1], 0), "cloud-tables": (LIST, 0), "neocloud-offers": (["avg"], 0),
    "marketplace-asks": (["usd_per_gpu_h", "bid_usd_per_gpu_h"], 1), "neocloud-market": (MARKET, 0),
    "token-prices": ([*TOKENS, "cache_read_usd_per_mtok"], 0), "openrouter-prices": (TOKENS, 0),
    "openrouter-index": (["n_models_paid", "blend_median", "blend_p25", "blend_min", "output_median", "n_models_all"], 0),
    "openrouter-revenue": (["est_revenue_usd", "top10_tokens_trillion"], 0), "adoption-series": (["value"], 0), "chip-facts": (FACTS, 1),
    "energy-positions": (["settle"], 0), "wti-cash": (["value"], 0), "price-statistics": (["median", "min", "p25", "p75", "max"], 13),
}  # fmt: skip


def counted(name):
    """Rows and values of a real file, by pandas."""
    path = DATA / FILES[name]
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    rows = len(frame)
    if name == "token-prices":
        frame = frame[frame["valid_from"] != frame["valid_to"]]
    if name == "chip-facts":
        frame = frame[frame["release_date"].notna()]
    if name == "price-statistics":
        frame = frame[frame["chip"] != "A100-PCIE"]  # both boards in one median
    values = frame[REAL[name][0]]
    return rows, int((values > 0).sum().sum() if name == "marketplace-asks" else values.notna().sum().sum())


def write(folder, name, text, *, parquet=False):
    path = folder / "in.csv"
    path.write_text(text, encoding="utf-8")
    if parquet:
        table = pacsv.read_csv(path)
        pq.write_table(table, folder / "in.parquet")
        return folder / "in.parquet"
    return path


def run(name, path, out, **options):
    return list(source(name).run([path], out, **options))


def given(name, out):
    if source(name).gives == "quotes":
        quotes = Quotes.load(out)
        return list(zip(quotes.text("term").tolist(), quotes.price.tolist(), strict=True))
    return [(row.series, row.value) for row in Prints.load(out).rows()]


@pytest.mark.parametrize("name", HAND)
def test_a_file_by_hand_gives_what_it_says(tmp_path, name):
    text, wanted = HAND[name]
    run(name, write(tmp_path, name, text), tmp_path / "out")
    found = given(name, tmp_path / "out")
    assert set(wanted) <= set(found) if source(name).gives == "prints" else found == wanted
    run(name, write(tmp_path, name, text, parquet=True), tmp_path / "again")
    assert given(name, tmp_path / "again") == found


@pytest.mark.parametrize("name", HAND)
def test_a_missing_column_is_refused_by_name_and_leaves_nothing(tmp_path, name):
    text, _ = HAND[name]
    first = text.partition(",")[0]
    path = write(tmp_path, name, text.replace(first, "odd", 1))
    with pytest.raises(KilohourError, match=f"in.csv: unknown column '{first}' in the file"):
        run(name, path, tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.csv"]


@pytest.mark.parametrize("name", HAND)
def test_a_truncated_file_is_refused_and_leaves_nothing(tmp_path, name):
    path = write(tmp_path, name, HAND[name][0], parquet=True)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="in.parquet: must be a whole Parquet table"):
        run(name, path, tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.csv", "in.parquet"]


@pytest.mark.parametrize("name", HAND)
def test_a_row_twice_and_an_unreadable_time_are_put_aside(tmp_path, name):
    text, _ = HAND[name]
    lines = text.splitlines()
    time = lines[0].split(",").index(source(name).columns[0].name if name not in ("token-prices", "chip-facts", "energy-positions") else
                                     {"token-prices": "valid_from", "chip-facts": "release_date", "energy-positions": "date"}[name])
    odd = lines[1].split(",")
    odd[time] = "last Tuesday"
    run(name, write(tmp_path, name, text + lines[1] + "\n" + ",".join(odd) + "\n"), tmp_path / "out", rejected_max="100%")
    run(name, write(tmp_path, name, text), tmp_path / "clean")
    assert given(name, tmp_path / "out") == given(name, tmp_path / "clean")
    with (tmp_path / "out" / "rejected.csv").open(newline="") as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert {"not a time"} < set(reasons) <= {"not a time", "the same quote twice", "the same print twice"}


CHIPS = {"aws-spot": "chip", "google-prices": "chip", "google-gpu-only": "chip", "hyperscaler-lists": "chip", "cloud-tables": "chip",
         "neocloud-offers": "chip", "marketplace-asks": "gpu_name"}  # fmt: skip
PRICED = {**CHIPS, "neocloud-market": "chip", "price-statistics": "chip"}  # series of prices by chip, too
TIMES = {"aws-spot": "ts_utc", "neocloud-offers": "ts_utc", "neocloud-market": "ts_utc", "marketplace-asks": "collected_utc", "token-prices": "valid_from",
         "openrouter-revenue": "week", "chip-facts": "release_date"}  # fmt: skip
VALUES = {"google-prices": "ondemand_usd_per_gpu_h", "google-gpu-only": "ondemand_usd_per_gpu_h", "hyperscaler-lists": "ondemand_usd_per_gpu_h",
          "cloud-tables": "ondemand_usd_per_gpu_h", "aws-spot": "ondemand_usd_per_gpu_h", "neocloud-offers": "avg", "marketplace-asks": "usd_per_gpu_h",
          "neocloud-market": "median", "token-prices": "input_usd_per_mtok", "openrouter-prices": "output_usd_per_mtok",
          "openrouter-index": "blend_median", "openrouter-revenue": "est_revenue_usd", "adoption-series": "value", "chip-facts": "hbm_gb",
          "energy-positions": "settle", "wti-cash": "value", "price-statistics": "median"}  # fmt: skip


def spoilt(name, column, change):
    """The table of a source with one row more: its first with one cell changed."""
    rows = list(csv.DictReader(HAND[name][0].splitlines()))
    rows.append({**rows[0], column: change(rows[0][column])})
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n"


def refused(name, folder, text):
    run(name, write(folder, name, text), folder / "out", rejected_max="100%")
    with (folder / "out" / "rejected.csv").open(newline="", encoding="utf-8") as file:
        return [(row["row"], row["column"], row["reason"]) for row in csv.DictReader(file)]


def test_every_source_here_is_tested_with_bad_input():
    assert set(HAND) == set(VALUES)
    assert set(CHIPS) == {name for name in HAND if source(name).gives == "quotes"}
    by_chip = {name for name in HAND if any(column.name in ("chip", "gpu_name") for column in source(name).columns)}
    assert set(PRICED) == by_chip - {"chip-facts"}, "whose chips are what it tells"


@pytest.mark.parametrize("name", HAND)
def test_the_order_of_columns_does_not_matter(tmp_path, name):
    rows = list(csv.reader(HAND[name][0].splitlines()))
    run(name, write(tmp_path, name, "\n".join(",".join(reversed(row)) for row in rows) + "\n"), tmp_path / "turned")
    run(name, write(tmp_path, name, HAND[name][0]), tmp_path / "out")
    assert given(name, tmp_path / "turned") == given(name, tmp_path / "out")


@pytest.mark.parametrize("name", HAND)
def test_a_time_of_another_zone_is_put_aside(tmp_path, name):
    """Of days any time of day, zone or not, is refused: it would be another day somewhere."""
    column = TIMES.get(name, "date")
    last = str(len(HAND[name][0].splitlines()) - 1)
    found = refused(name, tmp_path, spoilt(name, column, lambda cell: cell.replace(" ", "T") + ("" if ":" in cell else "T12:00:00") + "-05:00"))
    assert (last, column) in {(row, at) for row, at, _ in found}
    assert {reason for row, _, reason in found if row == last} <= {"a time of another zone than UTC", "a date with a time of day", "not a time"}


@pytest.mark.parametrize("name", HAND)
def test_a_number_with_a_unit_of_its_own_is_put_aside(tmp_path, name):
    last = str(len(HAND[name][0].splitlines()) - 1)
    found = refused(name, tmp_path, spoilt(name, VALUES[name], lambda cell: cell + " EUR"))
    (reason,) = {why for row, column, why in found if (row, column) == (last, VALUES[name])}
    assert reason == ("not the price of the instance over its GPUs" if name == "hyperscaler-lists" else "not a number")


@pytest.mark.parametrize("name", HAND)
def test_a_number_that_is_none_is_put_aside(tmp_path, name):
    last = str(len(HAND[name][0].splitlines()) - 1)
    for number, cell in enumerate(("inf", "NaN")):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = refused(name, folder, spoilt(name, VALUES[name], lambda _, cell=cell: cell))
        (reason,) = {why for row, column, why in found if (row, column) == (last, VALUES[name])}
        assert reason == ("not the price of the instance over its GPUs" if name == "hyperscaler-lists" else "not a number")


@pytest.mark.parametrize("name", HAND)
def test_the_order_of_rows_does_not_matter(tmp_path, name):
    header, *rows = HAND[name][0].splitlines()
    run(name, write(tmp_path, name, "\n".join([header, *reversed(rows)]) + "\n"), tmp_path / "turned")
    run(name, write(tmp_path, name, HAND[name][0]), tmp_path / "out")
    assert given(name, tmp_path / "turned") == given(name, tmp_path / "out")


@pytest.mark.parametrize("name", HAND)
def test_a_file_without_rows_is_refused_and_leaves_nothing(tmp_path, name):
    with pytest.raises(DataError, match="needs at least one (quote|print), found none in in.csv"):
        run(name, write(tmp_path, name, HAND[name][0].splitlines()[0] + "\n"), tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.csv"]


@pytest.mark.parametrize("name", CHIPS)
def test_a_negative_price_is_put_aside(tmp_path, name):
    last = str(len(HAND[name][0].splitlines()) - 1)
    found = refused(name, tmp_path, spoilt(name, VALUES[name], lambda cell: "-" + cell))
    (reason,) = {why for row, column, why in found if (row, column) == (last, VALUES[name])}
    assert reason == ("not the price of the instance over its GPUs" if name == "hyperscaler-lists" else "not above zero")


@pytest.mark.parametrize("name", PRICED)
def test_a_price_for_an_unknown_chip_is_put_aside(tmp_path, name):
    last = str(len(HAND[name][0].splitlines()) - 1)
    found = refused(name, tmp_path, spoilt(name, PRICED[name], lambda cell: cell + "00"))
    (reason,) = {why for row, _, why in found if row == last}
    assert reason.startswith("unknown chip, nearest ")


def test_a_price_that_is_not_its_instance_s_is_put_aside(tmp_path):
    text = HAND["hyperscaler-lists"][0].replace("55.04,6.88", "55.04,55.04")
    run("hyperscaler-lists", write(tmp_path, "", text), tmp_path / "out", rejected_max="50%")
    assert "not the price of the instance over its GPUs" in (tmp_path / "out" / "rejected.csv").read_text()


def test_what_is_known_when(tmp_path):
    day = NANOS_PER_DAY
    text, _ = HAND["openrouter-revenue"]
    run("openrouter-revenue", write(tmp_path, "", text), tmp_path / "revenue")
    prints = Prints.load(tmp_path / "revenue")
    week = 20_401 * day  # 2025-11-09
    assert len(prints.as_of(week + 7 * day - 1, "OPENROUTER-REVENUE")) == 0
    assert prints.as_of(week + 7 * day, "OPENROUTER-REVENUE").value.tolist() == [3_500_000]
    known = prints.as_of(week + 14 * day, "OPENROUTER-REVENUE")
    assert (len(known), len(known.changes()[0]), known.breaks()[0].at) == (2, 0, week + 7 * day)
    run("google-prices", write(tmp_path, "", HAND["google-prices"][0]), tmp_path / "google")
    quotes = Quotes.load(tmp_path / "google")
    assert (quotes.seen - quotes.quoted).tolist() == [day] * len(quotes)
    assert len(quotes.where(known_by=int(quotes.quoted[0]) + day - 1)) == 0


@pytest.mark.parametrize("name", REAL)
def test_the_real_file_gives_what_was_counted_in_it(tmp_path, name):
    path = DATA / FILES[name]
    if not path.exists():
        pytest.skip(f"{FILES[name]} is not here: set KILOHOUR_DATA")
    told = run(name, path, tmp_path / "out")
    read, kept = counted(name)
    assert told[0] == f"{read:,} rows read, {kept:,} {source(name).gives} kept, {REAL[name][1]:,} refused"


def test_the_real_level_break_is_there(tmp_path):
    path = DATA / FILES["openrouter-revenue"]
    if not path.exists():
        pytest.skip("openrouter_weekly_revenue.csv is not here: set KILOHOUR_DATA")
    run("openrouter-revenue", path, tmp_path / "out")
    prints = Prints.load(tmp_path / "out")
    (its,) = prints.as_of(2**62, "OPENROUTER-REVENUE").breaks()
    assert str(its).startswith("OPENROUTER-REVENUE: level break at 2025-11-16")
