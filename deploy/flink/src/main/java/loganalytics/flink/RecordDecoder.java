package loganalytics.flink;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * Makes an insight of a Kafka record, or a dead letter: a record that cannot be read stops nothing. A record whose key does
 * not name its window is one too, because it may lie in another partition than the rest of its window.
 */
final class RecordDecoder implements KafkaRecordDeserializationSchema<Decoded> {
  @Override
  public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Decoded> out) {
    out.collect(decode(record));
  }

  static Decoded decode(ConsumerRecord<byte[], byte[]> record) {
    try {
      Insight insight = InsightJson.read(record.value());
      if (!matches(record.key(), insight.recordKey())) {
        throw new InvalidInsight("the record's key is not " + insight.recordKey());
      }
      return Decoded.of(insight);
    } catch (InvalidInsight invalid) {
      DeadLetter letter = new DeadLetter();
      letter.key = record.key();
      letter.value = record.value();
      letter.topic = record.topic();
      letter.partition = record.partition();
      letter.offset = record.offset();
      letter.failedAtMs = System.currentTimeMillis();
      letter.reason = invalid.getMessage();
      return Decoded.of(letter);
    }
  }

  /** Whether the bytes are this ASCII text. */
  private static boolean matches(byte[] bytes, String ascii) {
    if (bytes == null || bytes.length != ascii.length()) {
      return false;
    }
    for (int i = 0; i < bytes.length; i++) {
      if (bytes[i] != ascii.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  @Override
  public TypeInformation<Decoded> getProducedType() {
    return TypeInformation.of(Decoded.class);
  }
}
