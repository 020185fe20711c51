package loganalytics.flink;

import java.time.Duration;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.TimeDomain;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/**
 * Adds up the insights of a window, each batch once, and emits absolute counts. Keyed by (customer, window start).
 *
 * <p><b>Why counts are exact.</b> All insights of a window come from one partition, in one order, and state goes back with the
 * partition's offset: after a restart the same insights are applied in the same order. A row's version says how many batches
 * it counts, so rows that are emitted again, or once more from an older state, say the same as before or are older than what
 * is there. A batch id that the window knows changes nothing. What is folded depends on the insights and their order alone, so
 * a replay folds the same keys.
 *
 * <p><b>Life of a window.</b> It begins with its first insight. About a second after a change ({@code emitDelay}) the rows of
 * changed keys are emitted. When the watermark passes its end, all rows are emitted once more, marked complete. Late insights
 * are still counted (and emitted) until the watermark passes end + {@code allowedLateness}; then state is dropped. From then on
 * its insights go to {@link #LATE}, and this function never writes that window again: whoever recomputes it (from the
 * summaries in the object store) must not be overwritten.
 *
 * <p><b>Why the watermark is kept.</b> Flink's checkpoints hold no watermarks. Just after a restart none is known, and a late
 * insight of a dropped window would begin that window anew, with lower versions than the rows that are there: lost. So the
 * highest watermark that was ever acted on is part of the checkpoint, and the maximum over all subtasks is restored.
 */
final class WindowFunction extends KeyedProcessFunction<Tuple2<String, Long>, Insight, WindowRow>
    implements CheckpointedFunction {
  /** Insights of windows whose state is gone. */
  static final OutputTag<Insight> LATE = new OutputTag<>("late-insights") {};

  private final long emitDelayMs;
  private final long allowedLatenessMs;
  private final WindowLimits limits;

  private transient ValueState<WindowHead> head;
  private transient MapState<String, Boolean> batches;
  private transient WindowKeys keys;
  private transient Changes changes;
  private transient ListState<Long> watermarks;

  /** The highest watermark acted on, by any subtask before the last restart or by this one since. */
  private transient long highestWatermark;

  private transient Counter duplicates;
  private transient Counter late;
  private transient Counter folded;

  WindowFunction(Duration emitDelay, Duration allowedLateness, WindowLimits limits) {
    this.emitDelayMs = emitDelay.toMillis();
    this.allowedLatenessMs = allowedLateness.toMillis();
    this.limits = limits;
  }

  /** What the stream must be keyed by. */
  static KeySelector<Insight, Tuple2<String, Long>> key() {
    return insight -> Tuple2.of(insight.customerId, insight.windowStartMs);
  }

  static TypeInformation<Tuple2<String, Long>> keyType() {
    return Types.TUPLE(Types.STRING, Types.LONG);
  }

  @Override
  public void initializeState(FunctionInitializationContext context) throws Exception {
    watermarks =
        context.getOperatorStateStore().getUnionListState(new ListStateDescriptor<>("highest-watermark", Types.LONG));
    highestWatermark = Long.MIN_VALUE;
    for (long restored : watermarks.get()) {
      highestWatermark = Math.max(highestWatermark, restored);
    }
  }

  @Override
  public void snapshotState(FunctionSnapshotContext context) throws Exception {
    watermarks.clear();
    watermarks.add(highestWatermark);
  }

  @Override
  public void open(OpenContext context) {
    head = getRuntimeContext().getState(new ValueStateDescriptor<>("head", WindowHead.class));
    batches = getRuntimeContext().getMapState(new MapStateDescriptor<>("batches", Types.STRING, Types.BOOLEAN));
    keys = new WindowKeys(getRuntimeContext());
    changes = new Changes();
    MetricGroup metrics = getRuntimeContext().getMetricGroup();
    duplicates = metrics.counter("duplicateInsights");
    late = metrics.counter("lateInsights");
    folded = metrics.counter("foldedKeys");
  }

  @Override
  public void processElement(Insight insight, Context context, Collector<WindowRow> out) throws Exception {
    observe(context.timerService().currentWatermark());
    WindowHead window = head.value();
    if (window == null) {
      if (dropTime(insight.windowStartMs) <= highestWatermark) {
        late.inc();
        context.output(LATE, insight);
        return;
      }
      window = new WindowHead();
      context.timerService().registerEventTimeTimer(end(insight.windowStartMs));
      context.timerService().registerEventTimeTimer(dropTime(insight.windowStartMs));
    }
    if (batches.contains(insight.batchId)) {
      duplicates.inc();
      return;
    }
    batches.put(insight.batchId, Boolean.TRUE);
    merge(window, insight, changes.of(context.getCurrentKey(), window.emissionDue));
    if (!window.emissionDue) {
      window.emissionDue = true;
      long now = context.timerService().currentProcessingTime();
      context.timerService().registerProcessingTimeTimer(now + emitDelayMs);
    }
    head.update(window);
  }

  private void merge(WindowHead window, Insight insight, Changes.OfWindow changed) throws Exception {
    window.addTotals(insight);
    changed.any = true;
    for (ByDimension by : insight.dimensions) {
      TableSize size = window.tables.computeIfAbsent(by.dimension, absent -> new TableSize());
      keys.add(by, size, changed.keys);
      if (limits.areExceededBy(size)) {
        WindowKeys.Folded now = keys.fold(by.dimension, size, limits, changed.keys);
        window.folded.merge(by.dimension, now.most(), Sums::add);
        folded.inc(now.keys());
      }
    }
  }

  @Override
  public void onTimer(long timestamp, OnTimerContext context, Collector<WindowRow> out) throws Exception {
    observe(context.timerService().currentWatermark());
    WindowHead window = head.value();
    if (window == null) {
      // An emission that was due when the window was dropped: it has been made then.
      return;
    }
    long start = context.getCurrentKey().f1;
    if (context.timeDomain() == TimeDomain.PROCESSING_TIME) {
      emitChanged(context, window, out);
      window.emissionDue = false;
      head.update(window);
      return;
    }
    if (timestamp == end(start)) {
      window.complete = true;
      emitAll(context, window, out);
      changes.emitted(context.getCurrentKey(), window.emissionDue);
      head.update(window);
    }
    if (timestamp == dropTime(start)) {
      emitChanged(context, window, out);
      head.clear();
      batches.clear();
      keys.clear();
    }
  }

  /** Emits what has changed since the last emission: nothing, unless one is due. */
  private void emitChanged(OnTimerContext context, WindowHead window, Collector<WindowRow> out) throws Exception {
    if (!window.emissionDue) {
      return;
    }
    Changes.OfWindow changed = changes.take(context.getCurrentKey());
    if (changed.unknown) {
      emitAll(context, window, out);
    } else if (changed.any) {
      out.collect(totals(context.getCurrentKey(), window));
      keys.emit(changed.keys, rows(context.getCurrentKey(), window, out));
    }
  }

  private void emitAll(OnTimerContext context, WindowHead window, Collector<WindowRow> out) throws Exception {
    out.collect(totals(context.getCurrentKey(), window));
    keys.emitAll(rows(context.getCurrentKey(), window, out));
  }

  private static WindowRow totals(Tuple2<String, Long> key, WindowHead window) {
    WindowRow row = row(key, window);
    row.requests = window.all.requests;
    row.measures = window.all.measures.copy();
    row.robots = window.robots.requests;
    row.robotMeasures = window.robots.measures.copy();
    row.visitors = window.visitors;
    row.folded = Map.copyOf(window.folded);
    return row;
  }

  private static WindowKeys.RowConsumer rows(Tuple2<String, Long> key, WindowHead window, Collector<WindowRow> out) {
    return (dimension, name, counts) -> {
      WindowRow row = row(key, window);
      row.dimension = dimension;
      row.key = name;
      row.requests = counts.requests;
      row.robots = counts.robots;
      row.measures = counts.measures.copy();
      out.collect(row);
    };
  }

  private static WindowRow row(Tuple2<String, Long> key, WindowHead window) {
    WindowRow row = new WindowRow();
    row.customerId = key.f0;
    row.windowStartMs = key.f1;
    row.version = window.version();
    row.complete = window.complete;
    return row;
  }

  private void observe(long watermark) {
    highestWatermark = Math.max(highestWatermark, watermark);
  }

  private static long end(long windowStartMs) {
    return windowStartMs + Insight.WINDOW_MS;
  }

  private long dropTime(long windowStartMs) {
    return end(windowStartMs) + allowedLatenessMs;
  }
}
