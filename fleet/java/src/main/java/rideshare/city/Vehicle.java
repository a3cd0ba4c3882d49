package rideshare.city;

/** One vehicle. */
public final class Vehicle {
  /**
   * A fix further than this from the position known so far is an echo off a building, and left out.
   */
  private static final double PLAUSIBLE_JUMP_KM = 0.15;

  /**
   * How far a fix pulls the position known so far towards itself (exponential smoothing, 0 to 1).
   */
  private static final double SMOOTHING = 0.2;

  private final String identifier;
  private final Position anchor;
  private final byte[] track;
  private final boolean out;

  /**
   * Makes a vehicle.
   *
   * @param identifier unique in its region, for instance {@code bike-00042}
   * @param anchor the last surveyed position; fixes are relative to it
   * @param track the latest fixes, oldest first: for each, metres north and metres east of the
   *     anchor
   * @param out whether it is out with a rider
   */
  public Vehicle(String identifier, Position anchor, byte[] track, boolean out) {
    this.identifier = identifier;
    this.anchor = anchor;
    this.track = track;
    this.out = out;
  }

  /** Returns its identifier. */
  public String identifier() {
    return identifier;
  }

  /** Tells whether it is out with a rider. */
  public boolean isOut() {
    return out;
  }

  /** Estimates where it is: its fixes, exponentially smoothed, implausible jumps left out. */
  public Position smoothedPosition() {
    Position position = anchor;
    for (int index = 0; index < track.length; index += 2) {
      Position fix = anchor.moved(track[index], track[index + 1]);
      if (Position.greatCircleKm(position, fix) <= PLAUSIBLE_JUMP_KM) {
        position =
            new Position(
                position.latitude() + SMOOTHING * (fix.latitude() - position.latitude()),
                position.longitude() + SMOOTHING * (fix.longitude() - position.longitude()));
      }
    }
    return position;
  }
}
