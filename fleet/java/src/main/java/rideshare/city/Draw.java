package rideshare.city;

import java.util.Random;

/** Repeatable sources of numbers. They keep no secret. */
final class Draw {
  private Draw() {}

  /** Returns the source for a purpose: the same seed and purpose draw the same numbers. */
  static Random of(long seed, String... purpose) {
    return new Random(31 * seed + String.join("/", purpose).hashCode());
  }

  static double between(Random random, double low, double high) {
    return low + (high - low) * random.nextDouble();
  }
}
