package city

import (
	"container/heap"
	"fmt"
	"slices"
)

const (
	streets             = 64   // streets in each direction: the map has the square of this number of junctions
	blockMetres         = 112. // distance of two neighbouring streets
	crookednessMetres   = 30.  // how far a junction may be from its place in the grid
	missingCrossStreets = 0.35 // share of the cross street sections that do not exist
	longestDetour       = 2.   // a road is between 1 and this many times as long as the straight line
)

// Road leads to a junction.
type Road struct {
	Junction int
	LengthKm float64
}

// RoadMap has junctions, and the roads from each.
type RoadMap struct {
	Junctions []Position
	Roads     [][]Road
}

// Route is a way from one position to another.
type Route struct {
	// LengthKm is the whole length, the way to the first junction and from the last one included.
	LengthKm float64
	// Junctions are the indexes of the junctions on the way, in order.
	Junctions []int
	// Expanded is how many junctions the search had to look at.
	Expanded int
}

// BuildRoadMap draws a region's map: a grid of crooked streets, some cross streets missing. The same region and seed
// give the same map, and every junction can be reached.
func BuildRoadMap(region Region, seed uint64) RoadMap {
	random := drawing(seed, region.Name, "roads")
	middle := float64(streets-1) / 2
	roadMap := RoadMap{Junctions: make([]Position, streets*streets), Roads: make([][]Road, streets*streets)}
	for junction := range roadMap.Junctions {
		row, column := float64(junction/streets), float64(junction%streets)
		roadMap.Junctions[junction] = Moved(
			region.Centre,
			(row-middle)*blockMetres+uniform(random, -crookednessMetres, crookednessMetres),
			(column-middle)*blockMetres+uniform(random, -crookednessMetres, crookednessMetres),
		)
	}
	connect := func(first, second int) {
		straightKm := GreatCircleKm(roadMap.Junctions[first], roadMap.Junctions[second])
		lengthKm := straightKm * uniform(random, 1, longestDetour)
		roadMap.Roads[first] = append(roadMap.Roads[first], Road{second, lengthKm})
		roadMap.Roads[second] = append(roadMap.Roads[second], Road{first, lengthKm})
	}
	for junction := range roadMap.Junctions {
		row, column := junction/streets, junction%streets
		if column+1 < streets {
			connect(junction, junction+1)
		}
		// The first cross street is complete, so every street can be reached from every other.
		if row+1 < streets && (column == 0 || random.Float64() >= missingCrossStreets) {
			connect(junction, junction+streets)
		}
	}
	return roadMap
}

// PlanRoute finds the shortest route between the junctions nearest to two positions, by A*. The great circle never
// overestimates what is left to go, as no road is shorter than it.
func PlanRoute(roadMap RoadMap, start, end Position) (Route, error) {
	first, last := nearestJunction(roadMap, start), nearestJunction(roadMap, end)
	goal := roadMap.Junctions[last]
	travelledKm := map[int]float64{first: 0}
	cameFrom := map[int]int{}
	expanded := map[int]bool{}
	frontier := &waypoints{{GreatCircleKm(roadMap.Junctions[first], goal), first}}
	for frontier.Len() > 0 {
		junction := heap.Pop(frontier).(waypoint).junction
		if expanded[junction] {
			continue
		}
		expanded[junction] = true
		if junction == last {
			accessKm := GreatCircleKm(start, roadMap.Junctions[first]) + GreatCircleKm(goal, end)
			return Route{accessKm + travelledKm[last], path(cameFrom, last), len(expanded)}, nil
		}
		for _, road := range roadMap.Roads[junction] {
			candidateKm := travelledKm[junction] + road.LengthKm
			if known, isKnown := travelledKm[road.Junction]; isKnown && candidateKm >= known {
				continue
			}
			travelledKm[road.Junction], cameFrom[road.Junction] = candidateKm, junction
			leftKm := GreatCircleKm(roadMap.Junctions[road.Junction], goal)
			heap.Push(frontier, waypoint{candidateKm + leftKm, road.Junction})
		}
	}
	return Route{}, fmt.Errorf("no roads lead from junction %d to junction %d", first, last)
}

func nearestJunction(roadMap RoadMap, position Position) int {
	nearest := 0
	for junction := range roadMap.Junctions {
		if GreatCircleKm(position, roadMap.Junctions[junction]) < GreatCircleKm(position, roadMap.Junctions[nearest]) {
			nearest = junction
		}
	}
	return nearest
}

func path(cameFrom map[int]int, last int) []int {
	junctions := []int{last}
	for {
		before, known := cameFrom[junctions[len(junctions)-1]]
		if !known {
			slices.Reverse(junctions)
			return junctions
		}
		junctions = append(junctions, before)
	}
}

type waypoint struct {
	estimateKm float64
	junction   int
}

type waypoints []waypoint

func (points waypoints) Len() int           { return len(points) }
func (points waypoints) Less(i, j int) bool { return points[i].estimateKm < points[j].estimateKm }
func (points waypoints) Swap(i, j int)      { points[i], points[j] = points[j], points[i] }
func (points *waypoints) Push(point any)    { *points = append(*points, point.(waypoint)) }
func (points *waypoints) Pop() any {
	last := len(*points) - 1
	point := (*points)[last]
	*points = (*points)[:last]
	return point
}
