package rideshare.web;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.instrumentation.annotations.WithSpan;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import rideshare.Settings;
import rideshare.city.Driver;
import rideshare.city.Fleet;
import rideshare.city.Position;
import rideshare.city.Price;
import rideshare.city.Region;
import rideshare.city.Rides;
import rideshare.city.RoadMap;
import rideshare.city.Vehicle;
import rideshare.city.VehicleKind;

/**
 * A region in service: the domain's functions in sequence, each in a span that the agent makes of
 * its annotation.
 */
class Orders {
  /**
   * How many times longer than the great circle a ride through a city is; for quotes, which plan no
   * route.
   */
  private static final double TYPICAL_DETOUR = 1.35;

  private final Settings settings;
  private final Region region;
  private final Map<VehicleKind, Fleet> fleets = new EnumMap<>(VehicleKind.class);
  private final RoadMap roads;
  private final List<Driver> drivers;
  private final Rides rides = new Rides(Rides.REMEMBERED);
  private final Optional<Neighbour> neighbour;

  Orders(Settings settings) {
    this.settings = settings;
    region = settings.region();
    for (VehicleKind kind : VehicleKind.values()) {
      fleets.put(kind, Fleet.build(region, kind, settings.seed(), kind.fleetSize()));
    }
    roads = RoadMap.build(region, settings.seed());
    drivers = Driver.build(region, settings.seed());
    neighbour =
        settings.neighbourUrl().map(url -> new Neighbour(url, settings.neighbourTimeoutSeconds()));
  }

  /**
   * Orders a ride, here or at the neighbour's.
   *
   * @throws NoRideException no vehicle is free here, and the neighbour has none or cannot be asked
   */
  Map<String, Object> orderRide(Order order) throws NoRideException {
    Fleet.Found found = findNearestVehicle(order);
    if (found.nearest().isEmpty()) {
      return orderAtNeighbour(order, region.name() + " has no free " + order.kind().word());
    }
    Vehicle vehicle = found.nearest().get();
    Map<String, Object> answer = new HashMap<>();
    if (order.kind() == VehicleKind.CAR) {
      Driver driver = drivers.get(vehicle.identifier().chars().sum() % drivers.size());
      if (!checkDriver(driver)) {
        return orderAtNeighbour(order, "the driver of " + vehicle.identifier() + " may not drive");
      }
      answer.put("driver", driver.name());
    }
    RoadMap.Route route = planRoute(order.rider());
    Price price = calculatePrice(order, route.lengthKm(), found.demand());
    answer.put("ride_id", region.name() + "-" + UUID.randomUUID().toString().replace("-", ""));
    answer.put("vehicle", Map.of("kind", order.kind().word(), "id", vehicle.identifier()));
    answer.put("distance_km", rounded(found.distanceKm(), 1000));
    answer.put("route_km", rounded(route.lengthKm(), 1000));
    answer.put("destination", region.destinationName());
    answer.put("riders", order.riders());
    answer.put("price", Map.of("amount", price.amount(), "currency", price.currency()));
    answer.put("region", region.name());
    answer.put("asked_in", region.name());
    rides.add(answer);
    answer.put("trace_id", traceId());
    return answer;
  }

  /**
   * Estimates what a ride costs, from the distance alone: no vehicle is looked for, no route
   * planned.
   */
  Map<String, Object> quoteRide(Order order) {
    double directKm = Position.greatCircleKm(order.rider(), region.destination());
    double routeKm = TYPICAL_DETOUR * directKm;
    double demand = region.shareOut().get(order.kind());
    Price price = Price.calculatePrice(region, order.kind(), routeKm, order.riders(), demand);
    Map<String, Object> answer = new HashMap<>();
    answer.put("vehicle", Map.of("kind", order.kind().word()));
    answer.put("route_km", rounded(routeKm, 10));
    answer.put("destination", region.destinationName());
    answer.put("riders", order.riders());
    answer.put("price", Map.of("amount", price.amount(), "currency", price.currency()));
    answer.put("region", region.name());
    answer.put("trace_id", traceId());
    return answer;
  }

  /**
   * Returns the receipt of a ride once the payment gateway has answered; empty for an unknown ride.
   */
  Optional<Map<String, Object>> receipt(String rideId) throws InterruptedException {
    Optional<Map<String, Object>> ride = rides.find(rideId);
    if (ride.isEmpty()) {
      return ride;
    }
    Map<String, Object> answer = new HashMap<>();
    answer.put("ride_id", rideId);
    answer.put("payment", awaitPayment(rideId));
    answer.put("price", ride.get().get("price"));
    answer.put("region", region.name());
    answer.put("trace_id", traceId());
    return Optional.of(answer);
  }

  /** Returns the region. */
  Region region() {
    return region;
  }

  @WithSpan("find_nearest_vehicle")
  Fleet.Found findNearestVehicle(Order order) {
    Fleet.Found found = fleets.get(order.kind()).findNearestVehicle(order.rider());
    Span span = Span.current();
    span.setAttribute("vehicle.kind", order.kind().word());
    span.setAttribute("vehicles.examined", found.examined());
    span.setAttribute("vehicles.free", found.free());
    if (found.nearest().isPresent()) {
      span.setAttribute("vehicle.id", found.nearest().get().identifier());
      span.setAttribute("vehicle.distance_km", found.distanceKm());
    }
    return found;
  }

  @WithSpan("check_driver")
  boolean checkDriver(Driver driver) {
    Driver.Check check = driver.checkDriver();
    Span span = Span.current();
    span.setAttribute("driver.name", driver.name());
    span.setAttribute("driver.trips", check.trips());
    span.setAttribute("driver.harsh_trips", check.harshTrips());
    span.setAttribute("driver.may_drive", check.mayDrive());
    return check.mayDrive();
  }

  @WithSpan("plan_route")
  RoadMap.Route planRoute(Position rider) {
    RoadMap.Route route = roads.planRoute(rider, region.destination());
    Span span = Span.current();
    span.setAttribute("route.km", route.lengthKm());
    span.setAttribute("route.junctions", route.junctions().size());
    span.setAttribute("route.junctions_expanded", route.expanded());
    return route;
  }

  @WithSpan("calculate_price")
  Price calculatePrice(Order order, double routeKm, double demand) {
    Price price = Price.calculatePrice(region, order.kind(), routeKm, order.riders(), demand);
    Span span = Span.current();
    span.setAttribute("price.amount", price.amount());
    span.setAttribute("price.currency", price.currency());
    span.setAttribute("price.demand", demand);
    span.setAttribute("price.surcharge", price.surcharge());
    return price;
  }

  /** Waits for the payment gateway: it takes the request's time and none of its CPU. */
  @WithSpan("await_payment")
  String awaitPayment(String rideId) throws InterruptedException {
    Thread.sleep((long) (settings.gatewaySeconds() * 1000));
    String reference = "payment-" + rideId;
    Span.current().setAttribute("payment.reference", reference);
    return reference;
  }

  @WithSpan("forward_order")
  Map<String, Object> forwardOrder(Neighbour other, Order order, String reason)
      throws NoRideException {
    Span span = Span.current();
    span.setAttribute("forward.reason", reason);
    span.setAttribute("forward.hops", order.hops() + 1);
    Map<String, Object> found = other.forwardOrder(order.kind(), order.riders(), order.hops());
    span.setAttribute("forward.region", String.valueOf(found.get("region")));
    return found;
  }

  private Map<String, Object> orderAtNeighbour(Order order, String reason) throws NoRideException {
    if (neighbour.isEmpty()) {
      throw new NoRideException(reason + ", and no neighbouring region is known");
    }
    if (order.hops() >= Order.MOST_HOPS) {
      throw new NoRideException(
          reason + ", and the order was forwarded " + order.hops() + " times already");
    }
    Map<String, Object> answer;
    try {
      answer = new HashMap<>(forwardOrder(neighbour.get(), order, reason));
    } catch (NoRideException error) {
      throw new NoRideException(reason + ", and " + error.getMessage());
    }
    answer.put("asked_in", region.name());
    Map<String, Object> kept = new HashMap<>(answer);
    kept.remove("trace_id");
    rides.add(kept);
    return answer;
  }

  /** Returns the current trace's ID, null where nothing is traced. */
  private static String traceId() {
    return Span.current().getSpanContext().isValid()
        ? Span.current().getSpanContext().getTraceId()
        : null;
  }

  private static double rounded(double value, int scale) {
    return (double) Math.round(value * scale) / scale;
  }
}
