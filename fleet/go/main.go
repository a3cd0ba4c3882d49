// Command rideshare is one region of the ride-sharing demo in Go: the routes and answers of the Python app, with traces,
// profiles and the link between them as users of net/http set them up.
//
// With -health it asks the region that runs beside it, with the same settings, whether it is ready; its exit status is the
// answer. A container without a shell has no other program for its health check.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"rideshare/internal/settings"
	"rideshare/internal/telemetry"
	"rideshare/internal/web"
)

const (
	refusedToStart = 3
	headerTimeout  = 5 * time.Second
	stopTimeout    = 1200 * time.Millisecond
	healthTimeout  = 3 * time.Second
)

func main() {
	health := flag.Bool("health", false, "ask the region that runs with these settings whether it is ready")
	flag.Parse()
	work := run
	if *health {
		work = askForHealth
	}
	if err := work(); err != nil {
		fmt.Fprintf(os.Stderr, "rideshare: %s\n", err)
		os.Exit(refusedToStart)
	}
}

func run() error {
	chosen, err := settings.Read(os.Getenv)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	telemetry.Quiet(os.Stderr)
	started, err := telemetry.Start(ctx, os.Getenv, chosen.Faults)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", chosen.Bind)
	if err != nil {
		return fmt.Errorf("RIDESHARE_BIND is '%s': %w", chosen.Bind, err)
	}
	server := &http.Server{Handler: started.Traced(web.NewApp(chosen).Handler()), ReadHeaderTimeout: headerTimeout}
	slog.Info("listening", "address", chosen.Bind, "region", chosen.Region.Name)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err = <-ended:
		return err
	case <-ctx.Done():
	}
	stopping, stop := context.WithTimeout(context.Background(), stopTimeout)
	defer stop()
	err = errors.Join(server.Shutdown(stopping), started.Stop(stopping))
	if err != nil {
		slog.Warn(err.Error())
	}
	return nil
}

func askForHealth() error {
	chosen, err := settings.Read(os.Getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	return web.AskForHealth(ctx, chosen.Bind)
}
