# SPDX-License-Identifier: Apache-2.0
"""The JSON of the AWS command line: as it prints it, at any length, damaged."""

import csv
import json

import pytest

from kilohour.datafeeds.importing import json_items as items
from kilohour.datafeeds.quotes import Quotes
from kilohour.datafeeds.sources.aws_cli import run
from kilohour.errors import DataError
from kilohour.units import MISSING, nanos_of

HISTORY = """{
    "SpotPriceHistory": [
        {
            "AvailabilityZone": "us-east-1b",
            "InstanceType": "p5.48xlarge",
            "ProductDescription": "Linux/UNIX",
            "SpotPrice": "31.464000",
            "Timestamp": "2026-07-01T10:00:05+00:00"
        },
        {
            "AvailabilityZone": "us-west-2a",
            "AvailabilityZoneId": "usw2-az3",
            "InstanceType": "g6.xlarge",
            "ProductDescription": "Linux/UNIX",
            "SpotPrice": "0.321500",
            "Timestamp": "2026-07-01T09:00:00.000Z"
        }
    ]
}
"""


def change(zone="us-east-1b", instance="p5.48xlarge", system="Linux/UNIX", price="31.464000", time="2026-07-01T10:00:05+00:00"):
    return {"AvailabilityZone": zone, "InstanceType": instance, "ProductDescription": system, "SpotPrice": price, "Timestamp": time}


def write(tmp_path, text):
    (tmp_path / "spot.json").write_text(text, encoding="utf-8")
    return [tmp_path / "spot.json"]


def test_prices_of_instances_become_quotes_of_gpus(tmp_path):
    told = list(run(write(tmp_path, HISTORY), tmp_path / "q"))
    assert told == ["2 rows read, 2 quotes kept, 0 refused"]
    found = Quotes.load(tmp_path / "q")
    assert found.price.tolist() == [321_500, 3_933_000]
    assert found.size.tolist() == [1, 8]
    assert found.text("chip").tolist() == ["L4", "H100"]
    assert found.text("region").tolist() == ["us-west-2", "us-east-1"]
    assert found.text("zone").tolist() == ["usw2-az3", "us-east-1b"]
    assert found.seen.tolist() == found.quoted.tolist()
    import datetime as dt

    assert found.seen[0] == nanos_of(dt.datetime(2026, 7, 1, 9, tzinfo=dt.UTC))
    assert MISSING not in found.size


def test_what_is_no_linux_gpu_instance_is_put_aside(tmp_path):
    rows = [change(), change(system="Windows"), change(instance="m5.large"), change(price="free"), change(time="2026-07-01T10:00:05")]
    list(run(write(tmp_path, json.dumps({"SpotPriceHistory": rows})), tmp_path / "q", rejected_max="100%"))
    with (tmp_path / "q" / "rejected.csv").open(newline="") as file:
        told = [(int(row["row"]), row["column"], row["reason"]) for row in csv.DictReader(file)]
    assert told == [(1, "ProductDescription", "not the price of Linux/UNIX"), (2, "InstanceType", "no GPU instance of aws_instances.toml"),
                    (4, "Timestamp", "a time without a zone"), (3, "SpotPrice", "not a number")]


@pytest.mark.parametrize("chunk", [7, 64, 1 << 20])
def test_a_document_is_read_piece_by_piece(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(items, "CHUNK", max(chunk, 40))
    rows = [change(price=f"{i}.5") for i in range(50)]
    (path,) = write(tmp_path, json.dumps({"SpotPriceHistory": rows, "NextToken": "x"}, indent=4))
    assert [item for item, _ in items.json_items(path, "SpotPriceHistory")] == rows


@pytest.mark.parametrize(("text", "words"), [
    (HISTORY[:300], "must be whole JSON, found after 300 characters"),
    (HISTORY[:-8], "must be whole JSON"),
    ("[]", "must hold a list 'SpotPriceHistory', found '[]'"),
    ('{"SpotPriceHistory": {}}', "must hold a list 'SpotPriceHistory'"),
    ('{"SpotPriceHistory": []}', "needs at least one quote"),
    ('{"SpotPriceHistory": [5]}', "row 0, field 'AvailabilityZone': must be a text, found '5'"),
    (HISTORY.replace("SpotPrice\"", "Price\""), "row 0, field 'SpotPrice': must be a text"),
])
def test_a_damaged_document_is_refused_and_nothing_is_written(tmp_path, text, words):
    with pytest.raises(DataError) as error:
        run(write(tmp_path, text), tmp_path / "q")
    assert words in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spot.json"]
