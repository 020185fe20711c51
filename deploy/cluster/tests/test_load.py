"""What `measure` sends: entries of eleven fields, by the law that the plan reckons with."""

import json
import random
import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

import entries
import measure
from layout import Layout
from load import BODIES, HttpLoad, Shape

MINUTE_S = 1_767_225_600
FIELDS = {"receivedAt", "method", "path", "userAgent", "status", "responseBytes", "durationSeconds", "host", "referrer",
          "clientIp", "country"}


def made(count: int, paths: int, seed: int = 1) -> list[dict]:
    return list(map(json.loads, entries.ndjson(count, paths, MINUTE_S, random.Random(seed)).splitlines()))


class EntriesTest(unittest.TestCase):
    def test_entries_are_full_and_of_their_minute(self):
        for entry in made(500, 4_000):
            self.assertEqual(set(entry), FIELDS)
            self.assertTrue(entry["receivedAt"].startswith("2026-01-01T00:00:"), entry["receivedAt"])
            self.assertIn(type(entry["durationSeconds"]), (float,))

    def test_entries_are_as_large_as_those_of_the_benchmarks(self):
        size = len(entries.ndjson(20_000, 4_000, MINUTE_S, random.Random(1))) / 20_000
        self.assertAlmostEqual(size, 365, delta=8)

    def test_the_same_seed_gives_the_same_entries(self):
        self.assertEqual(made(50, 40), made(50, 40))
        self.assertNotEqual(made(50, 40), made(50, 40, seed=2))

    def test_so_many_entries_have_as_many_keys_as_is_reckoned(self):
        for count, paths in ((1_000, 40), (1_000, 4_000), (20_000, 4_000)):
            found = [keys_of(made(count, paths, seed)) for seed in range(5)]
            self.assertAlmostEqual(sum(found) / len(found) / entries.keys(count, paths), 1, delta=0.04)

    def test_objects_are_looked_for_under_the_keys_that_the_schemas_say(self):
        with tempfile.TemporaryDirectory() as folder:
            load = HttpLoad(Layout(Path(folder)), Shape(entries=2, paths=40, customers=3, minutes=2), 0, "identity")
        customer, batch = load.name(BODIES + 1)
        raw, summary = load.objects(BODIES + 1)
        self.assertEqual(raw, f"raw/{customer}/{batch}")
        self.assertRegex(summary, f"^summaries/{customer}/hour/[0-9]{{8}}T[0-9]{{4}}Z-1/{batch}$")
        received = json.loads(load.plain[1].split(b"\n")[0])["receivedAt"]
        self.assertEqual(re.sub("[-:]", "", received)[:13] + "Z", summary.split("/")[3][:14])

    def test_requests_to_the_object_store_are_read_from_metrics(self):
        text = 'x_bucket{operation="put"} 1\nlog_analytics_store_request_seconds_count{operation="put"} 12\n'
        self.assertEqual(re.findall(measure.STORE_REQUESTS, text, re.MULTILINE), [("put", "12")])


def keys_of(found: list[dict]) -> int:
    """Distinct keys of all dimensions, by a way of its own."""
    families = {next(name for name in ("Googlebot", "Firefox", "Chrome", "curl") if name in entry["userAgent"]) for entry in found}
    referrers = {entry["referrer"].split("/")[2] for entry in found
                 if entry["referrer"] != "-" and entry["host"] not in entry["referrer"]}
    return len(families) + len(referrers) + len({(entry["method"], entry["path"]) for entry in found}) + sum(
        len({entry[field] for entry in found}) for field in ("host", "country"))


if __name__ == "__main__":
    unittest.main()
