package loganalytics.flink;

/** Why a record is no insight: a sentence for a person. */
final class InvalidInsight extends Exception {
  InvalidInsight(String reason) {
    super(reason, null, false, false);
  }
}
