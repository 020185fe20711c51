"""The plan's arithmetic: the page says what it computes, and it computes what can be worked out by hand."""

import subprocess
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

LIB = Path(__file__).resolve().parent.parent / "lib"
sys.path.insert(0, str(LIB))

import plan

PAGE = LIB.parent.parent / "README.md"


def assumed(**given) -> SimpleNamespace:
    return SimpleNamespace(**{**{name: value for name, (value, _) in plan.ASSUMED.items()}, **given})


class PlanTest(unittest.TestCase):
    def test_the_page_has_the_tables_that_are_computed(self):
        page = PAGE.read_text()
        for computed in (plan.sizes(assumed()), plan.costs(assumed())):
            self.assertIn(computed, page)

    def test_ten_times_the_entries_need_ten_times_the_cluster(self):
        one, ten = plan.cluster(1e6, assumed()), plan.cluster(1e7, assumed())
        for stage in ("batches", "ingest", "worker", "broker", "taskmanager", "rows", "clickhouse", "puts", "state_gb"):
            self.assertAlmostEqual(ten[stage], 10 * one[stage])

    def test_requests_to_the_object_store_are_paid_by_the_batch(self):
        for batch, puts in ((20, 500.0), (1_000, 10.0), (5_000, 2.0)):
            self.assertAlmostEqual(plan.cost(assumed(batch=batch))["puts"], puts)

    def test_a_window_is_emitted_once_in_a_delay_however_many_batches_it_gets(self):
        seldom = plan.cluster(1e6, assumed(customer_rate=100.0))
        often = plan.cluster(1e6, assumed(customer_rate=100_000.0))
        # 10,000 customers with a batch in ten seconds, 10 customers with a hundred batches a second; 44 rows each time.
        self.assertAlmostEqual(seldom["rows"], 10_000 * 44 / 10 + 10_000 * 44 / 60)
        self.assertAlmostEqual(often["rows"], 10 * 44 + 10 * 44 / 60)
        self.assertAlmostEqual(plan.cluster(1e6, assumed(emit_delay_s=5.0))["rows"], 1_000 * 44 / 5 + 1_000 * 44 / 60)

    def test_figures_have_two_digits_and_are_never_less_than_needed(self):
        self.assertEqual([plan.about(value) for value in (0, 0.0123, 1, 1.8, 99.2, 1_001, 44_733.4)],
                         ["0", "0.013", "1", "1.8", "100", "1,100", "45,000"])

    def test_a_batch_that_was_not_measured_is_refused(self):
        done = subprocess.run([LIB.parent / "plan", "--batch", "17"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--batch was measured with 20, 1000, 5000", done.stderr)


if __name__ == "__main__":
    unittest.main()
