package rideshare;

import io.javalin.Javalin;
import rideshare.web.Routes;

/**
 * One region of the ride-sharing demo in Java: the routes and answers of the Python app. It sets up
 * no telemetry: the OpenTelemetry agent and Pyroscope's extension for it do, from outside.
 */
public final class Main {
  private static final int REFUSED_TO_START = 3;

  private Main() {}

  /** Serves until the process is told to end. */
  public static void main(String[] arguments) {
    Settings settings;
    try {
      settings = Settings.read(System.getenv());
    } catch (Settings.Invalid error) {
      System.err.println("rideshare: " + error.getMessage());
      System.exit(REFUSED_TO_START);
      return;
    }
    Javalin app = Routes.of(settings);
    Runtime.getRuntime().addShutdownHook(new Thread(app::stop));
    app.start(settings.host(), settings.port());
  }
}
