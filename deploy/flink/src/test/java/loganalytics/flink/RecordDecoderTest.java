package loganalytics.flink;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.charset.StandardCharsets;
import org.apache.flink.types.PojoTestUtils;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;

/** Records become insights or dead letters, and go out as they came. */
class RecordDecoderTest {
  private static final Insight INSIGHT = Insights.of("batch-1", Insights.MINUTE, "GET /", 3);

  private static Decoded decode(String key, byte[] value) {
    byte[] keyBytes = key == null ? null : key.getBytes(StandardCharsets.UTF_8);
    return RecordDecoder.decode(new ConsumerRecord<>("insight-events", 2, 17, keyBytes, value));
  }

  @Test
  void aValidRecordIsAnInsight() {
    Decoded decoded = decode(INSIGHT.recordKey(), InsightJson.write(INSIGHT));
    assertNull(decoded.deadLetter);
    assertEquals("batch-1", decoded.insight.batchId);
    assertEquals(Insights.MINUTE, decoded.eventTimeMs());
  }

  @Test
  void anInsightDatedIntoTheFutureHasTheTimeOfItsReceipt() {
    Insight early = Insights.of("b", Insights.MINUTE, "GET /", 1);
    early.receivedAtMs = Insights.MINUTE - 86_400_000;
    assertEquals(early.receivedAtMs, decode(early.recordKey(), InsightJson.write(early)).eventTimeMs());
  }

  @Test
  void whatIsNoInsightIsADeadLetterByteForByte() {
    byte[] value = {'{', (byte) 0xff};
    Decoded decoded = decode("some key", value);
    assertNull(decoded.insight);
    assertEquals(Long.MIN_VALUE, decoded.eventTimeMs());
    ProducerRecord<byte[], byte[]> record =
        new DeadLetterSerializer("dead-letters").serialize(decoded.deadLetter, null, null);
    assertEquals("dead-letters", record.topic());
    assertArrayEquals("some key".getBytes(StandardCharsets.UTF_8), record.key());
    assertArrayEquals(value, record.value());
    assertEquals("insight-events", header(record, "source-topic"));
    assertEquals("2", header(record, "source-partition"));
    assertEquals("17", header(record, "source-offset"));
    assertEquals(24, header(record, "failed-at").length());
    assertNotNull(header(record, "reason"));
  }

  @Test
  void aRecordUnderAnotherWindowsKeyIsADeadLetter() {
    byte[] value = InsightJson.write(INSIGHT);
    assertNotNull(decode("demo|minute|2025-12-28T18:04:00Z", value).deadLetter);
    assertNotNull(decode(null, value).deadLetter);
    assertNotNull(decode(INSIGHT.recordKey(), null).deadLetter);
  }

  @Test
  void aLateInsightGoesOutAsItCame() {
    ProducerRecord<byte[], byte[]> record = new LateSerializer("late-insights").serialize(INSIGHT, null, 0L);
    assertNull(record.timestamp());
    Decoded again = decode(new String(record.key(), StandardCharsets.UTF_8), record.value());
    assertArrayEquals(InsightJson.write(INSIGHT), InsightJson.write(again.insight));
  }

  @Test
  void everythingInFlightAndInStateIsAPojo() {
    PojoTestUtils.assertSerializedAsPojoWithoutKryo(Insight.class);
    PojoTestUtils.assertSerializedAsPojoWithoutKryo(DeadLetter.class);
    PojoTestUtils.assertSerializedAsPojoWithoutKryo(Decoded.class);
    PojoTestUtils.assertSerializedAsPojoWithoutKryo(WindowRow.class);
    PojoTestUtils.assertSerializedAsPojoWithoutKryo(WindowHead.class);
    PojoTestUtils.assertSerializedAsPojoWithoutKryo(KeyCounts.class);
  }

  private static String header(ProducerRecord<byte[], byte[]> record, String name) {
    return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
  }
}
