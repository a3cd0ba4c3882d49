package rideshare.web;

import io.javalin.Javalin;
import io.javalin.http.Context;
import io.javalin.http.Header;
import io.javalin.http.HttpResponseException;
import io.javalin.http.HttpStatus;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import rideshare.Settings;
import rideshare.city.VehicleKind;

/** The HTTP side of the app: its routes, its answers and its errors, which are JSON all of them. */
public final class Routes {
  private static final String VERSION = "1.0.0";
  private static final Logger LOG = LoggerFactory.getLogger(Routes.class);

  private Routes() {}

  /** Returns the app, ready to be started. */
  public static Javalin of(Settings settings) {
    Orders orders = new Orders(settings);
    Javalin app =
        Javalin.create(
            config -> {
              config.showJavalinBanner = false;
              config.http.prefer405over404 = true;
              config.router.ignoreTrailingSlashes = false;
            });
    for (VehicleKind kind : VehicleKind.values()) {
      app.get("/" + kind.word(), request -> order(orders, kind, request));
    }
    app.get(
        "/quote",
        request -> request.json(orders.quoteRide(Order.readQuote(orders.region(), request))));
    app.get("/receipt/{ride_id}", request -> receipt(orders, request));
    app.get(
        "/health",
        request ->
            request.json(
                Map.of("region", orders.region().name(), "version", VERSION, "ready", true)));
    app.exception(
        ParameterException.class,
        (error, request) ->
            request
                .status(400)
                .json(
                    Map.of(
                        "error",
                        Map.of("parameter", error.parameter(), "message", error.getMessage()))));
    app.exception(
        NoRideException.class, (error, request) -> fail(request, 503, error.getMessage()));
    app.exception(
        HttpResponseException.class,
        (error, request) -> fail(request, HttpStatus.forStatus(error.getStatus())));
    app.exception(
        Exception.class,
        (error, request) -> {
          LOG.error("an answer failed", error);
          fail(request, HttpStatus.INTERNAL_SERVER_ERROR);
        });
    return app;
  }

  private static void order(Orders orders, VehicleKind kind, Context request)
      throws ParameterException, NoRideException {
    request.json(orders.orderRide(Order.read(orders.region(), kind, request)));
  }

  private static void receipt(Orders orders, Context request)
      throws ParameterException, InterruptedException {
    Order.query(request, List.of());
    Optional<Map<String, Object>> receipt = orders.receipt(request.pathParam("ride_id"));
    if (receipt.isPresent()) {
      request.json(receipt.get());
      return;
    }
    String message = orders.region().name() + " knows no such ride";
    Map<String, String> error = Map.of("parameter", "ride_id", "message", message);
    request.status(404).json(Map.of("error", error));
  }

  /** Answers with what a status means, where there is nothing more to say. */
  private static void fail(Context request, HttpStatus status) {
    if (status == HttpStatus.METHOD_NOT_ALLOWED) {
      request.header(Header.ALLOW, "GET, HEAD"); // so it is for every route
    }
    String message = request.method() + " " + request.path() + ": " + status.getMessage();
    fail(request, status.getCode(), message);
  }

  private static void fail(Context request, int status, String message) {
    request.status(status).json(Map.of("error", Map.of("message", message)));
  }
}
