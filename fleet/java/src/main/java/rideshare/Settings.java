package rideshare;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import rideshare.city.Region;

/**
 * The app's settings, read from the environment once at start.
 *
 * @param region {@code RIDESHARE_REGION}: the name of one of the regions ({@code sa-east})
 * @param seed {@code RIDESHARE_SEED}: what vehicles, roads and drivers are drawn from (1)
 * @param host {@code RIDESHARE_BIND}: the address to listen on (127.0.0.1:5000)
 * @param port the port of it
 * @param neighbourUrl {@code RIDESHARE_NEIGHBOUR_URL}: the region that takes over orders
 * @param neighbourTimeoutSeconds {@code RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS}: how long it may take
 *     to answer (5)
 * @param gatewaySeconds {@code RIDESHARE_GATEWAY_SECONDS}: how long the payment gateway takes (0.4)
 */
public record Settings(
    Region region,
    long seed,
    String host,
    int port,
    Optional<String> neighbourUrl,
    double neighbourTimeoutSeconds,
    double gatewaySeconds) {
  private static final Pattern BIND =
      Pattern.compile("(?<host>[A-Za-z0-9.-]+|\\[[0-9A-Fa-f:]+]):(?<port>[0-9]{1,5})");

  /**
   * A variable of the environment has a value that the app cannot use; the message names the
   * variable.
   */
  public static final class Invalid extends Exception {
    private static final long serialVersionUID = 1;

    Invalid(String name, String value, String problem) {
      super(name + " is '" + value + "'; " + problem);
    }
  }

  /**
   * Reads the settings. A variable that is set but empty counts as not set.
   *
   * @throws Invalid a value cannot be used
   */
  public static Settings read(Map<String, String> environment) throws Invalid {
    String name = given(environment, "RIDESHARE_REGION").orElse("sa-east");
    Optional<Region> region = Region.of(name);
    if (region.isEmpty()) {
      throw new Invalid("RIDESHARE_REGION", name, "known regions are " + Region.names());
    }
    String seed = given(environment, "RIDESHARE_SEED").orElse("1");
    if (!seed.matches("[0-9]{1,18}")) {
      throw new Invalid("RIDESHARE_SEED", seed, "it must be a whole number from 0");
    }
    String bind = given(environment, "RIDESHARE_BIND").orElse("127.0.0.1:5000");
    Matcher parts = BIND.matcher(bind);
    if (!parts.matches() || Integer.parseInt(parts.group("port")) > 65535) {
      String problem = "it must be an address and a port, such as 127.0.0.1:5000";
      throw new Invalid("RIDESHARE_BIND", bind, problem);
    }
    return new Settings(
        region.get(),
        Long.parseLong(seed),
        parts.group("host"),
        Integer.parseInt(parts.group("port")),
        neighbourUrl(environment),
        seconds(environment, "RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS", 5, 0.05),
        seconds(environment, "RIDESHARE_GATEWAY_SECONDS", 0.4, 0));
  }

  private static Optional<String> given(Map<String, String> environment, String name) {
    return Optional.ofNullable(environment.get(name)).map(String::strip).filter(v -> !v.isEmpty());
  }

  private static Optional<String> neighbourUrl(Map<String, String> environment) throws Invalid {
    Optional<String> value = given(environment, "RIDESHARE_NEIGHBOUR_URL");
    if (value.isEmpty()) {
      return value;
    }
    try {
      URI address = new URI(value.get());
      boolean isHttp = "http".equals(address.getScheme()) || "https".equals(address.getScheme());
      if (isHttp && address.getHost() != null && address.getQuery() == null) {
        return Optional.of(value.get().replaceAll("/+$", ""));
      }
    } catch (URISyntaxException error) {
      // refused below
    }
    String problem = "it must be a base URL, such as http://127.0.0.1:5001";
    throw new Invalid("RIDESHARE_NEIGHBOUR_URL", value.get(), problem);
  }

  private static double seconds(
      Map<String, String> environment, String name, double usual, double least) throws Invalid {
    Optional<String> value = given(environment, name);
    if (value.isEmpty()) {
      return usual;
    }
    double seconds;
    try {
      seconds = Double.parseDouble(value.get());
    } catch (NumberFormatException error) {
      seconds = Double.NaN;
    }
    if (!(seconds >= least && seconds <= 60)) {
      throw new Invalid(
          name, value.get(), "it must be a number of seconds from " + least + " to 60");
    }
    return seconds;
  }
}
