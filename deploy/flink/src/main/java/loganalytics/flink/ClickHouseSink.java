package loganalytics.flink;

import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/**
 * Writes window rows to ClickHouse, at least once: a checkpoint is complete only when every row before it is inserted. Rows
 * that are inserted again after a restart replace themselves, by their versions.
 */
final class ClickHouseSink implements Sink<WindowRow> {
  private final ClickHouseOptions options;

  ClickHouseSink(ClickHouseOptions options) {
    this.options = options;
  }

  @Override
  public SinkWriter<WindowRow> createWriter(WriterInitContext context) {
    return new ClickHouseWriter(
        new ClickHouseClient(options)::insert,
        options,
        context.getProcessingTimeService(),
        context.metricGroup().getNumRecordsSendCounter());
  }
}
