package rideshare.city;

import java.util.Map;

/**
 * What a ride costs.
 *
 * @param hundredths the amount, in hundredths of a unit of the currency
 * @param currency ISO 4217 code
 * @param surcharge the extra share of the fare that is in it
 */
public record Price(long hundredths, String currency, double surcharge) {
  private record Tariff(double base, double perKm, double perCompanion) {}

  /** Fares in hundredths of euro. */
  private static final Map<VehicleKind, Tariff> TARIFFS =
      Map.of(
          VehicleKind.BIKE, new Tariff(50, 30, 0),
          VehicleKind.SCOOTER, new Tariff(100, 60, 0),
          VehicleKind.CAR, new Tariff(300, 150, 80));

  /** What a euro is worth in the regions' currencies. */
  private static final Map<String, Double> EXCHANGE_RATES =
      Map.of("SEK", 11.2, "USD", 1.1, "INR", 92.0, "BRL", 6.2);

  /** Up to this share of vehicles out nearby a ride costs no extra. */
  private static final double CALM_DEMAND = 0.5;

  /** Extra share of the fare when all vehicles nearby are out. */
  private static final double HIGHEST_SURCHARGE = 0.8;

  /** Calculates what a ride of that length costs, rounded up to the next hundredth. */
  public static Price calculatePrice(
      Region region, VehicleKind kind, double routeKm, int riders, double demand) {
    Tariff tariff = TARIFFS.get(kind);
    double fare = tariff.base + tariff.perKm * routeKm + tariff.perCompanion * (riders - 1);
    double extra = HIGHEST_SURCHARGE * Math.max(0, demand - CALM_DEMAND) / (1 - CALM_DEMAND);
    double whole = fare * (1 + extra) * EXCHANGE_RATES.get(region.currency());
    return new Price((long) Math.ceil(whole), region.currency(), extra);
  }

  /** Returns the amount in whole units, with two decimals. */
  public double amount() {
    return hundredths / 100.0;
  }
}
