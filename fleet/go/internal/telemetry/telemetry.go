// Package telemetry sets up traces, CPU profiles and the link between them, for any net/http app.
//
// OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_BSP_SCHEDULE_DELAY are the SDK's.
// PYROSCOPE_SERVER_ADDRESS says where profiles go, PYROSCOPE_APPLICATION_NAME under which name (the service's by
// default), PYROSCOPE_UPLOAD_INTERVAL after how many seconds (15).
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	otelpyroscope "github.com/grafana/otel-profiling-go"
	"github.com/grafana/pyroscope-go"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	usualUpload = 15 * time.Second

	// anotherNameSuffix is what the fault agent-under-another-name puts behind the service's name.
	anotherNameSuffix = "-profiles"
)

// tags says which resource attribute becomes which tag of the profiles.
var tags = map[attribute.Key]string{"region": "region", "host.name": "hostname"}

// Telemetry is what Start has set up.
type Telemetry struct {
	provider *sdktrace.TracerProvider
	profiler *pyroscope.Profiler
	late     trace.TracerProvider // what the fault wrapped-too-late sets when the app has its handler; else nil
}

// Start sets up traces and profiles, broken on purpose as faults say.
func Start(ctx context.Context, lookup func(string) string, faults map[string]bool) (*Telemetry, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot export spans: %w", err)
	}
	who, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithProcessPID(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES cannot be read: %w", err)
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithBatcher(exporter), sdktrace.WithResource(who)}
	if faults["sampler-off"] {
		options = append(options, sdktrace.WithSampler(sdktrace.NeverSample()))
	}
	provider := sdktrace.NewTracerProvider(options...)
	started := &Telemetry{provider: provider}
	// This makes the link: spans get pyroscope.profile.id, and samples the same ID as a label.
	linked := otelpyroscope.NewTracerProvider(provider)
	switch {
	case faults["no-processor"]:
		otel.SetTracerProvider(provider)
	case faults["wrapped-too-late"]:
		otel.SetTracerProvider(provider)
		started.late = linked
	default:
		otel.SetTracerProvider(linked)
	}
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	address := lookup("PYROSCOPE_SERVER_ADDRESS")
	if address == "" {
		slog.Warn("PYROSCOPE_SERVER_ADDRESS is not set: nothing is profiled, and profile IDs lead nowhere")
	}
	if address == "" || faults["no-agent"] {
		return started, nil
	}
	every, err := uploadEvery(lookup("PYROSCOPE_UPLOAD_INTERVAL"))
	if err != nil {
		return nil, err
	}
	name := lookup("PYROSCOPE_APPLICATION_NAME")
	if name == "" {
		service, _ := who.Set().Value("service.name")
		name = service.AsString()
	}
	if faults["agent-under-another-name"] {
		name += anotherNameSuffix
	}
	started.profiler, err = pyroscope.Start(pyroscope.Config{
		ApplicationName:   name,
		ServerAddress:     address,
		BasicAuthUser:     lookup("PYROSCOPE_BASIC_AUTH_USER"),
		BasicAuthPassword: lookup("PYROSCOPE_BASIC_AUTH_PASSWORD"),
		TenantID:          lookup("PYROSCOPE_TENANT_ID"),
		UploadRate:        every,
		ProfileTypes:      []pyroscope.ProfileType{pyroscope.ProfileCPU},
		Tags:              tagsOf(who),
	})
	if err != nil {
		return nil, fmt.Errorf("the profiling agent did not start: %w", err)
	}
	return started, nil
}

// Traced makes a span for each request of an app, except health checks.
func (started *Telemetry) Traced(app http.Handler) http.Handler {
	asked := func(request *http.Request) bool { return request.URL.Path != "/health" }
	options := []otelhttp.Option{otelhttp.WithFilter(asked)}
	if started.late != nil {
		options = append(options, otelhttp.WithTracerProvider(otel.GetTracerProvider())) // which it keeps
		otel.SetTracerProvider(started.late)
	}
	return otelhttp.NewHandler(app, "rideshare", options...)
}

// Stop sends what is left, and gives up when ctx is done.
func (started *Telemetry) Stop(ctx context.Context) error {
	var failed error
	if started.profiler != nil {
		failed = started.profiler.Stop()
	}
	return errors.Join(failed, started.provider.Shutdown(ctx))
}

// Quiet makes OpenTelemetry's own errors, such as a server that is down, one line each in the log.
func Quiet(log io.Writer) {
	logger := slog.New(slog.NewTextHandler(log, nil))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn(err.Error()) }))
}

func uploadEvery(value string) (time.Duration, error) {
	if value == "" {
		return usualUpload, nil
	}
	seconds, err := strconv.Atoi(value)
	if err != nil || seconds < 1 || seconds > 9999 {
		return 0, fmt.Errorf("PYROSCOPE_UPLOAD_INTERVAL is '%s'; it must be a whole number of seconds from 1", value)
	}
	return time.Duration(seconds) * time.Second, nil
}

func tagsOf(who *resource.Resource) map[string]string {
	found := map[string]string{}
	for name, tag := range tags {
		if value, given := who.Set().Value(name); given {
			found[tag] = value.AsString()
		}
	}
	return found
}
