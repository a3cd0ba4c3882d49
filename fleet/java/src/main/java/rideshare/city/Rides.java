package rideshare.city;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** The latest rides, in memory. Safe to use from several threads. */
public final class Rides {
  /** How many rides a region keeps; the oldest are forgotten first. */
  public static final int REMEMBERED = 10_000;

  private final Map<String, Map<String, Object>> byId;

  /** Makes a store for so many rides. */
  public Rides(int limit) {
    byId =
        new LinkedHashMap<>() {
          private static final long serialVersionUID = 1;

          @Override
          protected boolean removeEldestEntry(Map.Entry<String, Map<String, Object>> eldest) {
            return size() > limit;
          }
        };
  }

  /** Remembers a ride: its answer has its identifier. */
  public synchronized void add(Map<String, Object> answer) {
    byId.put((String) answer.get("ride_id"), Map.copyOf(answer));
  }

  /** Returns the answer to the ride with that identifier. */
  public synchronized Optional<Map<String, Object>> find(String rideId) {
    return Optional.ofNullable(byId.get(rideId));
  }
}
