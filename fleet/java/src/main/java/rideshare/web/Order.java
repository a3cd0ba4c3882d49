package rideshare.web;

import io.javalin.http.Context;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import rideshare.city.Position;
import rideshare.city.Region;
import rideshare.city.VehicleKind;

/**
 * What a rider asks for. Reading it is strict, so that a slip is noticed.
 *
 * @param kind the kind of vehicle
 * @param rider where the rider stands
 * @param riders how many people ride
 * @param hops how many times the order was forwarded before it came here
 */
record Order(VehicleKind kind, Position rider, int riders, int hops) {
  /** Says how many times an order was forwarded already. */
  static final String HOPS_HEADER = "X-Rideshare-Hops";

  /** An order is forwarded at most so many times: to each other region once. */
  static final int MOST_HOPS = 2;

  /** A rider must be within this many degrees of latitude and longitude of the city's centre. */
  private static final double SERVICE_DEGREES = 0.25;

  private static final int LONGEST_VALUE_SHOWN = 40;
  private static final String NUMBER = "[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?";

  /**
   * Reads an order for a kind of vehicle: {@code lat}, {@code lon}, {@code riders}, and the hops.
   */
  static Order read(Region region, VehicleKind kind, Context request) throws ParameterException {
    Map<String, String> query = query(request, List.of("lat", "lon", "riders"));
    return new Order(kind, rider(region, query), riders(kind, query), hops(request));
  }

  /** Reads what to quote a price for: {@code vehicle}, {@code lat}, {@code lon}, {@code riders}. */
  static Order readQuote(Region region, Context request) throws ParameterException {
    Map<String, String> query = query(request, List.of("vehicle", "lat", "lon", "riders"));
    String vehicle = query.get("vehicle");
    if (vehicle == null) {
      throw new ParameterException("vehicle", "is missing; give one of " + VehicleKind.words());
    }
    Optional<VehicleKind> kind = VehicleKind.of(vehicle);
    if (kind.isEmpty()) {
      throw rejected("vehicle", vehicle, "must be one of " + VehicleKind.words());
    }
    return new Order(kind.get(), rider(region, query), riders(kind.get(), query), 0);
  }

  /** Returns the parameters of a request, each of which must be known and given once. */
  static Map<String, String> query(Context request, List<String> known) throws ParameterException {
    Map<String, List<String>> given = new LinkedHashMap<>();
    String raw = Optional.ofNullable(request.queryString()).orElse("");
    for (String pair : raw.split("&")) {
      if (!pair.isEmpty()) {
        String[] parts = pair.split("=", 2);
        String value = parts.length > 1 ? decoded(parts[1]) : "";
        given.computeIfAbsent(decoded(parts[0]), name -> new ArrayList<>()).add(value);
      }
    }
    Map<String, String> query = new LinkedHashMap<>();
    for (Map.Entry<String, List<String>> parameter : given.entrySet()) {
      String name = parameter.getKey();
      if (!known.contains(name)) {
        String expected =
            known.isEmpty() ? "this route has none" : "known are " + String.join(", ", known);
        String problem = "is not a parameter; " + expected;
        throw new ParameterException(shortened(name, ""), problem);
      }
      int times = parameter.getValue().size();
      if (times > 1) {
        throw new ParameterException(name, "is given " + times + " times; give it once");
      }
      query.put(name, parameter.getValue().get(0));
    }
    return query;
  }

  private static String decoded(String text) {
    try {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    } catch (IllegalArgumentException error) {
      return text;
    }
  }

  private static Position rider(Region region, Map<String, String> query)
      throws ParameterException {
    if (!query.containsKey("lat") && !query.containsKey("lon")) {
      return region.pickUp();
    }
    if (!query.containsKey("lat")) {
      throw new ParameterException("lat", "is missing; give it together with lon, or neither");
    }
    if (!query.containsKey("lon")) {
      throw new ParameterException("lon", "is missing; give it together with lat, or neither");
    }
    Position centre = region.centre();
    return new Position(
        degrees(query, "lat", centre.latitude(), region),
        degrees(query, "lon", centre.longitude(), region));
  }

  private static double degrees(
      Map<String, String> query, String name, double middle, Region region)
      throws ParameterException {
    String value = query.get(name);
    if (!value.matches(NUMBER)) {
      throw rejected(name, value, "must be a number of degrees");
    }
    double degrees = Double.parseDouble(value);
    double lowest = middle - SERVICE_DEGREES;
    double highest = middle + SERVICE_DEGREES;
    if (!(lowest <= degrees && degrees <= highest)) {
      String where =
          String.format(
              Locale.ROOT,
              "must be from %.4f to %.4f, which is in or near %s",
              lowest,
              highest,
              region.city());
      throw rejected(name, value, where);
    }
    return degrees;
  }

  private static int riders(VehicleKind kind, Map<String, String> query) throws ParameterException {
    String value = query.getOrDefault("riders", "1");
    if (!value.matches("[0-9]{1,9}") || Integer.parseInt(value) < 1) {
      throw rejected("riders", value, "must be a whole number from 1");
    }
    int riders = Integer.parseInt(value);
    if (riders > kind.capacity()) {
      String problem = "must be at most " + kind.capacity() + " for a " + kind.word();
      throw rejected("riders", value, problem);
    }
    return riders;
  }

  private static int hops(Context request) throws ParameterException {
    String value = Optional.ofNullable(request.header(HOPS_HEADER)).orElse("0");
    if (!value.matches("[0-9]") || Integer.parseInt(value) > MOST_HOPS) {
      throw rejected(HOPS_HEADER, value, "must be a whole number from 0 to " + MOST_HOPS);
    }
    return Integer.parseInt(value);
  }

  private static ParameterException rejected(String parameter, String value, String problem) {
    String shown = shortened(value, "...");
    return new ParameterException(parameter, problem + ", not '" + shown + "'");
  }

  private static String shortened(String text, String mark) {
    if (text.codePointCount(0, text.length()) <= LONGEST_VALUE_SHOWN) {
      return text;
    }
    return text.substring(0, text.offsetByCodePoints(0, LONGEST_VALUE_SHOWN)) + mark;
  }
}
