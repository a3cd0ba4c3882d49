package city

import (
	"fmt"
	"math/rand/v2"
)

// FleetSizes is how many vehicles of a kind a region has. The CPU time of an order is proportional to this number,
// which is ten times that of the Python app, because Go is faster.
var FleetSizes = map[VehicleKind]int{Bike: 15_000, Scooter: 30_500, Car: 47_000}

// Capacity is how many riders a vehicle takes.
var Capacity = map[VehicleKind]int{Bike: 1, Scooter: 1, Car: 4}

const (
	fixesPerVehicle = 40    // position fixes kept of each vehicle
	spreadMetres    = 3500. // vehicles stand within this distance north, south, east and west of the centre
	plausibleJumpKm = 0.15  // a fix further than this from the position known so far is an echo, and left out
	smoothing       = 0.2   // how far a fix pulls the position towards itself (exponential smoothing)
	nearbyKm        = 1.    // demand is measured among the vehicles within this distance of the rider
)

// Fix is a satellite fix: metres north and east of the vehicle's anchor.
type Fix struct {
	North, East int8
}

// Vehicle is one vehicle.
type Vehicle struct {
	// Identifier is unique in its region, for instance bike-00042.
	Identifier string
	// Anchor is the last surveyed position; fixes are relative to it.
	Anchor Position
	// Track has the latest fixes, oldest first.
	Track []Fix
	// Out tells whether it is out with a rider.
	Out bool
}

// SearchResult is what a search found.
type SearchResult struct {
	// Nearest is the nearest free vehicle, nil where none is free.
	Nearest *Vehicle
	// DistanceKm is how far away it is, 0 where there is none.
	DistanceKm float64
	// Examined is how many vehicles were looked at; Free, how many of them are free.
	Examined, Free int
	// Nearby is how many are close to the rider; OutNearby, how many of those are out.
	Nearby, OutNearby int
}

// Demand is the share of the vehicles nearby that is out, 0 to 1.
func (found SearchResult) Demand() float64 {
	if found.Nearby == 0 {
		return 0
	}
	return float64(found.OutNearby) / float64(found.Nearby)
}

// BuildVehicles draws the vehicles of one kind; the same region and seed give the same vehicles.
func BuildVehicles(region Region, kind VehicleKind, seed uint64, size int) []Vehicle {
	random := drawing(seed, region.Name, string(kind))
	vehicles := make([]Vehicle, size)
	for number := range vehicles {
		track := make([]Fix, fixesPerVehicle)
		for index := range track {
			track[index] = Fix{North: int8(random.IntN(256) - 128), East: int8(random.IntN(256) - 128)}
		}
		vehicles[number] = Vehicle{
			Identifier: fmt.Sprintf("%s-%05d", kind, number),
			Anchor:     Moved(region.Centre, uniform(random, -spreadMetres, spreadMetres), uniform(random, -spreadMetres, spreadMetres)),
			Track:      track,
			Out:        random.Float64() < region.ShareOut[kind],
		}
	}
	return vehicles
}

// SmoothedPosition estimates where a vehicle is: its fixes, exponentially smoothed, implausible jumps left out.
func SmoothedPosition(vehicle *Vehicle) Position {
	position := vehicle.Anchor
	for _, fix := range vehicle.Track {
		seen := Moved(vehicle.Anchor, float64(fix.North), float64(fix.East))
		if GreatCircleKm(position, seen) <= plausibleJumpKm {
			position.Latitude += smoothing * (seen.Latitude - position.Latitude)
			position.Longitude += smoothing * (seen.Longitude - position.Longitude)
		}
	}
	return position
}

// FindNearestVehicle finds the free vehicle nearest to the rider; of two equally near ones the first. It looks at every
// vehicle, because the share of them that is out near the rider is the demand that sets the price. This is where an
// order spends most of its CPU.
func FindNearestVehicle(vehicles []Vehicle, rider Position) SearchResult {
	var found SearchResult
	for index := range vehicles {
		vehicle := &vehicles[index]
		distanceKm := GreatCircleKm(rider, SmoothedPosition(vehicle))
		found.Examined++
		if distanceKm <= nearbyKm {
			found.Nearby++
			if vehicle.Out {
				found.OutNearby++
			}
		}
		if vehicle.Out {
			continue
		}
		found.Free++
		if found.Nearest == nil || distanceKm < found.DistanceKm {
			found.Nearest, found.DistanceKm = vehicle, distanceKm
		}
	}
	return found
}

func uniform(random *rand.Rand, low, high float64) float64 {
	return low + (high-low)*random.Float64()
}
