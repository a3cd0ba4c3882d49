package telemetry

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
)

const (
	profileID  = "pyroscope.profile.id"
	ofRequests = "http.request.method" // an attribute that otelhttp's spans alone have
)

// exported returns all that is sent to a server for traces while an app answers requests to some paths.
func exported(t *testing.T, faults map[string]bool, paths ...string) []byte {
	t.Helper()
	var lock sync.Mutex
	var received bytes.Buffer
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		_, _ = io.Copy(&received, request.Body)
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	started, err := Start(t.Context(), func(string) string { return "" }, faults)
	if err != nil {
		t.Fatal(err)
	}
	app := started.Traced(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		_, span := otel.Tracer("test").Start(request.Context(), "child of "+request.URL.Path)
		span.End()
	}))
	for _, path := range paths {
		app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	if err := started.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	lock.Lock()
	defer lock.Unlock()
	return received.Bytes()
}

func TestTheSpanOfARequestCarriesAProfileIDAndItsChildrenNone(t *testing.T) {
	sent := exported(t, nil, "/bike")
	if !bytes.Contains(sent, []byte(ofRequests)) || bytes.Count(sent, []byte(profileID)) != 1 {
		t.Errorf("no span of the request, or not one profile ID: %q", sent)
	}
}

func TestWithoutTheWrappedProviderNoSpanCarriesAProfileID(t *testing.T) {
	sent := exported(t, map[string]bool{"no-processor": true}, "/bike")
	if !bytes.Contains(sent, []byte("child of /bike")) || bytes.Contains(sent, []byte(profileID)) {
		t.Errorf("no spans, or with a profile ID: %q", sent)
	}
}

func TestASamplerThatIsOffAndHealthChecksLeaveNoSpanOfARequest(t *testing.T) {
	if sent := exported(t, map[string]bool{"sampler-off": true}, "/bike"); len(sent) != 0 {
		t.Errorf("spans though the sampler is off: %q", sent)
	}
	if sent := exported(t, nil, "/health"); bytes.Contains(sent, []byte(ofRequests)) {
		t.Errorf("a health check has a span: %q", sent)
	}
}

func TestAnUploadIntervalIsAWholeNumberOfSeconds(t *testing.T) {
	for value, wanted := range map[string]time.Duration{"": usualUpload, "1": time.Second, "20": 20 * time.Second} {
		if every, err := uploadEvery(value); err != nil || every != wanted {
			t.Errorf("%q: %v, %v", value, every, err)
		}
	}
	for _, value := range []string{"0", "-1", "1.5", "1s", "10000"} {
		if _, err := uploadEvery(value); err == nil || !strings.Contains(err.Error(), "'"+value+"'") {
			t.Errorf("%q: %v", value, err)
		}
	}
}
