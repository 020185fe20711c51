package loganalytics.flink;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToLongFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The window of an insight: the shape that window files and answers have, for any dimensions. Reads it in any order of fields
 * and checks what a schema cannot say (parts are not more than the whole); writes the canonical form.
 */
final class WindowJson {
  private static final Pattern BY = Pattern.compile("(requests|robots|measures)By([A-Z][A-Za-z]{0,31})");
  private static final Comparator<String> BY_BYTES =
      (left, right) ->
          Arrays.compareUnsigned(left.getBytes(StandardCharsets.UTF_8), right.getBytes(StandardCharsets.UTF_8));

  private WindowJson() {}

  // ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

  static void read(JsonParser parser, Insight insight) throws IOException, InvalidInsight {
    expectObject(parser, "window");
    boolean sized = false;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "customerId" -> insight.customerId = string(parser, name);
        case "windowStart" -> insight.windowStartMs = Instants.parseSeconds(string(parser, name));
        case "windowSize" -> {
          String size = string(parser, name);
          if (!size.equals("minute")) {
            throw new InvalidInsight("windowSize " + size + " is not minute");
          }
          sized = true;
        }
        case "robots" -> {
          expectObject(parser, name);
          while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String part = parser.currentName();
            parser.nextToken();
            readTotals(parser, part, insight.robots);
          }
        }
        case "visitors" -> insight.visitors = visitors(string(parser, name));
        default -> {
          Matcher by = BY.matcher(name);
          if (by.matches()) {
            readBy(parser, by.group(1), dimension(by.group(2)), insight);
          } else {
            readTotals(parser, name, insight.all);
          }
        }
      }
    }
    if (!sized) {
      throw new InvalidInsight("windowSize is missing");
    }
    check(insight);
  }

  private static String dimension(String suffix) {
    return Character.toLowerCase(suffix.charAt(0)) + suffix.substring(1);
  }

  private static String suffix(String dimension) {
    return Character.toUpperCase(dimension.charAt(0)) + dimension.substring(1);
  }

  private static void readTotals(JsonParser parser, String name, Totals totals) throws IOException, InvalidInsight {
    if (name.equals("requests")) {
      totals.requests = count(parser, name);
    } else {
      readMeasure(parser, name, totals.measures);
    }
  }

  private static void readMeasure(JsonParser parser, String name, Measures measures) throws IOException, InvalidInsight {
    switch (name) {
      case "responseBytes" -> measures.responseBytes = count(parser, name);
      case "status" -> measures.merge(cells(parser, name, 0, 0, Measures.STATUSES - 1));
      case "duration" -> readDuration(parser, measures);
      // To leave it out would be to lose counts.
      default -> throw new InvalidInsight("unknown field " + name + " in a window");
    }
  }

  private static void readDuration(JsonParser parser, Measures measures) throws IOException, InvalidInsight {
    expectObject(parser, "duration");
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "micros" -> measures.durationMicros = count(parser, name);
        case "zeroCount" -> measures.merge(cell(Measures.ZERO_DURATION, count(parser, name)));
        case "buckets" -> measures.merge(
            cells(parser, name, Measures.cellOfBucket(0), Measures.MIN_BUCKET, Measures.MAX_BUCKET));
        default -> throw new InvalidInsight("unknown field " + name + " in a duration");
      }
    }
  }

  private static Measures cell(int cell, long count) {
    Measures measures = new Measures();
    measures.cells = new int[] {cell};
    measures.counts = new long[] {count};
    return measures;
  }

  /** A map of counts by number, from {@code least} to {@code most}, as cells that begin at {@code first} for the number 0. */
  private static Measures cells(JsonParser parser, String name, int first, int least, int most)
      throws IOException, InvalidInsight {
    Map<Integer, Long> counts = new TreeMap<>();
    for (Map.Entry<String, Long> count : counts(parser, name).entrySet()) {
      int number;
      try {
        number = Integer.parseInt(count.getKey());
      } catch (NumberFormatException noNumber) {
        throw new InvalidInsight(name + " has " + count.getKey());
      }
      if (number < least || number > most || !Integer.toString(number).equals(count.getKey())) {
        throw new InvalidInsight(name + " has " + count.getKey());
      }
      counts.put(first + number, count.getValue());
    }
    Measures measures = new Measures();
    measures.cells = counts.keySet().stream().mapToInt(Integer::intValue).toArray();
    measures.counts = counts.values().stream().mapToLong(Long::longValue).toArray();
    return measures;
  }

  private static void readBy(JsonParser parser, String what, String dimension, Insight insight)
      throws IOException, InvalidInsight {
    Map<String, KeyCounts> keys = keysOf(dimension, insight);
    expectObject(parser, what);
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String key = parser.currentName();
      parser.nextToken();
      KeyCounts counts = keys.computeIfAbsent(key, absent -> new KeyCounts());
      switch (what) {
        case "requests" -> counts.requests = count(parser, key);
        case "robots" -> counts.robots = count(parser, key);
        default -> {
          expectObject(parser, what);
          while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String part = parser.currentName();
            parser.nextToken();
            readMeasure(parser, part, counts.measures);
          }
        }
      }
    }
  }

  private static Map<String, KeyCounts> keysOf(String dimension, Insight insight) {
    for (ByDimension by : insight.dimensions) {
      if (by.dimension.equals(dimension)) {
        return by.keys;
      }
    }
    ByDimension by = new ByDimension();
    by.dimension = dimension;
    insight.dimensions.add(by);
    return by.keys;
  }

  private static void check(Insight insight) throws InvalidInsight {
    long requests = insight.all.requests;
    if (requests == 0) {
      throw new InvalidInsight("requests is missing");
    }
    if (insight.robots.requests > requests) {
      throw new InvalidInsight("more robots than requests");
    }
    for (ByDimension by : insight.dimensions) {
      long sum = 0;
      for (Map.Entry<String, KeyCounts> key : by.keys.entrySet()) {
        KeyCounts counts = key.getValue();
        if (counts.requests == 0 || counts.robots > counts.requests) {
          throw new InvalidInsight("by " + by.dimension + ": " + key.getKey() + " counts more parts than requests");
        }
        sum = Sums.add(sum, counts.requests);
      }
      if (sum > requests) {
        throw new InvalidInsight("by " + by.dimension + ": " + sum + " requests of " + requests);
      }
    }
  }

  private static String visitors(String text) throws InvalidInsight {
    if (text.isEmpty() || Visitors.registers(text) == null) {
      throw new InvalidInsight("visitors cannot be read");
    }
    return text;
  }

  private static void expectObject(JsonParser parser, String name) throws InvalidInsight {
    if (parser.currentToken() != JsonToken.START_OBJECT) {
      throw new InvalidInsight(name + " is not an object");
    }
  }

  static String string(JsonParser parser, String name) throws IOException, InvalidInsight {
    if (parser.currentToken() != JsonToken.VALUE_STRING) {
      throw new InvalidInsight(name + " is not a string");
    }
    return parser.getText();
  }

  /** A count above zero. */
  static long count(JsonParser parser, String name) throws IOException, InvalidInsight {
    boolean whole = parser.currentToken() == JsonToken.VALUE_NUMBER_INT;
    if (!whole || parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
      throw new InvalidInsight(name + " is not a whole number");
    }
    long count = parser.getLongValue();
    if (count < 1) {
      throw new InvalidInsight(name + " is " + count + ", and not above zero");
    }
    return count;
  }

  private static Map<String, Long> counts(JsonParser parser, String name) throws IOException, InvalidInsight {
    expectObject(parser, name);
    Map<String, Long> counts = new HashMap<>();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String key = parser.currentName();
      parser.nextToken();
      counts.put(key, count(parser, name));
    }
    return counts;
  }

  // ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────────────

  static void write(JsonGenerator json, Insight insight) throws IOException {
    json.writeStartObject();
    json.writeStringField("customerId", insight.customerId);
    json.writeStringField("windowStart", Instants.formatSeconds(insight.windowStartMs));
    json.writeStringField("windowSize", "minute");
    writeTotals(json, insight.all);
    if (insight.robots.requests > 0) {
      json.writeObjectFieldStart("robots");
      writeTotals(json, insight.robots);
      json.writeEndObject();
    }
    if (!insight.visitors.isEmpty()) {
      json.writeStringField("visitors", insight.visitors);
    }
    writeDimensions(json, insight);
    json.writeEndObject();
  }

  private static void writeTotals(JsonGenerator json, Totals totals) throws IOException {
    json.writeNumberField("requests", totals.requests);
    writeMeasures(json, totals.measures);
  }

  private static void writeMeasures(JsonGenerator json, Measures measures) throws IOException {
    if (measures.responseBytes > 0) {
      json.writeNumberField("responseBytes", measures.responseBytes);
    }
    Map<String, Long> statuses = new HashMap<>();
    Map<String, Long> buckets = new HashMap<>();
    long zeros = 0;
    for (int place = 0; place < measures.cells.length; place++) {
      int cell = measures.cells[place];
      if (cell < Measures.STATUSES) {
        statuses.put(Integer.toString(cell), measures.counts[place]);
      } else if (cell == Measures.ZERO_DURATION) {
        zeros = measures.counts[place];
      } else {
        buckets.put(Integer.toString(Measures.bucketOf(cell)), measures.counts[place]);
      }
    }
    writeCounts(json, "status", statuses);
    if (measures.durationMicros > 0 || zeros > 0 || !buckets.isEmpty()) {
      json.writeObjectFieldStart("duration");
      if (measures.durationMicros > 0) {
        json.writeNumberField("micros", measures.durationMicros);
      }
      if (zeros > 0) {
        json.writeNumberField("zeroCount", zeros);
      }
      writeCounts(json, "buckets", buckets);
      json.writeEndObject();
    }
  }

  private static void writeDimensions(JsonGenerator json, Insight insight) throws IOException {
    for (ByDimension by : insight.dimensions) {
      writeCounts(json, "requestsBy" + suffix(by.dimension), collect(by, counts -> counts.requests));
    }
    for (ByDimension by : insight.dimensions) {
      writeCounts(json, "robotsBy" + suffix(by.dimension), collect(by, counts -> counts.robots));
    }
    for (ByDimension by : insight.dimensions) {
      boolean begun = false;
      for (Map.Entry<String, KeyCounts> key : sorted(by.keys).entrySet()) {
        if (key.getValue().measures.isEmpty()) {
          continue;
        }
        if (!begun) {
          json.writeObjectFieldStart("measuresBy" + suffix(by.dimension));
          begun = true;
        }
        json.writeObjectFieldStart(key.getKey());
        writeMeasures(json, key.getValue().measures);
        json.writeEndObject();
      }
      if (begun) {
        json.writeEndObject();
      }
    }
  }

  /** One count of each key, where it is not zero. */
  private static Map<String, Long> collect(ByDimension by, ToLongFunction<KeyCounts> count) {
    Map<String, Long> counts = new HashMap<>();
    by.keys.forEach((key, value) -> counts.put(key, count.applyAsLong(value)));
    counts.values().removeIf(value -> value == 0);
    return counts;
  }

  private static <T> Map<String, T> sorted(Map<String, T> map) {
    Map<String, T> sorted = new TreeMap<>(BY_BYTES);
    sorted.putAll(map);
    return sorted;
  }

  private static void writeCounts(JsonGenerator json, String name, Map<String, Long> counts) throws IOException {
    if (counts.isEmpty()) {
      return;
    }
    json.writeObjectFieldStart(name);
    for (Map.Entry<String, Long> count : sorted(counts).entrySet()) {
      json.writeNumberField(count.getKey(), count.getValue());
    }
    json.writeEndObject();
  }
}
