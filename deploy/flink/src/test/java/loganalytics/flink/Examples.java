package loganalytics.flink;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The examples beside the schemas, which the server's roles are tested against as well. */
final class Examples {
  static final ObjectMapper JSON = new ObjectMapper();
  private static final Path FOLDER = Path.of("..", "schemas", "v2", "examples");

  private Examples() {}

  /** The insight events of a kind: {@code good}, {@code bad} or {@code inconsistent}. */
  static List<Path> insights(String kind) throws IOException {
    return list(FOLDER.resolve(kind).resolve("insight-event"));
  }

  /** Key and value of every insight of the whole batches. */
  static List<JsonNode> records() throws IOException {
    return list(FOLDER.resolve("batches")).stream().flatMap(Examples::lines).toList();
  }

  private static Stream<JsonNode> lines(Path batch) {
    try {
      List<String> lines = Files.readAllLines(batch.resolve("insight-events.ndjson"));
      return JSON.readerFor(JsonNode.class).<JsonNode>readValues(String.join("\n", lines)).readAll().stream();
    } catch (IOException error) {
      throw new IllegalStateException(batch.toString(), error);
    }
  }

  private static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> found = files.sorted().toList();
      if (found.isEmpty()) {
        throw new IllegalStateException("no examples in " + folder);
      }
      return found;
    }
  }
}
