package rideshare.web;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Map;
import rideshare.city.VehicleKind;

/** The region that takes over orders. The agent adds the trace context to the request. */
final class Neighbour {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final HttpClient client =
      HttpClient.newBuilder()
          .followRedirects(HttpClient.Redirect.NEVER)
          .proxy(HttpClient.Builder.NO_PROXY)
          .build();
  private final String url;
  private final double timeoutSeconds;

  Neighbour(String url, double timeoutSeconds) {
    this.url = url;
    this.timeoutSeconds = timeoutSeconds;
  }

  /**
   * Orders a ride there. A rider's position means nothing in another city: the neighbour starts
   * from its own pick-up point.
   *
   * @throws NoRideException it has none, cannot be reached, or gives an answer that is no ride
   */
  Map<String, Object> forwardOrder(VehicleKind kind, int riders, int hops) throws NoRideException {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(url + "/" + kind.word() + "?riders=" + riders))
            .header(Order.HOPS_HEADER, String.valueOf(hops + 1))
            .timeout(Duration.ofMillis((long) (timeoutSeconds * 1000)))
            .build();
    try {
      return rideIn(client.send(request, HttpResponse.BodyHandlers.ofString()));
    } catch (HttpTimeoutException error) {
      String seconds = String.format("%s", timeoutSeconds).replaceAll("\\.0$", "");
      throw new NoRideException("the neighbouring region did not answer in " + seconds + " s");
    } catch (IOException error) {
      throw new NoRideException("the neighbouring region cannot be reached");
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      throw new NoRideException("the neighbouring region cannot be reached");
    }
  }

  private static Map<String, Object> rideIn(HttpResponse<String> response) throws NoRideException {
    Map<String, Object> answer;
    try {
      answer = JSON.readValue(response.body(), new TypeReference<>() {});
    } catch (JsonProcessingException error) {
      throw new NoRideException("the neighbouring region gave an answer that is not JSON");
    }
    if (response.statusCode() == 503) {
      throw new NoRideException("the neighbouring region has no ride either" + reasonIn(answer));
    }
    if (response.statusCode() != 200 || !(answer.get("ride_id") instanceof String)) {
      throw new NoRideException(
          "the neighbouring region gave an answer that is no ride (status "
              + response.statusCode()
              + ")");
    }
    return answer;
  }

  private static String reasonIn(Map<String, Object> answer) {
    boolean isTold =
        answer.get("error") instanceof Map<?, ?> error && error.get("message") instanceof String;
    return isTold ? " (" + ((Map<?, ?>) answer.get("error")).get("message") + ")" : "";
  }
}
