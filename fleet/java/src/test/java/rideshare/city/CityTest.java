package rideshare.city;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CityTest {
  private static final Region WEST = Region.of("us-west").orElseThrow();
  private static final Region EAST = Region.of("sa-east").orElseThrow();

  @Test
  void aDistanceIsThatOfTheGlobe() {
    Position paris = new Position(48.8566, 2.3522);
    Position london = new Position(51.5074, -0.1278);
    assertEquals(343.6, Position.greatCircleKm(paris, london), 0.5);
    assertEquals(0, Position.greatCircleKm(paris, paris));
  }

  @Test
  void aMoveIsAsLongAsItSays() {
    Position moved = WEST.centre().moved(300, 400);
    assertEquals(0.5, Position.greatCircleKm(WEST.centre(), moved), 0.001);
  }

  @Test
  void theNearestFreeVehicleIsFound() {
    Fleet fleet = Fleet.build(EAST, VehicleKind.BIKE, 1, 400);
    Fleet.Found found = fleet.findNearestVehicle(EAST.pickUp());
    List<Vehicle> free = fleet.vehicles().stream().filter(vehicle -> !vehicle.isOut()).toList();
    double nearestKm =
        free.stream()
            .mapToDouble(v -> Position.greatCircleKm(EAST.pickUp(), v.smoothedPosition()))
            .min()
            .orElseThrow();
    assertEquals(nearestKm, found.distanceKm());
    assertEquals(400, found.examined());
    assertEquals(free.size(), found.free());
    assertFalse(found.nearest().orElseThrow().isOut());
  }

  @Test
  void whereAllAreOutNoneIsFound() {
    Fleet.Found found =
        Fleet.build(WEST, VehicleKind.CAR, 1, 200).findNearestVehicle(WEST.pickUp());
    assertTrue(found.nearest().isEmpty());
    assertEquals(1, found.demand());
  }

  @Test
  void withoutVehiclesThereIsNoDemand() {
    assertEquals(0, new Fleet(List.of()).findNearestVehicle(WEST.pickUp()).demand());
  }

  @Test
  void theSameSeedDrawsTheSameAndAnotherAnother() {
    Position drawn = first(1);
    assertEquals(drawn, first(1));
    assertNotEquals(drawn, first(2));
  }

  private static Position first(long seed) {
    return Fleet.build(EAST, VehicleKind.BIKE, seed, 1).vehicles().get(0).smoothedPosition();
  }

  @Test
  void anEchoOffABuildingIsLeftOut() {
    Vehicle calm = new Vehicle("calm", WEST.centre(), new byte[] {10, 0, 10, 0, 10, 0}, false);
    byte[] track = {10, 0, 10, 0, 127, 127, 10, 0};
    Vehicle echo = new Vehicle("echo", WEST.centre(), track, false);
    assertEquals(
        0, Position.greatCircleKm(calm.smoothedPosition(), echo.smoothedPosition()), 0.002);
  }

  @Test
  void aLicenceNeedsItsCheckDigit() {
    assertEquals(3, Driver.checkDigit("7992739871"));
    String genuine = "12345678901" + Driver.checkDigit("12345678901");
    assertTrue(Driver.licenceIsGenuine(genuine));
    assertFalse(Driver.licenceIsGenuine(genuine.substring(1)));
    assertFalse(Driver.licenceIsGenuine("x" + genuine.substring(1)));
    int wrong = (Driver.checkDigit("12345678901") + 1) % 10;
    assertFalse(Driver.licenceIsGenuine("12345678901" + wrong));
  }

  @Test
  void driversMayDriveUnlessTheyAreHarsh() {
    for (Driver driver : Driver.build(EAST, 1)) {
      assertTrue(driver.checkDriver().mayDrive(), driver.name());
    }
    byte[] asHarshAsCanBe = new byte[10 * 128];
    Driver.Check check = new Driver("harsh", "000000000000", asHarshAsCanBe).checkDriver();
    assertTrue(check.licenceIsGenuine());
    assertEquals(10, check.harshTrips());
    assertFalse(check.mayDrive());
  }

  @Test
  void aRouteIsTheShortest() {
    RoadMap roads = RoadMap.build(WEST, 1);
    RoadMap.Route route = roads.planRoute(WEST.pickUp(), WEST.destination());
    int first = route.junctions().get(0);
    int last = route.junctions().get(route.junctions().size() - 1);
    double accessKm =
        Position.greatCircleKm(WEST.pickUp(), roads.junctions().get(first))
            + Position.greatCircleKm(roads.junctions().get(last), WEST.destination());
    assertEquals(shortestKm(roads, first)[last], route.lengthKm() - accessKm, 1e-9);
    assertTrue(route.expanded() < roads.junctions().size());
  }

  @Test
  void withoutRoadsThereIsNoRoute() {
    RoadMap roads = RoadMap.build(WEST, 1);
    List<List<RoadMap.Road>> none = new ArrayList<>();
    roads.junctions().forEach(junction -> none.add(List.of()));
    RoadMap closed = new RoadMap(roads.junctions(), none);
    assertThrows(
        IllegalStateException.class, () -> closed.planRoute(WEST.pickUp(), WEST.destination()));
  }

  /** Bellman's algorithm, which knows nothing of positions. */
  private static double[] shortestKm(RoadMap roads, int from) {
    double[] distances = new double[roads.junctions().size()];
    Arrays.fill(distances, Double.POSITIVE_INFINITY);
    distances[from] = 0;
    boolean changed = true;
    while (changed) {
      changed = false;
      for (int junction = 0; junction < distances.length; junction++) {
        for (RoadMap.Road road : roads.roads().get(junction)) {
          double km = distances[junction] + road.lengthKm();
          if (km < distances[road.junction()]) {
            distances[road.junction()] = km;
            changed = true;
          }
        }
      }
    }
    return distances;
  }

  @Test
  void aPriceGrowsWithLengthCompanyAndDemand() {
    Price calm = Price.calculatePrice(WEST, VehicleKind.CAR, 2, 1, 0.5);
    assertEquals(new Price(660, "USD", 0), calm);
    assertEquals(6.6, calm.amount());
    for (Price dearer :
        List.of(
            Price.calculatePrice(WEST, VehicleKind.CAR, 3, 1, 0.5),
            Price.calculatePrice(WEST, VehicleKind.CAR, 2, 2, 0.5),
            Price.calculatePrice(WEST, VehicleKind.CAR, 2, 1, 1))) {
      assertTrue(dearer.hundredths() > calm.hundredths());
    }
  }

  @Test
  void ridesAreRememberedUpToALimit() {
    Rides rides = new Rides(2);
    for (String name : List.of("first", "second", "third")) {
      rides.add(Map.of("ride_id", name));
    }
    assertTrue(rides.find("first").isEmpty());
    assertEquals(Map.of("ride_id", "second"), rides.find("second").orElseThrow());
  }
}
