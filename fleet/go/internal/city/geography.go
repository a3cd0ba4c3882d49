// Package city is the domain: a region's vehicles, drivers, roads and fares. It knows nothing of HTTP or telemetry.
package city

import "math"

const (
	// EarthRadiusKm is the mean radius of the Earth (IUGG R1).
	EarthRadiusKm = 6371.0088

	// MetresPerDegree is the length of one degree of latitude, and of longitude at the equator.
	MetresPerDegree = 111_195.0
)

// Position is a point on the globe, in degrees; north and east are positive.
type Position struct {
	Latitude, Longitude float64
}

// GreatCircleKm returns the shortest distance over the globe's surface, in kilometres (haversine formula).
func GreatCircleKm(start, end Position) float64 {
	startLatitude, endLatitude := radians(start.Latitude), radians(end.Latitude)
	halfHeight := math.Sin((endLatitude - startLatitude) / 2)
	halfWidth := math.Sin(radians(end.Longitude-start.Longitude) / 2)
	haversine := halfHeight*halfHeight + math.Cos(startLatitude)*math.Cos(endLatitude)*halfWidth*halfWidth
	return 2 * EarthRadiusKm * math.Asin(math.Min(1, math.Sqrt(haversine)))
}

// Moved returns the position so many metres north and east of origin, for distances within a city.
func Moved(origin Position, northMetres, eastMetres float64) Position {
	return Position{
		Latitude:  origin.Latitude + northMetres/MetresPerDegree,
		Longitude: origin.Longitude + eastMetres/(MetresPerDegree*math.Cos(radians(origin.Latitude))),
	}
}

func radians(degrees float64) float64 {
	return degrees * math.Pi / 180
}
