package rideshare.city;

import java.util.Arrays;
import java.util.Optional;

/** What a rider can order. */
public enum VehicleKind {
  // The CPU time of an order is proportional to the size of the fleet, which is five times that of
  // the Python app, because Java is faster.
  BIKE("bike", 7_500, 1),
  SCOOTER("scooter", 15_250, 1),
  CAR("car", 23_500, 4);

  private final String word;
  private final int fleetSize;
  private final int capacity;

  VehicleKind(String word, int fleetSize, int capacity) {
    this.word = word;
    this.fleetSize = fleetSize;
    this.capacity = capacity;
  }

  /** Returns the word used in URLs and answers. */
  public String word() {
    return word;
  }

  /** Returns how many vehicles of the kind a region has. */
  public int fleetSize() {
    return fleetSize;
  }

  /** Returns how many riders a vehicle takes. */
  public int capacity() {
    return capacity;
  }

  /** Returns the kind with that word. */
  public static Optional<VehicleKind> of(String word) {
    return Arrays.stream(values()).filter(kind -> kind.word.equals(word)).findFirst();
  }

  /** Returns the words of all kinds, separated by commas. */
  public static String words() {
    return String.join(", ", Arrays.stream(values()).map(VehicleKind::word).toList());
  }
}
