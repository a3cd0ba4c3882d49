// Package settings reads the app's settings from the environment, once at start.
package settings

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rideshare/internal/city"
)

// Faults are what can be broken on purpose, by name. The package telemetry breaks it.
var Faults = []string{"no-processor", "wrapped-too-late", "no-agent", "agent-under-another-name", "sampler-off"}

// Settings is everything that can be set.
type Settings struct {
	// Region is RIDESHARE_REGION: the name of one of the regions (us-west).
	Region city.Region
	// Seed is RIDESHARE_SEED: what vehicles, roads and drivers are drawn from (1).
	Seed uint64
	// Bind is RIDESHARE_BIND: address and port to listen on (127.0.0.1:5000).
	Bind string
	// NeighbourURL is RIDESHARE_NEIGHBOUR_URL: the region that takes over orders; empty for none.
	NeighbourURL string
	// NeighbourTimeout is RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS: how long the neighbour may take to answer (5 s).
	NeighbourTimeout time.Duration
	// GatewayTakes is RIDESHARE_GATEWAY_SECONDS: how long the payment gateway takes (0.4 s).
	GatewayTakes time.Duration
	// Faults is RIDESHARE_FAULTS: names from Faults, separated by commas.
	Faults map[string]bool
}

var bindForm = regexp.MustCompile(`^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})$`)

// Read reads the settings. A variable that is set but empty counts as not set. An error names the variable.
func Read(lookup func(string) string) (Settings, error) {
	given := func(name, usual string) string {
		if value := strings.TrimSpace(lookup(name)); value != "" {
			return value
		}
		return usual
	}
	var found Settings
	name := given("RIDESHARE_REGION", "us-west")
	region, known := city.Regions[name]
	if !known {
		return found, fmt.Errorf("RIDESHARE_REGION is '%s'; known regions are %s", name, strings.Join(city.RegionNames, ", "))
	}
	found.Region = region
	seed := given("RIDESHARE_SEED", "1")
	number, err := strconv.ParseUint(seed, 10, 60)
	if err != nil {
		return found, fmt.Errorf("RIDESHARE_SEED is '%s'; it must be a whole number from 0", seed)
	}
	found.Seed = number
	found.Bind = given("RIDESHARE_BIND", "127.0.0.1:5000")
	parts := bindForm.FindStringSubmatch(found.Bind)
	if parts == nil || !isPort(parts[2]) {
		return found, fmt.Errorf("RIDESHARE_BIND is '%s'; it must be an address and a port, such as 127.0.0.1:5000", found.Bind)
	}
	if found.NeighbourURL, err = neighbourURL(given("RIDESHARE_NEIGHBOUR_URL", "")); err != nil {
		return found, err
	}
	if found.NeighbourTimeout, err = seconds("RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS", given, "5", 0.05); err != nil {
		return found, err
	}
	if found.GatewayTakes, err = seconds("RIDESHARE_GATEWAY_SECONDS", given, "0.4", 0); err != nil {
		return found, err
	}
	found.Faults, err = faults(given("RIDESHARE_FAULTS", ""))
	return found, err
}

func isPort(value string) bool {
	port, err := strconv.Atoi(value)
	return err == nil && port <= 65535
}

func neighbourURL(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	address, err := url.Parse(value)
	usable := err == nil && (address.Scheme == "http" || address.Scheme == "https") && address.Hostname() != "" &&
		address.RawQuery == "" && address.Fragment == ""
	if !usable {
		return "", fmt.Errorf("RIDESHARE_NEIGHBOUR_URL is '%s'; it must be a base URL, such as http://127.0.0.1:5001", value)
	}
	return strings.TrimRight(value, "/"), nil
}

func seconds(name string, given func(string, string) string, usual string, least float64) (time.Duration, error) {
	value := given(name, usual)
	number, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(number) || number < least || number > 60 {
		return 0, fmt.Errorf("%s is '%s'; it must be a number of seconds from %g to 60", name, value, least)
	}
	return time.Duration(number * float64(time.Second)), nil
}

func faults(value string) (map[string]bool, error) {
	found := map[string]bool{}
	for _, name := range strings.Split(value, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(Faults, name) {
			return nil, fmt.Errorf("RIDESHARE_FAULTS is '%s'; '%s' is none of %s", value, name, strings.Join(Faults, ", "))
		}
		found[name] = true
	}
	return found, nil
}
