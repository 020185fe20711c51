package loganalytics.flink;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;

/**
 * RFC 3339 instants in the two fixed forms that the topics use: {@code 2025-12-28T18:03:00Z} and {@code
 * 2025-12-28T18:03:00.250Z}. Anything else is refused, days that are none included.
 */
final class Instants {
  private static final int SECONDS_LENGTH = "2025-12-28T18:03:00Z".length();
  private static final int MILLIS_LENGTH = "2025-12-28T18:03:00.250Z".length();

  private Instants() {}

  /** Milliseconds since 1970 of an instant with seconds; -1 if it is none. */
  static long parseSeconds(String text) {
    return text.length() == SECONDS_LENGTH && text.charAt(SECONDS_LENGTH - 1) == 'Z' ? parse(text, 0) : -1;
  }

  /** Milliseconds since 1970 of an instant with milliseconds; -1 if it is none. */
  static long parseMillis(String text) {
    if (text.length() != MILLIS_LENGTH || text.charAt(19) != '.' || text.charAt(MILLIS_LENGTH - 1) != 'Z') {
      return -1;
    }
    int millis = digits(text, 20, 23);
    return millis < 0 ? -1 : parse(text, millis);
  }

  static String formatSeconds(long epochMs) {
    return Instant.ofEpochSecond(Math.floorDiv(epochMs, 1000L)).toString();
  }

  static String formatMillis(long epochMs) {
    String seconds = formatSeconds(epochMs);
    long millis = Math.floorMod(epochMs, 1000L);
    return seconds.substring(0, SECONDS_LENGTH - 1) + String.format(".%03dZ", millis);
  }

  private static long parse(String text, int millis) {
    int year = digits(text, 0, 4);
    int month = digits(text, 5, 7);
    int day = digits(text, 8, 10);
    int hour = digits(text, 11, 13);
    int minute = digits(text, 14, 16);
    int second = digits(text, 17, 19);
    boolean separated =
        text.charAt(4) == '-'
            && text.charAt(7) == '-'
            && text.charAt(10) == 'T'
            && text.charAt(13) == ':'
            && text.charAt(16) == ':';
    if (!separated || year < 1970 || (month | day | hour | minute | second) < 0) {
      return -1;
    }
    try {
      LocalDateTime time = LocalDateTime.of(year, month, day, hour, minute, second);
      return time.toEpochSecond(ZoneOffset.UTC) * 1000 + millis;
    } catch (DateTimeException noSuchTime) {
      return -1;
    }
  }

  /** The number written by the digits in a range; -1 if something else is there. */
  private static int digits(String text, int from, int to) {
    int number = 0;
    for (int i = from; i < to; i++) {
      char c = text.charAt(i);
      if (c < '0' || c > '9') {
        return -1;
      }
      number = number * 10 + (c - '0');
    }
    return number;
  }
}
