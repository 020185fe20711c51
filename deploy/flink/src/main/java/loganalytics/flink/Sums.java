package loganalytics.flink;

/** How sums are added: they stay at the largest number, in whatever order they are added. */
final class Sums {
  private Sums() {}

  /** Adds two sums, neither of which is negative. */
  static long add(long left, long right) {
    long sum = left + right;
    return sum < 0 ? Long.MAX_VALUE : sum;
  }
}
