package rideshare.city;

/**
 * A point on the globe.
 *
 * @param latitude degrees, north is positive
 * @param longitude degrees, east is positive
 */
public record Position(double latitude, double longitude) {
  /** Mean radius of the Earth in kilometres (IUGG R1). */
  public static final double EARTH_RADIUS_KM = 6371.0088;

  /** Length of one degree of latitude, and of longitude at the equator, in metres. */
  public static final double METRES_PER_DEGREE = 111_195.0;

  /** Returns the shortest distance over the globe's surface, in kilometres (haversine formula). */
  public static double greatCircleKm(Position start, Position end) {
    double startLatitude = Math.toRadians(start.latitude);
    double endLatitude = Math.toRadians(end.latitude);
    double halfHeight = Math.sin((endLatitude - startLatitude) / 2);
    double halfWidth = Math.sin(Math.toRadians(end.longitude - start.longitude) / 2);
    double haversine =
        halfHeight * halfHeight
            + Math.cos(startLatitude) * Math.cos(endLatitude) * halfWidth * halfWidth;
    return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(haversine)));
  }

  /**
   * Returns the position so many metres north and east of this one, for distances within a city.
   */
  public Position moved(double northMetres, double eastMetres) {
    return new Position(
        latitude + northMetres / METRES_PER_DEGREE,
        longitude + eastMetres / (METRES_PER_DEGREE * Math.cos(Math.toRadians(latitude))));
  }
}
