package loganalytics.flink;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Reads and writes insights as {@code deploy/schemas/v1/insight-event.schema.json} has them, and checks what a schema cannot
 * say: that both maps sum to the requests, and that days exist. Unknown fields are ignored, unknown versions refused.
 */
final class InsightJson {
  /** The version that is written, and the only one that is read. */
  static final int SCHEMA_VERSION = 1;

  private static final long MAX_COUNT = 0xFFFF_FFFFL;
  private static final int MAX_CUSTOMER_LENGTH = 128;
  private static final int MAX_BATCH_LENGTH = 255;

  private static final JsonFactory JSON =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(100).maxNameLength(1 << 20).build())
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

  /** Writes an insight, its maps sorted by key. */
  static byte[] write(Insight insight) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.writeStartObject();
      json.writeNumberField("schemaVersion", SCHEMA_VERSION);
      json.writeStringField("customerId", insight.customerId);
      json.writeStringField("batchId", insight.batchId);
      json.writeStringField("fingerprint", insight.fingerprint);
      json.writeStringField("windowSize", "minute");
      json.writeStringField("windowStart", Instants.formatSeconds(insight.windowStartMs));
      json.writeNumberField("requests", insight.requests);
      writeCounts(json, "requestsByPath", insight.requestsByPath);
      writeCounts(json, "requestsByUserAgent", insight.requestsByAgent);
      json.writeStringField("receivedAt", Instants.formatMillis(insight.receivedAtMs));
      json.writeEndObject();
    } catch (IOException impossible) {
      throw new UncheckedIOException("memory does not fail", impossible);
    }
    return bytes.toByteArray();
  }

  private static void writeCounts(JsonGenerator json, String name, Map<String, Long> counts) throws IOException {
    json.writeObjectFieldStart(name);
    for (Map.Entry<String, Long> count : new TreeMap<>(counts).entrySet()) {
      json.writeNumberField(count.getKey(), count.getValue());
    }
    json.writeEndObject();
  }

  private static Insight readObject(JsonParser parser) throws IOException, InvalidInsight {
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      throw new InvalidInsight("not an object");
    }
    Insight insight = new Insight();
    insight.windowStartMs = -1;
    insight.receivedAtMs = -1;
    boolean versioned = false;
    boolean sized = false;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "schemaVersion" -> {
          long version = number(parser, name);
          if (version != SCHEMA_VERSION) {
            throw new InvalidInsight("schemaVersion " + version + " is not known");
          }
          versioned = true;
        }
        case "customerId" -> insight.customerId = string(parser, name);
        case "batchId" -> insight.batchId = string(parser, name);
        case "fingerprint" -> insight.fingerprint = string(parser, name);
        case "windowSize" -> {
          String size = string(parser, name);
          if (!size.equals("minute")) {
            throw new InvalidInsight("windowSize " + size + " is not minute");
          }
          sized = true;
        }
        case "windowStart" -> insight.windowStartMs = Instants.parseSeconds(string(parser, name));
        case "receivedAt" -> insight.receivedAtMs = Instants.parseMillis(string(parser, name));
        case "requests" -> insight.requests = number(parser, name);
        case "requestsByPath" -> insight.requestsByPath = counts(parser, name);
        case "requestsByUserAgent" -> insight.requestsByAgent = counts(parser, name);
        default -> parser.skipChildren();
      }
    }
    if (!versioned || !sized) {
      throw new InvalidInsight(versioned ? "no windowSize" : "no schemaVersion");
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
    if (insight.requests == 0) {
      throw new InvalidInsight("no requests");
    }
    checkSum("requestsByPath", insight.requestsByPath, insight.requests);
    checkSum("requestsByUserAgent", insight.requestsByAgent, insight.requests);
  }

  /** Ids are visible ASCII of bounded length: the record key is put together from them, and state kept by them. */
  private static void checkId(String name, String id, int maxLength) throws InvalidInsight {
    if (id == null || id.isEmpty() || id.length() > maxLength || !id.chars().allMatch(c -> c > ' ' && c <= '~')) {
      throw new InvalidInsight(name + " is not 1 to " + maxLength + " visible ASCII characters");
    }
  }

  private static void checkSum(String name, Map<String, Long> counts, long requests) throws InvalidInsight {
    if (counts == null) {
      throw new InvalidInsight("no " + name);
    }
    long sum = counts.values().stream().mapToLong(Long::longValue).sum();
    if (sum != requests) {
      throw new InvalidInsight(name + " sums to " + sum + " and not to " + requests + " requests");
    }
  }

  private static String string(JsonParser parser, String name) throws IOException, InvalidInsight {
    if (parser.currentToken() != JsonToken.VALUE_STRING) {
      throw new InvalidInsight(name + " is not a string");
    }
    return parser.getText();
  }

  private static long number(JsonParser parser, String name) throws IOException, InvalidInsight {
    boolean whole = parser.currentToken() == JsonToken.VALUE_NUMBER_INT;
    if (!whole || parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
      throw new InvalidInsight(name + " is not a whole number");
    }
    long number = parser.getLongValue();
    if (number < 1 || number > MAX_COUNT) {
      throw new InvalidInsight(name + " is " + number + ", not 1 to " + MAX_COUNT);
    }
    return number;
  }

  private static Map<String, Long> counts(JsonParser parser, String name) throws IOException, InvalidInsight {
    if (parser.currentToken() != JsonToken.START_OBJECT) {
      throw new InvalidInsight(name + " is not an object");
    }
    Map<String, Long> counts = new HashMap<>();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String key = parser.currentName();
      parser.nextToken();
      counts.put(key, number(parser, name));
    }
    return counts;
  }

  private static String firstLine(IOException error) {
    String message = String.valueOf(error.getMessage());
    int end = message.indexOf('\n');
    return end < 0 ? message : message.substring(0, end);
  }
}
