package city

import "fmt"

const (
	driversPerRegion    = 12    // how many drivers take turns in a region's cars
	tripsOnRecord       = 3000  // how many trips of a driver are examined
	readingsPerTrip     = 128   // readings of the accelerometer in a trip
	harshReading        = 100   // smoothed acceleration from which a reading counts as harsh (readings are 0 to 255)
	harshShareAllowed   = 0.3   // a driver with a greater share of harsh trips is not sent out
	licenceDigits       = 12    // length of a licence number, its check digit included
	firstPace, lastPace = 8, 39 // the paces of smoothing, in 128ths
)

// Driver is a driver: name, licence number with its check digit, and accelerometer readings trip after trip.
type Driver struct {
	Name, Licence string
	Readings      []byte
}

// DriverCheck is what a check found.
type DriverCheck struct {
	LicenceIsGenuine  bool
	Trips, HarshTrips int
}

// MayDrive tells whether the driver may take a ride.
func (check DriverCheck) MayDrive() bool {
	return check.LicenceIsGenuine && float64(check.HarshTrips) <= harshShareAllowed*float64(check.Trips)
}

// BuildDrivers draws a region's drivers; the same region and seed give the same drivers.
func BuildDrivers(region Region, seed uint64) []Driver {
	random := drawing(seed, region.Name, "drivers")
	drivers := make([]Driver, driversPerRegion)
	for number := range drivers {
		digits := fmt.Sprintf("%011d", random.Int64N(100_000_000_000))
		readings := make([]byte, tripsOnRecord*readingsPerTrip)
		for index := range readings {
			readings[index] = byte(random.IntN(256))
		}
		drivers[number] = Driver{
			Name:     fmt.Sprintf("driver-%02d", number),
			Licence:  fmt.Sprintf("%s%d", digits, luhnCheckDigit(digits)),
			Readings: readings,
		}
	}
	return drivers
}

// CheckDriver checks a driver's licence and every trip on record.
func CheckDriver(driver Driver) DriverCheck {
	check := DriverCheck{LicenceIsGenuine: licenceIsGenuine(driver.Licence)}
	for start := 0; start < len(driver.Readings); start += readingsPerTrip {
		check.Trips++
		if TripWasHarsh(driver.Readings[start : start+readingsPerTrip]) {
			check.HarshTrips++
		}
	}
	return check
}

// TripWasHarsh tells whether a trip was harsh: smoothed at each of several paces, a reading swung further from rest
// than is allowed, for more than half of the paces. The CPU time of a driver check is proportional to their number.
func TripWasHarsh(readings []byte) bool {
	harsh := 0
	for pace := firstPace; pace <= lastPace; pace++ {
		if hardestSwing(readings, float64(pace)/128) >= harshReading {
			harsh++
		}
	}
	return 2*harsh > lastPace-firstPace
}

func hardestSwing(readings []byte, pull float64) float64 {
	smoothed, hardest := 0.0, 0.0
	for _, reading := range readings {
		swing := float64(reading) - 128
		if swing < 0 {
			swing = -swing
		}
		smoothed += pull * (swing - smoothed)
		hardest = max(hardest, smoothed)
	}
	return hardest
}

// luhnCheckDigit computes the check digit of a number by the Luhn algorithm (ISO/IEC 7812-1, annex B).
func luhnCheckDigit(digits string) int {
	total := 0
	for place := range len(digits) {
		digit := int(digits[len(digits)-1-place] - '0')
		if place%2 == 0 {
			digit *= 2
		}
		if digit > 9 {
			digit -= 9
		}
		total += digit
	}
	return (10 - total%10) % 10
}

func licenceIsGenuine(licence string) bool {
	if len(licence) != licenceDigits {
		return false
	}
	for _, digit := range []byte(licence) {
		if digit < '0' || digit > '9' {
			return false
		}
	}
	last := licenceDigits - 1
	return luhnCheckDigit(licence[:last]) == int(licence[last]-'0')
}
