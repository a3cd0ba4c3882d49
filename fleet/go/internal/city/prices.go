package city

import "math"

type tariff struct {
	base, perKm, perCompanion float64
}

// Fares in hundredths of euro: for getting in, for each kilometre, for each companion.
var tariffs = map[VehicleKind]tariff{
	Bike:    {50, 30, 0},
	Scooter: {100, 60, 0},
	Car:     {300, 150, 80},
}

// What a euro is worth in the regions' currencies.
var exchangeRates = map[string]float64{"SEK": 11.2, "USD": 1.1, "INR": 92.0, "BRL": 6.2}

const (
	calmDemand       = 0.5 // up to this share of vehicles out nearby a ride costs no extra
	highestSurcharge = 0.8 // extra share of the fare when all vehicles nearby are out
)

// Price is an amount of money, and the surcharge that is in it.
type Price struct {
	Hundredths int
	Currency   string
	Surcharge  float64
}

// Amount is the amount in whole units, with two decimals.
func (price Price) Amount() float64 {
	return float64(price.Hundredths) / 100
}

// CalculatePrice calculates what a ride of that length costs, rounded up to the next hundredth.
func CalculatePrice(region Region, kind VehicleKind, routeKm float64, riders int, demand float64) Price {
	fares := tariffs[kind]
	fare := fares.base + fares.perKm*routeKm + fares.perCompanion*float64(riders-1)
	extra := surcharge(demand)
	hundredths := int(math.Ceil(fare * (1 + extra) * exchangeRates[region.Currency]))
	return Price{hundredths, region.Currency, extra}
}

func surcharge(demand float64) float64 {
	return highestSurcharge * max(0, demand-calmDemand) / (1 - calmDemand)
}
