package loganalytics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The schema's examples are read, written and refused as they should be. */
class InsightJsonTest {
  @Test
  void insightsOfWholeBatchesAreReadAndWrittenAsTheyWere() throws Exception {
    for (JsonNode record : Examples.records()) {
      Insight insight = InsightJson.read(Examples.JSON.writeValueAsBytes(record.get("value")));
      assertEquals(record.get("key").asText(), insight.recordKey());
      // To the byte: the server reads windows in canonical form only.
      assertEquals(record.get("value").toString(), new String(InsightJson.write(insight), StandardCharsets.UTF_8));
    }
  }

  @Test
  void goodExamplesAreAccepted() throws Exception {
    for (Path file : Examples.insights("good")) {
      JsonNode expected = Examples.JSON.readTree(file.toFile());
      Insight insight = InsightJson.read(Files.readAllBytes(file));
      JsonNode window = expected.get("window");
      assertEquals(window.get("requests").asLong(), insight.all.requests, file.toString());
      assertEquals(expected.get("batchId").asText(), insight.batchId, file.toString());
      assertEquals(window.get("requestsByPath").size(), insight.dimensions.get(0).keys.size(), file.toString());
      assertEquals(window, Examples.JSON.readTree(InsightJson.write(insight)).get("window"), file.toString());
    }
  }

  @Test
  void badAndInconsistentExamplesAreRefusedWithAReason() throws Exception {
    for (String kind : new String[] {"bad", "inconsistent"}) {
      for (Path file : Examples.insights(kind)) {
        byte[] json = Files.readAllBytes(file);
        InvalidInsight refusal = assertThrows(InvalidInsight.class, () -> InsightJson.read(json), file.toString());
        assertTrue(refusal.getMessage().length() > 10, refusal.getMessage());
      }
    }
  }

  @Test
  void whatIsNotOneJsonObjectIsRefused() {
    String valid = new String(InsightJson.write(Insights.of("b", Insights.MINUTE, "GET /", 1)), StandardCharsets.UTF_8);
    String[] invalid = {
      "", "[]", "null", valid + valid, valid.substring(0, valid.length() - 1), "{\"schemaVersion\":2," + valid.substring(1)
    };
    for (String json : invalid) {
      assertThrows(InvalidInsight.class, () -> InsightJson.read(json.getBytes(StandardCharsets.UTF_8)), json);
    }
    assertThrows(InvalidInsight.class, () -> InsightJson.read(null));
  }

  @Test
  void instantsAreReadOnlyInTheirOneForm() {
    assertEquals(Insights.MINUTE, Instants.parseSeconds("2025-12-28T18:03:00Z"));
    assertEquals(Insights.MINUTE + 7, Instants.parseMillis("2025-12-28T18:03:00.007Z"));
    assertEquals("2025-12-28T18:03:00.007Z", Instants.formatMillis(Insights.MINUTE + 7));
    assertEquals(253_402_300_799_999L, Instants.parseMillis("9999-12-31T23:59:59.999Z"));
    String[] invalid = {
      "2025-12-28T18:03:00.007Z", "2025-12-28T18:03:00", "2025-12-28 18:03:00Z", "2025-02-29T00:00:00Z",
      "2025-12-28T24:00:00Z", "2025-12-28T18:03:60Z", "1969-12-31T23:59:00Z", "+025-12-28T18:03:00Z", ""
    };
    for (String text : invalid) {
      assertEquals(-1, Instants.parseSeconds(text), text);
    }
  }
}
