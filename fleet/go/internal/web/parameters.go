package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rideshare/internal/city"
)

const (
	// HopsHeader says how many times an order was forwarded already.
	HopsHeader = "X-Rideshare-Hops"

	// mostHops is how many times an order is forwarded at most: to each other region once.
	mostHops = 2

	serviceDegrees    = 0.25 // a rider must be within this many degrees of the city's centre
	longestValueShown = 40
)

// parameterError says that a parameter cannot be used.
type parameterError struct {
	parameter, message string
}

func (wrong parameterError) Error() string {
	return wrong.parameter + " " + wrong.message
}

// order is what a rider asks for.
type order struct {
	kind   city.VehicleKind
	rider  city.Position
	riders int
	hops   int
}

// query has the parameters of a request, in the order in which they were given.
type query struct {
	names  []string
	values map[string][]string
}

func readQuery(raw string) query {
	found := query{values: map[string][]string{}}
	for _, pair := range strings.Split(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescaped(name), unescaped(value)
		if _, known := found.values[name]; !known {
			found.names = append(found.names, name)
		}
		found.values[name] = append(found.values[name], value)
	}
	return found
}

func unescaped(text string) string {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		return text
	}
	return plain
}

func (asked query) get(name string) (string, bool) {
	values, given := asked.values[name]
	if !given {
		return "", false
	}
	return values[0], true
}

// check makes sure that each parameter is known, and given once.
func (asked query) check(known ...string) error {
	for _, name := range asked.names {
		if !slices.Contains(known, name) {
			expected := "this route has none"
			if len(known) > 0 {
				expected = "known are " + strings.Join(known, ", ")
			}
			return parameterError{shortened(name, ""), "is not a parameter; " + expected}
		}
		if times := len(asked.values[name]); times > 1 {
			return parameterError{name, fmt.Sprintf("is given %d times; give it once", times)}
		}
	}
	return nil
}

// readOrder reads an order for a kind of vehicle: lat, lon, riders, and the header that counts the hops.
func readOrder(region city.Region, kind city.VehicleKind, request *http.Request) (order, error) {
	asked, found := readQuery(request.URL.RawQuery), order{kind: kind}
	if err := asked.check("lat", "lon", "riders"); err != nil {
		return found, err
	}
	if err := found.readRiders(region, asked); err != nil {
		return found, err
	}
	given := request.Header.Values(HopsHeader)
	if len(given) == 0 {
		return found, nil
	}
	value := given[0]
	hops, err := strconv.Atoi(value)
	if err != nil || len(value) != 1 || hops > mostHops {
		return found, rejected(HopsHeader, value, fmt.Sprintf("must be a whole number from 0 to %d", mostHops))
	}
	found.hops = hops
	return found, nil
}

// readQuote reads what to quote a price for: vehicle (required), lat, lon, riders.
func readQuote(region city.Region, request *http.Request) (order, error) {
	asked, found := readQuery(request.URL.RawQuery), order{}
	if err := asked.check("vehicle", "lat", "lon", "riders"); err != nil {
		return found, err
	}
	names := make([]string, len(city.VehicleKinds))
	for index, kind := range city.VehicleKinds {
		names[index] = string(kind)
	}
	known := strings.Join(names, ", ")
	vehicle, given := asked.get("vehicle")
	if !given {
		return found, parameterError{"vehicle", "is missing; give one of " + known}
	}
	if !slices.Contains(names, vehicle) {
		return found, rejected("vehicle", vehicle, "must be one of "+known)
	}
	found.kind = city.VehicleKind(vehicle)
	return found, found.readRiders(region, asked)
}

func (found *order) readRiders(region city.Region, asked query) error {
	rider, err := readRider(region, asked)
	if err != nil {
		return err
	}
	found.rider, found.riders = rider, 1
	value, given := asked.get("riders")
	if !given {
		return nil
	}
	riders, err := strconv.Atoi(value)
	if err != nil || !digits.MatchString(value) || riders < 1 {
		return rejected("riders", value, "must be a whole number from 1")
	}
	if most := city.Capacity[found.kind]; riders > most {
		return rejected("riders", value, fmt.Sprintf("must be at most %d for a %s", most, found.kind))
	}
	found.riders = riders
	return nil
}

var (
	digits = regexp.MustCompile(`^[0-9]{1,9}$`)
	number = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
)

func readRider(region city.Region, asked query) (city.Position, error) {
	_, hasLatitude := asked.get("lat")
	_, hasLongitude := asked.get("lon")
	if !hasLatitude && !hasLongitude {
		return region.PickUp, nil
	}
	if !hasLatitude {
		return city.Position{}, parameterError{"lat", "is missing; give it together with lon, or neither"}
	}
	if !hasLongitude {
		return city.Position{}, parameterError{"lon", "is missing; give it together with lat, or neither"}
	}
	latitude, err := readDegrees(asked, "lat", region.Centre.Latitude, region)
	if err != nil {
		return city.Position{}, err
	}
	longitude, err := readDegrees(asked, "lon", region.Centre.Longitude, region)
	return city.Position{Latitude: latitude, Longitude: longitude}, err
}

func readDegrees(asked query, name string, middle float64, region city.Region) (float64, error) {
	value, _ := asked.get(name)
	if !number.MatchString(value) {
		return 0, rejected(name, value, "must be a number of degrees")
	}
	degrees, _ := strconv.ParseFloat(value, 64) // too large a number is infinite, and outside
	lowest, highest := middle-serviceDegrees, middle+serviceDegrees
	if degrees < lowest || degrees > highest {
		where := fmt.Sprintf("must be from %.4f to %.4f, which is in or near %s", lowest, highest, region.City)
		return 0, rejected(name, value, where)
	}
	return degrees, nil
}

func rejected(parameter, value, problem string) error {
	return parameterError{parameter, fmt.Sprintf("%s, not '%s'", problem, shortened(value, "..."))}
}

func shortened(text, mark string) string {
	letters := []rune(text)
	if len(letters) <= longestValueShown {
		return text
	}
	return string(letters[:longestValueShown]) + mark
}
