package rideshare.city;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One city and its fleet's habits.
 *
 * @param name the region's identifier, for instance {@code sa-east}
 * @param city the city's name
 * @param centre where vehicles and roads are laid out around
 * @param pickUp where a rider stands who gives no position
 * @param destination where rides go: the city's main station
 * @param destinationName the station's name
 * @param currency ISO 4217 code of the prices
 * @param shareOut by kind, the probability that a vehicle is out with a rider; with 1 all are out
 */
public record Region(
    String name,
    String city,
    Position centre,
    Position pickUp,
    Position destination,
    String destinationName,
    String currency,
    Map<VehicleKind, Double> shareOut) {

  /** All regions. In ap-south and us-west each car is out, so car orders go to a neighbour. */
  public static final List<Region> ALL =
      List.of(
          new Region(
              "eu-north",
              "Stockholm",
              new Position(59.3293, 18.0686),
              new Position(59.3150, 18.0340),
              new Position(59.3301, 18.0582),
              "Stockholm Central Station",
              "SEK",
              out(0.30, 0.35, 0.60)),
          new Region(
              "us-east",
              "New York",
              new Position(40.7420, -73.9890),
              new Position(40.7295, -73.9965),
              new Position(40.7527, -73.9772),
              "Grand Central Terminal",
              "USD",
              out(0.40, 0.30, 0.70)),
          new Region(
              "ap-south",
              "Mumbai",
              new Position(18.9500, 72.8300),
              new Position(18.9650, 72.8180),
              new Position(18.9398, 72.8355),
              "Chhatrapati Shivaji Maharaj Terminus",
              "INR",
              out(0.45, 0.50, 1)),
          new Region(
              "us-west",
              "San Francisco",
              new Position(37.7749, -122.4194),
              new Position(37.7880, -122.4075),
              new Position(37.7766, -122.3947),
              "San Francisco Caltrain Station",
              "USD",
              out(0.35, 0.40, 1)),
          new Region(
              "sa-east",
              "São Paulo",
              new Position(-23.5505, -46.6333),
              new Position(-23.5614, -46.6558),
              new Position(-23.5350, -46.6340),
              "Estação da Luz",
              "BRL",
              out(0.40, 0.35, 0.60)));

  /** Returns the region with that name. */
  public static Optional<Region> of(String name) {
    return ALL.stream().filter(region -> region.name.equals(name)).findFirst();
  }

  /** Returns the names of all regions, separated by commas. */
  public static String names() {
    return String.join(", ", ALL.stream().map(Region::name).toList());
  }

  private static Map<VehicleKind, Double> out(double bikes, double scooters, double cars) {
    return Map.of(VehicleKind.BIKE, bikes, VehicleKind.SCOOTER, scooters, VehicleKind.CAR, cars);
  }
}
