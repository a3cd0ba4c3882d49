package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"rideshare/internal/city"
	"rideshare/internal/settings"
)

func TestMain(m *testing.M) {
	city.FleetSizes = map[city.VehicleKind]int{city.Bike: 50, city.Scooter: 50, city.Car: 50}
	m.Run()
}

func appIn(region, neighbour string) *httptest.Server {
	return httptest.NewServer(NewApp(settings.Settings{
		Region:           city.Regions[region],
		Seed:             1,
		NeighbourURL:     neighbour,
		NeighbourTimeout: 2 * time.Second,
		GatewayTakes:     time.Millisecond,
	}).Handler())
}

func get(t *testing.T, address string, headers ...string) (int, answer) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for index := 0; index < len(headers); index += 2 {
		request.Header.Set(headers[index], headers[index+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body answer
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatalf("%s: the answer is no JSON: %v", address, err)
	}
	if kind := response.Header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("%s: the answer is %s", address, kind)
	}
	return response.StatusCode, body
}

func message(body answer) string {
	wrong, _ := body["error"].(map[string]any)
	text, _ := wrong["message"].(string)
	return text
}

func TestARideHasWhatTheRiderNeeds(t *testing.T) {
	app := appIn("sa-east", "")
	defer app.Close()
	for _, kind := range city.VehicleKinds {
		status, ride := get(t, app.URL+"/"+string(kind))
		vehicle, _ := ride["vehicle"].(map[string]any)
		if status != http.StatusOK || vehicle["kind"] != string(kind) || ride["region"] != "sa-east" || ride["asked_in"] != "sa-east" {
			t.Errorf("%d %v", status, ride)
		}
		if _, driven := ride["driver"]; driven != (kind == city.Car) {
			t.Errorf("a %s has a driver: %v", kind, driven)
		}
		_, paid := get(t, app.URL+"/receipt/"+ride["ride_id"].(string))
		if paid["payment"] != "payment-"+ride["ride_id"].(string) {
			t.Errorf("the receipt is %v", paid)
		}
	}
}

func TestAQuoteIsAPriceWithoutAVehicle(t *testing.T) {
	app := appIn("us-west", "")
	defer app.Close()
	status, quote := get(t, app.URL+"/quote?vehicle=car&riders=2")
	if _, found := quote["ride_id"]; status != http.StatusOK || found || quote["riders"] != 2. {
		t.Errorf("%d %v", status, quote)
	}
}

func TestWhereNoCarIsFreeTheNeighbourHasOne(t *testing.T) {
	other := appIn("sa-east", "")
	defer other.Close()
	app := appIn("us-west", other.URL)
	defer app.Close()
	status, ride := get(t, app.URL+"/car")
	if status != http.StatusOK || ride["region"] != "sa-east" || ride["asked_in"] != "us-west" {
		t.Errorf("%d %v", status, ride)
	}
	if status, _ := get(t, app.URL+"/receipt/"+ride["ride_id"].(string)); status != http.StatusOK {
		t.Errorf("the receipt of a forwarded ride: %d", status)
	}
}

func TestWithoutARideTheReasonIsTold(t *testing.T) {
	alone := appIn("us-west", "")
	defer alone.Close()
	lost := appIn("us-west", "http://127.0.0.1:1")
	defer lost.Close()
	asking := appIn("us-west", alone.URL)
	defer asking.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		response.WriteHeader(http.StatusTeapot)
		_, _ = response.Write([]byte("{}"))
	}))
	defer slow.Close()
	odd := appIn("us-west", slow.URL)
	defer odd.Close()
	for address, reason := range map[string]string{
		alone.URL:  "no neighbouring region is known",
		lost.URL:   "the neighbouring region cannot be reached",
		asking.URL: "the neighbouring region has no ride either (us-west has no free car, and no neighbour",
		odd.URL:    "gave an answer that is no ride (status 418)",
	} {
		status, body := get(t, address+"/car")
		if status != http.StatusServiceUnavailable || !strings.Contains(message(body), reason) {
			t.Errorf("%d %v", status, body)
		}
	}
	status, body := get(t, asking.URL+"/car", HopsHeader, "2")
	if status != http.StatusServiceUnavailable || !strings.Contains(message(body), "forwarded 2 times already") {
		t.Errorf("%d %v", status, body)
	}
}

func TestABadParameterIsRefusedByName(t *testing.T) {
	app := appIn("us-west", "")
	defer app.Close()
	for path, wanted := range map[string]string{
		"/bike?colour=red":                 "colour is not a parameter; known are lat, lon, riders",
		"/bike?riders=1&riders=1":          "riders is given 2 times; give it once",
		"/bike?lat=37.7":                   "lon is missing; give it together with lat, or neither",
		"/bike?lat=x&lon=1":                "lat must be a number of degrees, not 'x'",
		"/bike?lat=1&lon=1":                "lat must be from 37.5249 to 38.0249, which is in or near San Francisco, not '1'",
		"/bike?riders=0":                   "riders must be a whole number from 1, not '0'",
		"/bike?riders=2":                   "riders must be at most 1 for a bike, not '2'",
		"/quote":                           "vehicle is missing; give one of bike, scooter, car",
		"/quote?vehicle=boat":              "vehicle must be one of bike, scooter, car, not 'boat'",
		"/receipt/x?y=1":                   "y is not a parameter; this route has none",
		"/bike?" + strings.Repeat("a", 50): strings.Repeat("a", 40) + " is not a parameter; known are lat, lon, riders",
	} {
		status, body := get(t, app.URL+path)
		if status != http.StatusBadRequest || message(body) != wanted {
			t.Errorf("%s: %d %v", path, status, body)
		}
	}
	for _, hops := range []string{"many", "", "3", "-1", "01"} {
		status, body := get(t, app.URL+"/bike", HopsHeader, hops)
		if status != http.StatusBadRequest || !strings.HasPrefix(message(body), HopsHeader+" must be a whole number") {
			t.Errorf("%q: %d %v", hops, status, body)
		}
	}
}

func TestWhatIsNotThereIsAnErrorInJSON(t *testing.T) {
	app := appIn("us-west", "")
	defer app.Close()
	for path, wanted := range map[string]int{
		"/boat": 404, "/receipt/nobodys": 404, "/bike/": 404, "//bike": 404, "/boat/../bike": 404, "/health": 200,
	} {
		if status, _ := get(t, app.URL+path); status != wanted {
			t.Errorf("%s: %d", path, status)
		}
	}
	if _, body := get(t, app.URL+"/boat"); message(body) != "GET /boat: Not Found" {
		t.Errorf("%v", body)
	}
	response, err := http.Post(app.URL+"/bike", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") == "" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

func TestARegionThatAnswersIsHealthy(t *testing.T) {
	app := appIn("us-west", "")
	defer app.Close()
	port := app.URL[strings.LastIndex(app.URL, ":"):]

	for _, bind := range []string{"127.0.0.1" + port, "0.0.0.0" + port} {
		if err := AskForHealth(t.Context(), bind); err != nil {
			t.Errorf("%s: %v", bind, err)
		}
	}
}

func TestARegionThatAnswersWithAnErrorOrNotAtAllIsNotHealthy(t *testing.T) {
	broken := httptest.NewServer(http.NotFoundHandler())
	defer broken.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()

	for _, address := range []string{broken.URL, gone.URL} {
		if AskForHealth(t.Context(), strings.TrimPrefix(address, "http://")) == nil {
			t.Errorf("%s is said to be healthy", address)
		}
	}
}

func TestTheSpanOfARequestHasItsRoute(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("")
	app := NewApp(settings.Settings{Region: city.Regions["us-west"], Seed: 1}).Handler()

	for _, path := range []string{"/bike?riders=1", "/receipt/nobodys", "/boat"} {
		ctx, span := tracer.Start(t.Context(), path)
		app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil).WithContext(ctx))
		span.End()
	}

	routes := []string{}
	for _, span := range recorder.Ended() {
		for _, found := range span.Attributes() {
			if found.Key == "http.route" {
				routes = append(routes, found.Value.AsString())
			}
		}
	}
	if !slices.Equal(routes, []string{"/bike", "/receipt/{ride_id}"}) {
		t.Errorf("the routes are %v", routes)
	}
}
