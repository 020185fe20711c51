package loganalytics.flink;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/**
 * Where a test's job writes to, in this process: rows replace each other by version as in ClickHouse; other records are
 * listed. Static, because a job's sinks are copies.
 */
final class Collected {
  /** The newest row of every key of every window. */
  static final Map<String, WindowRow> ROWS = new ConcurrentHashMap<>();

  static final List<Object> OTHERS = new CopyOnWriteArrayList<>();

  /** Flushes (checkpoints, that is) that still fail, after the rows were written. */
  static final AtomicInteger FAILURES = new AtomicInteger();

  private Collected() {}

  static void clear(int failures) {
    ROWS.clear();
    OTHERS.clear();
    FAILURES.set(failures);
  }

  static String key(WindowRow row) {
    return row.customerId + " " + Instants.formatSeconds(row.windowStartMs) + " " + row.dimension + " " + row.key;
  }

  static final class Rows implements Sink<WindowRow> {
    @Override
    public SinkWriter<WindowRow> createWriter(WriterInitContext context) {
      return new Writer<>() {
        @Override
        public void write(WindowRow row, Context rowContext) {
          ROWS.merge(key(row), row, (old, replacing) -> replacing.version >= old.version ? replacing : old);
        }

        @Override
        public void flush(boolean endOfInput) throws IOException {
          if (FAILURES.getAndDecrement() > 0) {
            throw new IOException("a test's failure");
          }
        }
      };
    }
  }

  static final class Others<T> implements Sink<T> {
    @Override
    public SinkWriter<T> createWriter(WriterInitContext context) {
      return new Writer<>() {
        @Override
        public void write(T record, Context recordContext) {
          OTHERS.add(record);
        }
      };
    }
  }

  private abstract static class Writer<T> implements SinkWriter<T> {
    @Override
    public void flush(boolean endOfInput) throws IOException {}

    @Override
    public void close() {}
  }
}
