package settings

import (
	"strings"
	"testing"
	"time"
)

func read(given map[string]string) (Settings, error) {
	return Read(func(name string) string { return given[name] })
}

func TestWhatIsNotSetHasADefault(t *testing.T) {
	found, err := read(map[string]string{"RIDESHARE_BIND": "  "})
	if err != nil || found.Region.Name != "us-west" || found.Seed != 1 || found.Bind != "127.0.0.1:5000" ||
		found.NeighbourTimeout != 5*time.Second || found.GatewayTakes != 400*time.Millisecond || len(found.Faults) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestWhatIsSetIsTaken(t *testing.T) {
	found, err := read(map[string]string{
		"RIDESHARE_REGION":          "sa-east",
		"RIDESHARE_NEIGHBOUR_URL":   "http://127.0.0.1:5001/",
		"RIDESHARE_FAULTS":          "no-agent, sampler-off",
		"RIDESHARE_GATEWAY_SECONDS": "0",
	})
	if err != nil || found.Region.City != "São Paulo" || found.NeighbourURL != "http://127.0.0.1:5001" ||
		!found.Faults["no-agent"] || !found.Faults["sampler-off"] || found.GatewayTakes != 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestABadValueIsRefusedByName(t *testing.T) {
	for name, value := range map[string]string{
		"RIDESHARE_REGION":                    "mars",
		"RIDESHARE_SEED":                      "-1",
		"RIDESHARE_BIND":                      "127.0.0.1:70000",
		"RIDESHARE_NEIGHBOUR_URL":             "ftp://somewhere",
		"RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS": "0",
		"RIDESHARE_GATEWAY_SECONDS":           "NaN",
		"RIDESHARE_FAULTS":                    "no-brakes",
	} {
		if _, err := read(map[string]string{name: value}); err == nil || !strings.Contains(err.Error(), name) ||
			!strings.Contains(err.Error(), value) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}
