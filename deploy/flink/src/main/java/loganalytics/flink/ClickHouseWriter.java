package loganalytics.flink;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.flink.api.common.operators.ProcessingTimeService;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.metrics.Counter;

/**
 * One subtask's way to ClickHouse: gathers rows by table, hands full or old enough batches to a few inserting threads, and
 * waits for all of them at a checkpoint.
 *
 * <p>Memory is bounded: one batch being filled for each table, and {@code inserts} on their way; when none is free, {@link
 * #write} waits, which slows the job down to ClickHouse's pace. The first failure of an insert fails the next call here, and
 * with it the job, which goes on from its last checkpoint.
 */
final class ClickHouseWriter implements SinkWriter<WindowRow> {
  /** What inserts: {@link ClickHouseClient#insert}, or a test's. */
  interface Inserter {
    void insert(String table, byte[] rows) throws IOException, InterruptedException;
  }

  private final Inserter inserter;
  private final ClickHouseOptions options;
  private final ProcessingTimeService time;
  private final Counter sentRows;
  private final RowBatch totals = new RowBatch("minute_totals");
  private final RowBatch keys = new RowBatch("minute_keys");
  private final ExecutorService threads;
  private final Semaphore free;
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private boolean lingering;

  ClickHouseWriter(Inserter inserter, ClickHouseOptions options, ProcessingTimeService time, Counter sentRows) {
    this.inserter = inserter;
    this.options = options;
    this.time = time;
    this.sentRows = sentRows;
    this.free = new Semaphore(options.inserts());
    this.threads =
        Executors.newFixedThreadPool(
            options.inserts(),
            task -> {
              Thread thread = new Thread(task, "clickhouse-insert");
              thread.setDaemon(true);
              return thread;
            });
  }

  @Override
  public void write(WindowRow row, Context context) throws IOException, InterruptedException {
    check();
    RowBatch batch = row.isTotals() ? totals : keys;
    batch.add(row);
    sentRows.inc();
    if (batch.sizeBytes() >= options.batchBytes()) {
      send(batch);
    } else if (!lingering) {
      lingering = true;
      time.registerTimer(time.getCurrentProcessingTime() + options.linger().toMillis(), now -> sendAll());
    }
  }

  /** Sends what is there and waits until it, and all before it, is inserted. */
  @Override
  public void flush(boolean endOfInput) throws IOException, InterruptedException {
    sendAll();
    free.acquire(options.inserts());
    free.release(options.inserts());
    check();
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }

  private void sendAll() throws IOException, InterruptedException {
    lingering = false;
    for (RowBatch batch : List.of(totals, keys)) {
      if (!batch.isEmpty()) {
        send(batch);
      }
    }
    check();
  }

  private void send(RowBatch batch) throws IOException, InterruptedException {
    free.acquire();
    byte[] rows = batch.take();
    threads.execute(
        () -> {
          try {
            inserter.insert(batch.table(), rows);
          } catch (Throwable error) {
            failure.compareAndSet(null, error);
          } finally {
            free.release();
          }
        });
  }

  private void check() throws IOException {
    Throwable error = failure.get();
    if (error != null) {
      throw new IOException("rows could not be written to ClickHouse", error);
    }
  }
}
