package loganalytics.flink;

import java.nio.charset.StandardCharsets;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Dead letters as Kafka records: key and value as they were, the rest in headers. */
final class DeadLetterSerializer implements KafkaRecordSerializationSchema<DeadLetter> {
  private final String topic;

  DeadLetterSerializer(String topic) {
    this.topic = topic;
  }

  @Override
  public ProducerRecord<byte[], byte[]> serialize(DeadLetter letter, KafkaSinkContext context, Long timestamp) {
    ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, letter.key, letter.value);
    header(record, "source-topic", letter.topic);
    header(record, "source-partition", Integer.toString(letter.partition));
    header(record, "source-offset", Long.toString(letter.offset));
    header(record, "failed-at", Instants.formatMillis(letter.failedAtMs));
    header(record, "reason", letter.reason);
    return record;
  }

  private static void header(ProducerRecord<byte[], byte[]> record, String name, String value) {
    record.headers().add(name, value.getBytes(StandardCharsets.UTF_8));
  }
}
