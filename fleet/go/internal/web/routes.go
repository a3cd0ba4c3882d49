// Package web is the HTTP side of the app: its routes, its answers and its errors, which are JSON all of them.
package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"rideshare/internal/city"
)

// Version is the app's version.
const Version = "1.0.0"

// Handler returns the app's routes.
func (app *App) Handler() http.Handler {
	routes := http.NewServeMux()
	for _, kind := range city.VehicleKinds {
		routes.HandleFunc("GET /"+string(kind), app.serveOrder(kind))
	}
	routes.HandleFunc("GET /quote", app.serveQuote)
	routes.HandleFunc("GET /receipt/{ride_id}", app.serveReceipt)
	routes.HandleFunc("GET /health", app.serveHealth)
	return jsonErrors(routes)
}

func (app *App) serveOrder(kind city.VehicleKind) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		wanted, err := readOrder(app.settings.Region, kind, request)
		if err != nil {
			refuse(response, request, err)
			return
		}
		ride, err := app.orderRide(request.Context(), wanted)
		if err != nil {
			refuse(response, request, err)
			return
		}
		reply(response, http.StatusOK, ride)
	}
}

func (app *App) serveQuote(response http.ResponseWriter, request *http.Request) {
	wanted, err := readQuote(app.settings.Region, request)
	if err != nil {
		refuse(response, request, err)
		return
	}
	reply(response, http.StatusOK, app.quoteRide(request.Context(), wanted))
}

func (app *App) serveReceipt(response http.ResponseWriter, request *http.Request) {
	if err := readQuery(request.URL.RawQuery).check(); err != nil {
		refuse(response, request, err)
		return
	}
	rideID := request.PathValue("ride_id")
	ride, known := app.rides.Find(rideID)
	if !known {
		message := app.settings.Region.Name + " knows no such ride"
		reply(response, http.StatusNotFound, answer{"error": answer{"parameter": "ride_id", "message": message}})
		return
	}
	receipt, err := app.payForRide(request.Context(), rideID, ride)
	if err != nil {
		return // the rider has gone
	}
	reply(response, http.StatusOK, receipt)
}

func (app *App) serveHealth(response http.ResponseWriter, _ *http.Request) {
	reply(response, http.StatusOK, answer{"region": app.settings.Region.Name, "version": Version, "ready": true})
}

func refuse(response http.ResponseWriter, request *http.Request, err error) {
	var wrong parameterError
	var none noRideError
	switch {
	case errors.As(err, &wrong):
		reply(response, http.StatusBadRequest, answer{"error": answer{"parameter": wrong.parameter, "message": wrong.Error()}})
	case errors.As(err, &none):
		reply(response, http.StatusServiceUnavailable, answer{"error": answer{"message": none.message}})
	default:
		slog.ErrorContext(request.Context(), err.Error())
		fail(response, request, http.StatusInternalServerError)
	}
}

// fail answers with what a status means, where there is nothing more to say.
func fail(response http.ResponseWriter, request *http.Request, status int) {
	message := fmt.Sprintf("%s %s: %s", request.Method, request.URL.Path, http.StatusText(status))
	reply(response, status, answer{"error": answer{"message": message}})
}

func reply(response http.ResponseWriter, status int, body answer) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":{"message":"the answer is no JSON"}}`)
	}
	response.Header().Set("Content-Type", "application/json")
	response.WriteHeader(status)
	_, _ = response.Write(append(text, '\n'))
}

// jsonErrors answers in JSON also where no route matches, and gives the request's span the route that does. otelhttp made
// the span before any route was known, and takes from it no more than the span's name.
func jsonErrors(routes *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if asked := request.URL.Path; asked != path.Clean(asked) {
			fail(response, request, http.StatusNotFound) // the mux would redirect, in HTML
			return
		}
		handler, pattern := routes.Handler(request)
		if pattern != "" {
			_, route, _ := strings.Cut(pattern, " ")
			trace.SpanFromContext(request.Context()).SetAttributes(attribute.String("http.route", route))
			routes.ServeHTTP(response, request)
			return
		}
		probe := &statusOnly{header: http.Header{}}
		handler.ServeHTTP(probe, request)
		if allowed := probe.header.Get("Allow"); allowed != "" {
			response.Header().Set("Allow", allowed)
		}
		fail(response, request, probe.status)
	})
}

// statusOnly keeps the status and the headers of an answer.
type statusOnly struct {
	header http.Header
	status int
}

func (probe *statusOnly) Header() http.Header            { return probe.header }
func (probe *statusOnly) Write(body []byte) (int, error) { return len(body), nil }
func (probe *statusOnly) WriteHeader(status int)         { probe.status = status }
