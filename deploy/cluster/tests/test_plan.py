"""The plan's arithmetic: the page says what it computes, and it computes what can be worked out by hand."""

import subprocess
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

LIB = Path(__file__).resolve().parent.parent / "lib"
sys.path.insert(0, str(LIB))

import entries
import plan

PAGE = LIB.parent.parent / "README.md"


def assumed(**given) -> SimpleNamespace:
    return SimpleNamespace(**{**{name: value for name, (value, _) in plan.ASSUMED.items()}, **given})


class PlanTest(unittest.TestCase):
    def test_the_page_has_the_tables_that_are_computed(self):
        page = PAGE.read_text()
        for computed in (plan.throughput(), *(plan.sizes(assumed(paths=paths)) for paths in plan.PATHS), plan.keeping(assumed()),
                         plan.costs(assumed())):
            self.assertIn(computed, page)

    def test_ten_times_the_entries_need_ten_times_the_cluster(self):
        one, ten = plan.cluster(1e6, assumed()), plan.cluster(1e7, assumed())
        for stage in ("batches", "ingest", "worker", "broker", "taskmanager", "rows", "clickhouse", "puts", "state_gb"):
            self.assertAlmostEqual(ten[stage] / one[stage], 10)

    def test_requests_to_the_object_store_are_paid_by_the_batch(self):
        # The body, the summary and, at most, a list for each batch.
        for batch, puts in ((20, 750.0), (1_000, 15.0), (5_000, 3.0)):
            self.assertAlmostEqual(plan.cost(assumed(batch=batch))["puts"], puts)
        self.assertAlmostEqual(plan.cost(assumed(lists=0.1))["puts"], 10.5)

    def test_a_window_is_emitted_once_in_a_delay_however_many_batches_it_gets(self):
        seldom = plan.cluster(1e6, assumed(paths=40, customer_rate=100.0))
        often = plan.cluster(1e6, assumed(paths=40, customer_rate=100_000.0))
        keys = lambda count: entries.keys(count, 40) + 1
        # 10,000 customers with a batch in ten seconds, 10 customers with a hundred batches a second.
        self.assertAlmostEqual(seldom["rows"], 10_000 * (keys(1_000) / 10 + keys(6_000) / 60))
        self.assertAlmostEqual(often["rows"], 10 * (keys(100_000) + keys(6_000_000) / 60))
        slow = plan.cluster(1e6, assumed(paths=40, emit_delay_s=5.0))
        self.assertAlmostEqual(slow["rows"], 1_000 * (keys(5_000) / 5 + keys(60_000) / 60))

    def test_figures_have_two_digits_and_are_never_less_than_needed(self):
        self.assertEqual([plan.about(value) for value in (0, 0.0123, 1, 1.8, 99.2, 1_001, 44_733.4)],
                         ["0", "0.013", "1", "1.8", "100", "1,100", "45,000"])

    def test_what_rests_on_one_round_is_marked(self):
        self.assertEqual([plan.mark((1.0,)), plan.mark((1.0, 2.0)), plan.mark((1.0, 2.0), (3.0,))], [" ¹", "", " ¹"])

    def test_a_shape_that_was_not_measured_is_refused(self):
        for flag, value, measured in (("--batch", "17", "20, 1000, 5000"), ("--paths", "41", "4000, 40")):
            done = subprocess.run([LIB.parent / "plan", flag, value], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"{flag} was measured with {measured}", done.stderr)


if __name__ == "__main__":
    unittest.main()
