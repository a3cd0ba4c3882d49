package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"math"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"rideshare/internal/city"
	"rideshare/internal/settings"
)

const (
	tracerName = "rideshare"

	// typicalDetour is how many times longer than the great circle a ride is; for quotes, which plan no route.
	typicalDetour = 1.35
)

// answer is what a rider gets, as JSON.
type answer = map[string]any

// App is a region in service: its vehicles, roads and drivers, and the rides it remembers.
type App struct {
	settings  settings.Settings
	vehicles  map[city.VehicleKind][]city.Vehicle
	roads     city.RoadMap
	drivers   []city.Driver
	rides     *city.Rides[answer]
	neighbour *neighbour
}

// NewApp draws a region's vehicles, roads and drivers.
func NewApp(chosen settings.Settings) *App {
	region, seed := chosen.Region, chosen.Seed
	app := &App{
		settings: chosen,
		vehicles: map[city.VehicleKind][]city.Vehicle{},
		roads:    city.BuildRoadMap(region, seed),
		drivers:  city.BuildDrivers(region, seed),
		rides:    city.NewRides[answer](city.RidesRemembered),
	}
	for _, kind := range city.VehicleKinds {
		app.vehicles[kind] = city.BuildVehicles(region, kind, seed, city.FleetSizes[kind])
	}
	if chosen.NeighbourURL != "" {
		other := newNeighbour(chosen.NeighbourURL, chosen.NeighbourTimeout)
		app.neighbour = &other
	}
	return app
}

// orderRide orders a ride, here or at the neighbour's.
func (app *App) orderRide(ctx context.Context, wanted order) (answer, error) {
	region := app.settings.Region
	found := app.findNearestVehicle(ctx, wanted)
	if found.Nearest == nil {
		return app.orderAtNeighbour(ctx, wanted, fmt.Sprintf("%s has no free %s", region.Name, wanted.kind))
	}
	var driver city.Driver
	if wanted.kind == city.Car {
		driver = app.drivers[sum(found.Nearest.Identifier)%len(app.drivers)]
		if !app.checkDriver(ctx, driver) {
			reason := fmt.Sprintf("the driver of %s may not drive", found.Nearest.Identifier)
			return app.orderAtNeighbour(ctx, wanted, reason)
		}
	}
	route, err := app.planRoute(ctx, wanted)
	if err != nil {
		return nil, err
	}
	price := app.calculatePrice(ctx, wanted, route.LengthKm, found.Demand())
	ride := answer{
		"ride_id":     newRideID(region.Name),
		"vehicle":     answer{"kind": wanted.kind, "id": found.Nearest.Identifier},
		"distance_km": rounded(found.DistanceKm, 3),
		"route_km":    rounded(route.LengthKm, 3),
		"destination": region.DestinationName,
		"riders":      wanted.riders,
		"price":       answer{"amount": price.Amount(), "currency": price.Currency},
		"region":      region.Name,
		"asked_in":    region.Name,
		"trace_id":    traceID(ctx),
	}
	if wanted.kind == city.Car {
		ride["driver"] = driver.Name
	}
	app.rides.Add(ride["ride_id"].(string), ride)
	return ride, nil
}

// quoteRide estimates what a ride costs, from the distance alone: no vehicle is looked for, no route planned.
func (app *App) quoteRide(ctx context.Context, wanted order) answer {
	region := app.settings.Region
	routeKm := typicalDetour * city.GreatCircleKm(wanted.rider, region.Destination)
	price := city.CalculatePrice(region, wanted.kind, routeKm, wanted.riders, region.ShareOut[wanted.kind])
	return answer{
		"vehicle":     answer{"kind": wanted.kind},
		"route_km":    rounded(routeKm, 1),
		"destination": region.DestinationName,
		"riders":      wanted.riders,
		"price":       answer{"amount": price.Amount(), "currency": price.Currency},
		"region":      region.Name,
		"trace_id":    traceID(ctx),
	}
}

// payForRide waits for the payment gateway's word about a ride.
func (app *App) payForRide(ctx context.Context, rideID string, ride answer) (answer, error) {
	ctx, span := startSpan(ctx, "await_payment")
	defer span.End()
	reference, err := city.AwaitPayment(ctx, rideID, app.settings.GatewayTakes)
	if err != nil {
		return nil, err
	}
	span.SetAttributes(attribute.String("payment.reference", reference))
	return answer{
		"ride_id":  rideID,
		"payment":  reference,
		"price":    ride["price"],
		"region":   app.settings.Region.Name,
		"trace_id": traceID(ctx),
	}, nil
}

func (app *App) findNearestVehicle(ctx context.Context, wanted order) city.SearchResult {
	_, span := startSpan(ctx, "find_nearest_vehicle")
	defer span.End()
	found := city.FindNearestVehicle(app.vehicles[wanted.kind], wanted.rider)
	span.SetAttributes(
		attribute.String("vehicle.kind", string(wanted.kind)),
		attribute.Int("vehicles.examined", found.Examined),
		attribute.Int("vehicles.free", found.Free),
	)
	if found.Nearest != nil {
		span.SetAttributes(
			attribute.String("vehicle.id", found.Nearest.Identifier),
			attribute.Float64("vehicle.distance_km", found.DistanceKm),
		)
	}
	return found
}

func (app *App) checkDriver(ctx context.Context, driver city.Driver) bool {
	_, span := startSpan(ctx, "check_driver")
	defer span.End()
	checked := city.CheckDriver(driver)
	span.SetAttributes(
		attribute.String("driver.name", driver.Name),
		attribute.Int("driver.trips", checked.Trips),
		attribute.Int("driver.harsh_trips", checked.HarshTrips),
		attribute.Bool("driver.may_drive", checked.MayDrive()),
	)
	return checked.MayDrive()
}

func (app *App) planRoute(ctx context.Context, wanted order) (city.Route, error) {
	_, span := startSpan(ctx, "plan_route")
	defer span.End()
	route, err := city.PlanRoute(app.roads, wanted.rider, app.settings.Region.Destination)
	if err != nil {
		return route, err
	}
	span.SetAttributes(
		attribute.Float64("route.km", route.LengthKm),
		attribute.Int("route.junctions", len(route.Junctions)),
		attribute.Int("route.junctions_expanded", route.Expanded),
	)
	return route, nil
}

func (app *App) calculatePrice(ctx context.Context, wanted order, routeKm, demand float64) city.Price {
	_, span := startSpan(ctx, "calculate_price")
	defer span.End()
	price := city.CalculatePrice(app.settings.Region, wanted.kind, routeKm, wanted.riders, demand)
	span.SetAttributes(
		attribute.Float64("price.amount", price.Amount()),
		attribute.String("price.currency", price.Currency),
		attribute.Float64("price.demand", demand),
		attribute.Float64("price.surcharge", price.Surcharge),
	)
	return price
}

func (app *App) orderAtNeighbour(ctx context.Context, wanted order, reason string) (answer, error) {
	if app.neighbour == nil {
		return nil, noRideError{reason + ", and no neighbouring region is known"}
	}
	if wanted.hops >= mostHops {
		return nil, noRideError{fmt.Sprintf("%s, and the order was forwarded %d times already", reason, wanted.hops)}
	}
	ctx, span := startSpan(ctx, "forward_order")
	defer span.End()
	span.SetAttributes(attribute.String("forward.reason", reason), attribute.Int("forward.hops", wanted.hops+1))
	found, err := app.neighbour.forward(ctx, wanted.kind, wanted.riders, wanted.hops)
	if err != nil {
		return nil, noRideError{reason + ", and " + err.Error()}
	}
	span.SetAttributes(attribute.String("forward.region", fmt.Sprint(found["region"])))
	ride := maps.Clone(found)
	ride["asked_in"] = app.settings.Region.Name
	app.rides.Add(ride["ride_id"].(string), ride)
	return ride, nil
}

func startSpan(ctx context.Context, name string) (context.Context, trace.Span) {
	return otel.Tracer(tracerName).Start(ctx, name)
}

// traceID returns the current trace's ID, nil where nothing is traced.
func traceID(ctx context.Context) any {
	current := trace.SpanContextFromContext(ctx)
	if !current.HasTraceID() {
		return nil
	}
	return current.TraceID().String()
}

// newRideID returns an identifier that no other ride has, whatever its region, and nobody can guess.
func newRideID(region string) string {
	drawn := make([]byte, 16)
	_, _ = rand.Read(drawn) // it never fails
	return region + "-" + hex.EncodeToString(drawn)
}

func sum(text string) int {
	total := 0
	for _, letter := range []byte(text) {
		total += int(letter)
	}
	return total
}

func rounded(value float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(value*scale) / scale
}
