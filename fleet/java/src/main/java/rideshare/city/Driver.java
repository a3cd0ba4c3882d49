package rideshare.city;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A driver.
 *
 * @param name the driver's name
 * @param licence the licence number with its check digit
 * @param readings accelerometer readings, 0 to 255, trip after trip
 */
public record Driver(String name, String licence, byte[] readings) {
  private static final int DRIVERS_PER_REGION = 12;
  private static final int TRIPS_ON_RECORD = 3000;
  private static final int READINGS_PER_TRIP = 128;
  private static final int LICENCE_DIGITS = 12;

  /** Smoothed acceleration from which a reading counts as harsh. */
  private static final int HARSH_READING = 100;

  /** A driver with a greater share of harsh trips than this is not sent out. */
  private static final double HARSH_SHARE_ALLOWED = 0.3;

  /** The paces of smoothing, in 128ths. The CPU time of a check is proportional to their number. */
  private static final int FIRST_PACE = 8;

  private static final int LAST_PACE = 39;

  /**
   * What a check found.
   *
   * @param licenceIsGenuine whether the licence number has the right form and check digit
   * @param trips how many trips were examined
   * @param harshTrips how many of them were harsh
   */
  public record Check(boolean licenceIsGenuine, int trips, int harshTrips) {
    /** Tells whether the driver may take a ride. */
    public boolean mayDrive() {
      return licenceIsGenuine && harshTrips <= HARSH_SHARE_ALLOWED * trips;
    }
  }

  /** Draws a region's drivers; the same region and seed give the same drivers. */
  public static List<Driver> build(Region region, long seed) {
    Random random = Draw.of(seed, region.name(), "drivers");
    List<Driver> drivers = new ArrayList<>();
    for (int number = 0; number < DRIVERS_PER_REGION; number++) {
      String digits = String.format("%011d", Math.floorMod(random.nextLong(), 100_000_000_000L));
      byte[] readings = new byte[TRIPS_ON_RECORD * READINGS_PER_TRIP];
      random.nextBytes(readings);
      drivers.add(
          new Driver(String.format("driver-%02d", number), digits + checkDigit(digits), readings));
    }
    return List.copyOf(drivers);
  }

  /** Checks the licence and every trip on record. */
  public Check checkDriver() {
    int trips = 0;
    int harshTrips = 0;
    for (int start = 0; start < readings.length; start += READINGS_PER_TRIP) {
      trips++;
      harshTrips += tripWasHarsh(start) ? 1 : 0;
    }
    return new Check(licenceIsGenuine(licence), trips, harshTrips);
  }

  /**
   * Tells whether a trip was harsh: it swung further from rest than is allowed at more than half of
   * the paces.
   */
  private boolean tripWasHarsh(int start) {
    int harsh = 0;
    for (int pace = FIRST_PACE; pace <= LAST_PACE; pace++) {
      harsh += hardestSwing(start, pace / 128.0) >= HARSH_READING ? 1 : 0;
    }
    return 2 * harsh > LAST_PACE - FIRST_PACE;
  }

  private double hardestSwing(int start, double pull) {
    double smoothed = 0;
    double hardest = 0;
    for (int index = start; index < start + READINGS_PER_TRIP; index++) {
      double swing = Math.abs((readings[index] & 0xff) - 128);
      smoothed += pull * (swing - smoothed);
      hardest = Math.max(hardest, smoothed);
    }
    return hardest;
  }

  /** Computes the check digit of a number by the Luhn algorithm (ISO/IEC 7812-1, annex B). */
  static int checkDigit(String digits) {
    int total = 0;
    for (int place = 0; place < digits.length(); place++) {
      int digit = digits.charAt(digits.length() - 1 - place) - '0';
      int doubled = place % 2 == 0 ? 2 * digit : digit;
      total += doubled > 9 ? doubled - 9 : doubled;
    }
    return (10 - total % 10) % 10;
  }

  static boolean licenceIsGenuine(String licence) {
    if (!licence.matches("[0-9]{" + LICENCE_DIGITS + "}")) {
      return false;
    }
    int last = LICENCE_DIGITS - 1;
    return checkDigit(licence.substring(0, last)) == licence.charAt(last) - '0';
  }
}
