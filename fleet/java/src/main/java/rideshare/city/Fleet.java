package rideshare.city;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/** A region's vehicles of one kind, and the search for the nearest free one. */
public record Fleet(List<Vehicle> vehicles) {
  private static final int FIXES_PER_VEHICLE = 40;
  private static final double SPREAD_METRES = 3500;
  private static final double NEARBY_KM = 1;

  /**
   * What a search found.
   *
   * @param nearest the nearest free vehicle
   * @param distanceKm how far away it is, 0 where there is none
   * @param examined how many vehicles were looked at
   * @param free how many of them are free
   * @param demand the share of the vehicles nearby that is out, 0 to 1
   */
  public record Found(
      Optional<Vehicle> nearest, double distanceKm, int examined, int free, double demand) {}

  /** Draws the vehicles of a kind; the same region and seed give the same vehicles. */
  public static Fleet build(Region region, VehicleKind kind, long seed, int size) {
    Random random = Draw.of(seed, region.name(), kind.word());
    List<Vehicle> vehicles = new ArrayList<>(size);
    for (int number = 0; number < size; number++) {
      byte[] track = new byte[2 * FIXES_PER_VEHICLE];
      random.nextBytes(track);
      Position anchor =
          region
              .centre()
              .moved(
                  Draw.between(random, -SPREAD_METRES, SPREAD_METRES),
                  Draw.between(random, -SPREAD_METRES, SPREAD_METRES));
      boolean out = random.nextDouble() < region.shareOut().get(kind);
      vehicles.add(new Vehicle(String.format("%s-%05d", kind.word(), number), anchor, track, out));
    }
    return new Fleet(List.copyOf(vehicles));
  }

  /**
   * Finds the free vehicle nearest to the rider; of two equally near ones the first.
   *
   * <p>It looks at every vehicle, because the share of them that is out near the rider is the
   * demand that sets the price. This is where an order spends most of its CPU.
   */
  public Found findNearestVehicle(Position rider) {
    Vehicle nearest = null;
    double nearestKm = 0;
    int free = 0;
    int nearby = 0;
    int outNearby = 0;
    for (Vehicle vehicle : vehicles) {
      double distanceKm = Position.greatCircleKm(rider, vehicle.smoothedPosition());
      if (distanceKm <= NEARBY_KM) {
        nearby++;
        outNearby += vehicle.isOut() ? 1 : 0;
      }
      if (vehicle.isOut()) {
        continue;
      }
      free++;
      if (nearest == null || distanceKm < nearestKm) {
        nearest = vehicle;
        nearestKm = distanceKm;
      }
    }
    double demand = nearby == 0 ? 0 : (double) outNearby / nearby;
    return new Found(Optional.ofNullable(nearest), nearestKm, vehicles.size(), free, demand);
  }
}
