// The mill grinds wheat and rolls oats: GET /flour?sacks=6 and GET /oats?sacks=6.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	otelpyroscope "github.com/grafana/otel-profiling-go"
	"github.com/grafana/pyroscope-go"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	stones = 2          // millstones, which all guests share
	grains = 20_000_000 // in a sack
)

// A sack waits for a free millstone.
type sack struct {
	work func() int
	done chan<- int
}

// turn is a millstone. It turns from morning to night, and works on one sack after the other.
func turn(sacks <-chan sack) {
	for next := range sacks {
		next.done <- next.work()
	}
}

// grind makes flour of a sack of wheat.
func grind() int {
	flour := 0
	for grain := range grains {
		flour = (flour*31 + grain) % 1_000_003
	}
	return flour
}

// roll makes flakes of a sack of oats.
func roll() int {
	flakes := 0
	for grain := range grains {
		flakes = (flakes*37 + grain) % 1_000_033
	}
	return flakes
}

// serve hands a guest's sacks to the millstones, and waits until all are done.
func serve(work func() int, sacks chan<- sack) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		count, err := strconv.Atoi(request.FormValue("sacks"))
		if err != nil || count < 1 || count > 20 {
			http.Error(response, "sacks must be a whole number from 1 to 20", http.StatusBadRequest)
			return
		}
		done := make(chan int, count)
		for range count {
			sacks <- sack{work: work, done: done}
		}
		total := 0
		for range count {
			total += <-done
		}
		fmt.Fprintln(response, total)
	}
}

// routes returns what the mill offers, with a span for each request.
func routes(provider *sdktrace.TracerProvider) http.Handler {
	sacks := make(chan sack)
	for range stones {
		go turn(sacks)
	}
	offered := http.NewServeMux()
	offered.HandleFunc("GET /flour", serve(grind, sacks))
	offered.HandleFunc("GET /oats", serve(roll, sacks))
	offered.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	return otelhttp.NewHandler(offered, "mill", otelhttp.WithTracerProvider(provider))
}

func startAgent() (*pyroscope.Profiler, error) {
	seconds, err := strconv.Atoi(os.Getenv("PYROSCOPE_UPLOAD_INTERVAL"))
	if err != nil {
		return nil, err
	}
	return pyroscope.Start(pyroscope.Config{
		ApplicationName: os.Getenv("OTEL_SERVICE_NAME"),
		ServerAddress:   os.Getenv("PYROSCOPE_SERVER_ADDRESS"),
		UploadRate:      time.Duration(seconds) * time.Second,
		ProfileTypes:    []pyroscope.ProfileType{pyroscope.ProfileCPU},
	})
}

func run(ctx context.Context) error {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	defer provider.Shutdown(context.Background())
	otel.SetTracerProvider(otelpyroscope.NewTracerProvider(provider))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	agent, err := startAgent()
	if err != nil {
		return err
	}
	defer agent.Stop()

	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: routes(provider)}
	go func() {
		<-ctx.Done()
		server.Shutdown(context.Background())
	}()
	if err = server.ListenAndServe(); errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}
