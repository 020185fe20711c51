package loganalytics.flink;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.MinimalPrettyPrinter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Map;

/** Rows of one table being gathered for an insert, one JSON object a line. Columns that are left out are zero or empty. */
final class RowBatch {
  private static final JsonFactory JSON = new JsonFactory();

  private final String table;
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private JsonGenerator json;

  RowBatch(String table) {
    this.table = table;
  }

  String table() {
    return table;
  }

  void add(WindowRow row) throws IOException {
    if (json == null) {
      json = JSON.createGenerator(bytes).setPrettyPrinter(new MinimalPrettyPrinter("\n"));
    }
    json.writeStartObject();
    json.writeStringField("customer", row.customerId);
    json.writeNumberField("window_start", row.windowStartMs / 1000);
    if (!row.isTotals()) {
      json.writeStringField("dimension", row.dimension);
      json.writeStringField("key", row.key);
    }
    json.writeNumberField("requests", row.requests);
    json.writeNumberField("robots", row.robots);
    writeMeasures("", row.measures);
    if (row.isTotals()) {
      writeMeasures("robot_", row.robotMeasures);
      writeVisitors(row.visitors);
      writeFolded(row.folded);
    }
    json.writeNumberField("version", row.version);
    json.writeNumberField("final", row.complete ? 1 : 0);
    json.writeEndObject();
    // Into the buffer, so that its size is known; it costs a copy within memory.
    json.flush();
  }

  private void writeMeasures(String prefix, Measures measures) throws IOException {
    if (measures.isEmpty()) {
      return;
    }
    json.writeNumberField(prefix + "response_bytes", measures.responseBytes);
    json.writeNumberField(prefix + "duration_micros", measures.durationMicros);
    json.writeObjectFieldStart(prefix + "status");
    int place = 0;
    for (; place < measures.cells.length && measures.cells[place] < Measures.STATUSES; place++) {
      json.writeNumberField(Integer.toString(measures.cells[place]), measures.counts[place]);
    }
    json.writeEndObject();
    if (place < measures.cells.length && measures.cells[place] == Measures.ZERO_DURATION) {
      json.writeNumberField(prefix + "zero_durations", measures.counts[place++]);
    }
    json.writeObjectFieldStart(prefix + "buckets");
    for (; place < measures.cells.length; place++) {
      json.writeNumberField(Integer.toString(Measures.bucketOf(measures.cells[place])), measures.counts[place]);
    }
    json.writeEndObject();
  }

  private void writeVisitors(String visitors) throws IOException {
    if (visitors.isEmpty()) {
      return;
    }
    byte[] registers = Visitors.registers(visitors);
    json.writeObjectFieldStart("visitors");
    for (int register = 0; register < registers.length; register++) {
      if (registers[register] > 0) {
        json.writeNumberField(Integer.toString(register), registers[register]);
      }
    }
    json.writeEndObject();
  }

  private void writeFolded(Map<String, Long> folded) throws IOException {
    json.writeObjectFieldStart("folded");
    for (Map.Entry<String, Long> dimension : folded.entrySet()) {
      json.writeNumberField(dimension.getKey(), dimension.getValue());
    }
    json.writeEndObject();
  }

  int sizeBytes() {
    return bytes.size();
  }

  boolean isEmpty() {
    return bytes.size() == 0;
  }

  /** The rows gathered; the batch is empty afterwards. */
  byte[] take() throws IOException {
    json.close();
    json = null;
    byte[] taken = bytes.toByteArray();
    bytes.reset();
    return taken;
  }
}
