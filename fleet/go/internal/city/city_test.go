package city

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"
)

func TestADistanceIsThatOfTheGlobe(t *testing.T) {
	paris, london := Position{48.8566, 2.3522}, Position{51.5074, -0.1278}
	if km := GreatCircleKm(paris, london); math.Abs(km-343.6) > 0.5 {
		t.Errorf("Paris to London is %.1f km, not 343.6", km)
	}
	if km := GreatCircleKm(paris, paris); km != 0 {
		t.Errorf("a place is %.1f km from itself", km)
	}
}

func TestAMoveIsAsLongAsItSays(t *testing.T) {
	centre := Regions["us-west"].Centre
	if km := GreatCircleKm(centre, Moved(centre, 300, 400)); math.Abs(km-0.5) > 0.001 {
		t.Errorf("300 m north and 400 m east is %.4f km away", km)
	}
}

func TestTheNearestFreeVehicleIsFound(t *testing.T) {
	region := Regions["us-west"]
	vehicles := BuildVehicles(region, Bike, 1, 400)
	found := FindNearestVehicle(vehicles, region.PickUp)
	free := 0
	for index := range vehicles {
		vehicle := &vehicles[index]
		if vehicle.Out {
			continue
		}
		free++
		if km := GreatCircleKm(region.PickUp, SmoothedPosition(vehicle)); km < found.DistanceKm {
			t.Errorf("%s is nearer: %.3f km", vehicle.Identifier, km)
		}
	}
	if found.Nearest == nil || found.Nearest.Out || found.Examined != 400 || found.Free != free {
		t.Errorf("found %+v of %d free", found, free)
	}
}

func TestWhereAllAreOutNoneIsFound(t *testing.T) {
	region := Regions["us-west"]
	found := FindNearestVehicle(BuildVehicles(region, Car, 1, 50), region.PickUp)
	if found.Nearest != nil || found.Free != 0 || found.DistanceKm != 0 {
		t.Errorf("found %+v though each car is out", found)
	}
	if found.Nearby > 0 && found.Demand() != 1 {
		t.Errorf("demand is %.2f though each car is out", found.Demand())
	}
	if (SearchResult{}).Demand() != 0 {
		t.Error("there is demand where no vehicle is")
	}
}

func TestTheSameSeedDrawsTheSameAndAnotherAnother(t *testing.T) {
	region := Regions["us-west"]
	first, again := BuildVehicles(region, Bike, 1, 5), BuildVehicles(region, Bike, 1, 5)
	other := BuildVehicles(region, Bike, 2, 5)
	if first[4].Anchor != again[4].Anchor || !slices.Equal(first[4].Track, again[4].Track) {
		t.Error("the same seed drew other vehicles")
	}
	if first[4].Anchor == other[4].Anchor {
		t.Error("another seed drew the same vehicle")
	}
}

func TestAnEchoOffABuildingIsLeftOut(t *testing.T) {
	anchor := Regions["us-west"].Centre
	calm := Vehicle{Anchor: anchor, Track: []Fix{{10, 0}, {10, 0}, {10, 0}}}
	echo := Vehicle{Anchor: anchor, Track: []Fix{{10, 0}, {10, 0}, {127, 127}, {10, 0}}}
	if km := GreatCircleKm(SmoothedPosition(&calm), SmoothedPosition(&echo)); km > 0.002 {
		t.Errorf("an echo moved the vehicle by %.4f km", km)
	}
}

func TestALicenceNeedsItsCheckDigit(t *testing.T) {
	for licence, genuine := range map[string]bool{
		"799273987130": luhnCheckDigit("79927398713") == 0,
		"":             false,
		"79927398713":  false,
		"79927398713x": false,
	} {
		if licenceIsGenuine(licence) != genuine {
			t.Errorf("%q is genuine: %v", licence, !genuine)
		}
	}
	if digit := luhnCheckDigit("7992739871"); digit != 3 {
		t.Errorf("the check digit of 7992739871 is 3, not %d", digit)
	}
}

func TestDriversMayDriveUnlessHarshOrForged(t *testing.T) {
	for _, driver := range BuildDrivers(Regions["sa-east"], 1) {
		if check := CheckDriver(driver); !check.MayDrive() || check.Trips != tripsOnRecord {
			t.Errorf("%s may not drive: %+v", driver.Name, check)
		}
	}
	harsh := Driver{Licence: "000000000000", Readings: make([]byte, 10*readingsPerTrip)} // 0 is as far from rest as can be
	if check := CheckDriver(harsh); check.MayDrive() || check.HarshTrips != 10 {
		t.Errorf("a harsh driver may drive: %+v", check)
	}
	forged := BuildDrivers(Regions["sa-east"], 1)[0]
	forged.Licence = forged.Licence[:11] + string('0'+('9'-forged.Licence[11]))
	if forged.Licence[11] != '4' && forged.Licence[11] != '5' && CheckDriver(forged).LicenceIsGenuine {
		t.Error("a forged licence is genuine")
	}
}

func TestARouteIsTheShortest(t *testing.T) {
	region := Regions["us-west"]
	roads := BuildRoadMap(region, 1)
	route, err := PlanRoute(roads, region.PickUp, region.Destination)
	if err != nil {
		t.Fatal(err)
	}
	shortest := shortestKm(roads, route.Junctions[0])[route.Junctions[len(route.Junctions)-1]]
	access := GreatCircleKm(region.PickUp, roads.Junctions[route.Junctions[0]]) +
		GreatCircleKm(roads.Junctions[route.Junctions[len(route.Junctions)-1]], region.Destination)
	if math.Abs(route.LengthKm-access-shortest) > 1e-9 {
		t.Errorf("the route has %.3f km, the shortest %.3f", route.LengthKm-access, shortest)
	}
	if route.Expanded >= len(roads.Junctions) {
		t.Error("the search looked at every junction")
	}
}

func TestWithoutRoadsThereIsNoRoute(t *testing.T) {
	region := Regions["us-west"]
	roads := BuildRoadMap(region, 1)
	roads.Roads = make([][]Road, len(roads.Junctions))
	if _, err := PlanRoute(roads, region.PickUp, region.Destination); err == nil {
		t.Error("a route without roads")
	}
}

func TestAPriceGrowsWithLengthCompanyAndDemand(t *testing.T) {
	region := Regions["us-west"]
	calm := CalculatePrice(region, Car, 2, 1, 0.5)
	if calm.Hundredths != 660 || calm.Amount() != 6.6 || calm.Currency != "USD" || calm.Surcharge != 0 {
		t.Errorf("2 km by car cost %+v", calm)
	}
	for name, dearer := range map[string]Price{
		"further":  CalculatePrice(region, Car, 3, 1, 0.5),
		"together": CalculatePrice(region, Car, 2, 2, 0.5),
		"busy":     CalculatePrice(region, Car, 2, 1, 1),
	} {
		if dearer.Hundredths <= calm.Hundredths {
			t.Errorf("%s: %+v is not dearer", name, dearer)
		}
	}
}

func TestRidesAreRememberedUpToALimit(t *testing.T) {
	rides := NewRides[int](2)
	for number, name := range []string{"first", "second", "second", "third"} {
		rides.Add(name, number)
	}
	if _, known := rides.Find("first"); known {
		t.Error("the oldest ride is still known")
	}
	if answer, known := rides.Find("second"); !known || answer != 2 {
		t.Errorf("the second ride is %d, %v", answer, known)
	}
}

func TestAPaymentTakesItsTimeUnlessTheRiderGoes(t *testing.T) {
	reference, err := AwaitPayment(context.Background(), "ride", time.Microsecond)
	if reference != "payment-ride" || err != nil {
		t.Errorf("%q, %v", reference, err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := AwaitPayment(gone, "ride", time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("a rider who has gone: %v", err)
	}
}

// shortestKm is Bellman's algorithm, which knows nothing of positions.
func shortestKm(roads RoadMap, from int) []float64 {
	distances := make([]float64, len(roads.Junctions))
	for junction := range distances {
		distances[junction] = math.Inf(1)
	}
	distances[from] = 0
	for changed := true; changed; {
		changed = false
		for junction, leading := range roads.Roads {
			for _, road := range leading {
				if km := distances[junction] + road.LengthKm; km < distances[road.Junction] {
					distances[road.Junction], changed = km, true
				}
			}
		}
	}
	return distances
}
