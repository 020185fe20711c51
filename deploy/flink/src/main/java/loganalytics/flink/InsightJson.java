package loganalytics.flink;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * Reads and writes insights as {@code deploy/schemas/v2/insight-event.schema.json} has them; the window in them is {@link
 * WindowJson}'s. Unknown fields are ignored, unknown versions refused.
 */
final class InsightJson {
  /** The version that is written, and the only one that is read. */
  static final int SCHEMA_VERSION = 2;

  private static final int MAX_CUSTOMER_LENGTH = 128;
  private static final int MAX_BATCH_LENGTH = 255;

  private static final JsonFactory JSON =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(100).maxNameLength(1 << 20).build())
          // As the server writes them.
          .enable(JsonWriteFeature.COMBINE_UNICODE_SURROGATES_IN_UTF8)
          // Names are the customers' own: interned, they would stay for ever.
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
          .build();

  private InsightJson() {}

  /**
   * Reads one insight.
   *
   * @throws InvalidInsight if the bytes are none, with the first thing that is wrong
   */
  static Insight read(byte[] json) throws InvalidInsight {
    if (json == null) {
      throw new InvalidInsight("a record without a value");
    }
    try (JsonParser parser = JSON.createParser(json)) {
      Insight insight = readObject(parser);
      if (parser.nextToken() != null) {
        throw new InvalidInsight("something follows the object");
      }
      check(insight);
      return insight;
    } catch (IOException notJson) {
      throw new InvalidInsight("not JSON: " + firstLine(notJson));
    }
  }

  /** Writes an insight, its window in canonical form. */
  static byte[] write(Insight insight) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.writeStartObject();
      json.writeNumberField("schemaVersion", SCHEMA_VERSION);
      json.writeStringField("batchId", insight.batchId);
      json.writeStringField("fingerprint", insight.fingerprint);
      json.writeStringField("receivedAt", Instants.formatMillis(insight.receivedAtMs));
      json.writeFieldName("window");
      WindowJson.write(json, insight);
      json.writeEndObject();
    } catch (IOException impossible) {
      throw new UncheckedIOException("memory does not fail", impossible);
    }
    return bytes.toByteArray();
  }

  private static Insight readObject(JsonParser parser) throws IOException, InvalidInsight {
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      throw new InvalidInsight("not an object");
    }
    Insight insight = new Insight();
    insight.windowStartMs = -1;
    insight.receivedAtMs = -1;
    boolean versioned = false;
    boolean windowed = false;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "schemaVersion" -> {
          long version = WindowJson.count(parser, name);
          if (version != SCHEMA_VERSION) {
            throw new InvalidInsight("schemaVersion " + version + " is not known");
          }
          versioned = true;
        }
        case "batchId" -> insight.batchId = WindowJson.string(parser, name);
        case "fingerprint" -> insight.fingerprint = WindowJson.string(parser, name);
        case "receivedAt" -> insight.receivedAtMs = Instants.parseMillis(WindowJson.string(parser, name));
        case "window" -> {
          WindowJson.read(parser, insight);
          windowed = true;
        }
        default -> parser.skipChildren();
      }
    }
    if (!versioned || !windowed) {
      throw new InvalidInsight(versioned ? "window is missing" : "schemaVersion is missing");
    }
    return insight;
  }

  private static void check(Insight insight) throws InvalidInsight {
    checkId("customerId", insight.customerId, MAX_CUSTOMER_LENGTH);
    checkId("batchId", insight.batchId, MAX_BATCH_LENGTH);
    String fingerprint = insight.fingerprint;
    if (fingerprint == null
        || fingerprint.length() != 32
        || !fingerprint.chars().allMatch(c -> (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      throw new InvalidInsight("fingerprint is not 32 hexadecimal digits");
    }
    if (insight.windowStartMs < 0 || insight.windowStartMs % Insight.WINDOW_MS != 0) {
      throw new InvalidInsight("windowStart is not a whole minute");
    }
    if (insight.receivedAtMs < 0) {
      throw new InvalidInsight("receivedAt is not an instant with milliseconds");
    }
  }

  /** Ids are visible ASCII of bounded length: the record key is put together from them, and state kept by them. */
  private static void checkId(String name, String id, int maxLength) throws InvalidInsight {
    if (id == null || id.isEmpty() || id.length() > maxLength || !id.chars().allMatch(c -> c > ' ' && c <= '~')) {
      throw new InvalidInsight(name + " is not 1 to " + maxLength + " visible ASCII characters");
    }
  }

  private static String firstLine(IOException error) {
    String message = String.valueOf(error.getMessage());
    int end = message.indexOf('\n');
    return end < 0 ? message : message.substring(0, end);
  }
}
