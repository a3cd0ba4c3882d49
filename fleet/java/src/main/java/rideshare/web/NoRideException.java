package rideshare.web;

/** No vehicle can be had, here or at the neighbour's; the message says why. */
final class NoRideException extends Exception {
  private static final long serialVersionUID = 1;

  NoRideException(String message) {
    super(message);
  }
}
