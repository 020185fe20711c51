package loganalytics.flink;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Parts insights from dead letters, and counts the latter. */
final class SplitDecoded extends ProcessFunction<Decoded, Insight> {
  static final OutputTag<DeadLetter> DEAD = new OutputTag<>("dead-letters") {};

  private static final Logger LOG = LoggerFactory.getLogger(SplitDecoded.class);

  private transient Counter deadLetters;

  @Override
  public void open(OpenContext context) {
    deadLetters = getRuntimeContext().getMetricGroup().counter("deadLetters");
  }

  @Override
  public void processElement(Decoded decoded, Context context, Collector<Insight> out) {
    if (decoded.insight != null) {
      out.collect(decoded.insight);
      return;
    }
    DeadLetter letter = decoded.deadLetter;
    LOG.warn("no insight: {}-{}@{}: {}", letter.topic, letter.partition, letter.offset, letter.reason);
    deadLetters.inc();
    context.output(DEAD, letter);
  }
}
