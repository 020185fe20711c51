package loganalytics.flink;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.MinimalPrettyPrinter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;

/** Rows of one table being gathered for an insert, one JSON object a line. */
final class RowBatch {
  private static final JsonFactory JSON = new JsonFactory();

  private final String table;
  private final String keyColumn;
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private JsonGenerator json;

  RowBatch(WindowRow.Dimension dimension) {
    table = dimension == WindowRow.Dimension.PATH ? "minute_by_path" : "minute_by_agent";
    keyColumn = dimension == WindowRow.Dimension.PATH ? "path" : "agent";
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
    json.writeStringField(keyColumn, row.key);
    json.writeNumberField("requests", row.requests);
    json.writeNumberField("version", row.version);
    json.writeNumberField("final", row.complete ? 1 : 0);
    json.writeEndObject();
    // Into the buffer, so that its size is known; it costs a copy within memory.
    json.flush();
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
