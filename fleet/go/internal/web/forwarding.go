package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"rideshare/internal/city"
)

const longestAnswerBytes = 1 << 20

// noRideError says why no vehicle can be had, here or at the neighbour's.
type noRideError struct {
	message string
}

func (none noRideError) Error() string {
	return none.message
}

// neighbour is where orders are forwarded to.
type neighbour struct {
	url     string
	timeout time.Duration
	client  *http.Client
}

func newNeighbour(address string, timeout time.Duration) neighbour {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // a neighbour is reached directly
	return neighbour{address, timeout, &http.Client{
		Timeout:       timeout,
		Transport:     otelhttp.NewTransport(transport), // carries the trace context
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// forward orders a ride at the neighbour's and returns its answer. A rider's position means nothing in another city:
// the neighbour starts from its own pick-up point.
func (other neighbour) forward(ctx context.Context, kind city.VehicleKind, riders, hops int) (answer, error) {
	address := fmt.Sprintf("%s/%s?%s", other.url, kind, url.Values{"riders": {strconv.Itoa(riders)}}.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, noRideError{"the neighbouring region cannot be reached"}
	}
	request.Header.Set(HopsHeader, strconv.Itoa(hops+1))
	response, err := other.client.Do(request)
	var failed *url.Error
	switch {
	case errors.As(err, &failed) && failed.Timeout():
		return nil, noRideError{fmt.Sprintf("the neighbouring region did not answer in %g s", other.timeout.Seconds())}
	case err != nil:
		return nil, noRideError{"the neighbouring region cannot be reached"}
	}
	defer response.Body.Close()
	return rideIn(response)
}

func rideIn(response *http.Response) (answer, error) {
	var found answer
	body, err := io.ReadAll(io.LimitReader(response.Body, longestAnswerBytes))
	if err != nil {
		return nil, noRideError{"the neighbouring region cannot be reached"}
	}
	if json.Unmarshal(body, &found) != nil {
		return nil, noRideError{"the neighbouring region gave an answer that is not JSON"}
	}
	if response.StatusCode == http.StatusServiceUnavailable {
		return nil, noRideError{"the neighbouring region has no ride either" + reasonIn(found)}
	}
	if _, isRide := found["ride_id"].(string); response.StatusCode != http.StatusOK || !isRide {
		message := fmt.Sprintf("the neighbouring region gave an answer that is no ride (status %d)", response.StatusCode)
		return nil, noRideError{message}
	}
	return found, nil
}

func reasonIn(found answer) string {
	wrong, _ := found["error"].(map[string]any)
	if message, given := wrong["message"].(string); given {
		return " (" + message + ")"
	}
	return ""
}
