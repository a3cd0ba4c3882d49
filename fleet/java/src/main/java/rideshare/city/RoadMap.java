package rideshare.city;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.Set;

/**
 * A region's roads: a grid of crooked streets, some cross streets missing.
 *
 * @param junctions the junctions' positions
 * @param roads the roads from each junction
 */
public record RoadMap(List<Position> junctions, List<List<Road>> roads) {
  private static final int STREETS = 64;
  private static final double BLOCK_METRES = 112;
  private static final double CROOKEDNESS_METRES = 30;
  private static final double MISSING_CROSS_STREETS = 0.35;
  private static final double LONGEST_DETOUR = 2;

  /** A road: which junction it leads to, and its length in kilometres. */
  public record Road(int junction, double lengthKm) {}

  /**
   * A way from one position to another.
   *
   * @param lengthKm the whole length, the way to the first junction and from the last one included
   * @param junctions indexes of the junctions on the way, in order
   * @param expanded how many junctions the search had to look at
   */
  public record Route(double lengthKm, List<Integer> junctions, int expanded) {}

  private record Waypoint(double estimateKm, int junction) {}

  /**
   * Draws a region's map; the same region and seed give the same map, and every junction can be
   * reached.
   */
  public static RoadMap build(Region region, long seed) {
    Random random = Draw.of(seed, region.name(), "roads");
    double middle = (STREETS - 1) / 2.0;
    List<Position> junctions = new ArrayList<>();
    List<List<Road>> roads = new ArrayList<>();
    for (int junction = 0; junction < STREETS * STREETS; junction++) {
      double north = (junction / STREETS - middle) * BLOCK_METRES;
      double east = (junction % STREETS - middle) * BLOCK_METRES;
      junctions.add(
          region
              .centre()
              .moved(
                  north + Draw.between(random, -CROOKEDNESS_METRES, CROOKEDNESS_METRES),
                  east + Draw.between(random, -CROOKEDNESS_METRES, CROOKEDNESS_METRES)));
      roads.add(new ArrayList<>());
    }
    RoadMap roadMap = new RoadMap(junctions, roads);
    for (int junction = 0; junction < junctions.size(); junction++) {
      int column = junction % STREETS;
      if (column + 1 < STREETS) {
        roadMap.connect(random, junction, junction + 1);
      }
      // The first cross street is complete, so every street can be reached from every other.
      boolean hasCrossStreet = column == 0 || random.nextDouble() >= MISSING_CROSS_STREETS;
      if (junction / STREETS + 1 < STREETS && hasCrossStreet) {
        roadMap.connect(random, junction, junction + STREETS);
      }
    }
    return roadMap;
  }

  /**
   * Finds the shortest route between the junctions nearest to two positions, by A*. The great
   * circle never overestimates what is left to go, as no road is shorter than it.
   *
   * @throws IllegalStateException no roads lead there
   */
  public Route planRoute(Position start, Position end) {
    int first = nearestJunction(start);
    int last = nearestJunction(end);
    Position goal = junctions.get(last);
    Map<Integer, Double> travelledKm = new HashMap<>(Map.of(first, 0.0));
    Map<Integer, Integer> cameFrom = new HashMap<>();
    Set<Integer> expanded = new HashSet<>();
    PriorityQueue<Waypoint> frontier =
        new PriorityQueue<>(Comparator.comparingDouble(Waypoint::estimateKm));
    frontier.add(new Waypoint(Position.greatCircleKm(junctions.get(first), goal), first));
    while (!frontier.isEmpty()) {
      int junction = frontier.remove().junction();
      if (!expanded.add(junction)) {
        continue;
      }
      if (junction == last) {
        double accessKm =
            Position.greatCircleKm(start, junctions.get(first)) + Position.greatCircleKm(goal, end);
        return new Route(accessKm + travelledKm.get(last), path(cameFrom, last), expanded.size());
      }
      for (Road road : roads.get(junction)) {
        double candidateKm = travelledKm.get(junction) + road.lengthKm();
        if (candidateKm < travelledKm.getOrDefault(road.junction(), Double.POSITIVE_INFINITY)) {
          travelledKm.put(road.junction(), candidateKm);
          cameFrom.put(road.junction(), junction);
          double leftKm = Position.greatCircleKm(junctions.get(road.junction()), goal);
          frontier.add(new Waypoint(candidateKm + leftKm, road.junction()));
        }
      }
    }
    throw new IllegalStateException(
        "no roads lead from junction " + first + " to junction " + last);
  }

  private int nearestJunction(Position position) {
    int nearest = 0;
    double nearestKm = Double.POSITIVE_INFINITY;
    for (int junction = 0; junction < junctions.size(); junction++) {
      double distanceKm = Position.greatCircleKm(position, junctions.get(junction));
      if (distanceKm < nearestKm) {
        nearest = junction;
        nearestKm = distanceKm;
      }
    }
    return nearest;
  }

  private void connect(Random random, int first, int second) {
    double straightKm = Position.greatCircleKm(junctions.get(first), junctions.get(second));
    double lengthKm = straightKm * Draw.between(random, 1, LONGEST_DETOUR);
    roads.get(first).add(new Road(second, lengthKm));
    roads.get(second).add(new Road(first, lengthKm));
  }

  private static List<Integer> path(Map<Integer, Integer> cameFrom, int last) {
    LinkedList<Integer> path = new LinkedList<>(List.of(last));
    while (cameFrom.containsKey(path.getFirst())) {
      path.addFirst(cameFrom.get(path.getFirst()));
    }
    return List.copyOf(path);
  }
}
