package rideshare.web;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.javalin.Javalin;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import rideshare.Settings;
import rideshare.city.VehicleKind;

class RoutesTest {
  private static final HttpClient CLIENT = HttpClient.newHttpClient();

  private final List<Javalin> started = new ArrayList<>();

  private record Answer(int status, JsonNode body) {
    String message() {
      return body.path("error").path("message").asText();
    }
  }

  private String start(String region, String neighbour) throws Settings.Invalid {
    Map<String, String> environment = new HashMap<>();
    environment.put("RIDESHARE_REGION", region);
    environment.put("RIDESHARE_NEIGHBOUR_URL", neighbour);
    environment.put("RIDESHARE_GATEWAY_SECONDS", "0.001");
    Javalin app = Routes.of(Settings.read(environment)).start("127.0.0.1", 0);
    started.add(app);
    return "http://127.0.0.1:" + app.port();
  }

  private static Answer get(String address, String... headers)
      throws IOException, InterruptedException {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(address));
    if (headers.length > 0) {
      request.headers(headers);
    }
    HttpResponse<String> response =
        CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString());
    assertEquals(
        "application/json", response.headers().firstValue("Content-Type").orElse("").split(";")[0]);
    return new Answer(response.statusCode(), new ObjectMapper().readTree(response.body()));
  }

  @AfterEach
  void stop() {
    started.forEach(Javalin::stop);
  }

  @Test
  void aRideHasWhatTheRiderNeeds() throws Exception {
    String app = start("sa-east", "");
    for (VehicleKind kind : VehicleKind.values()) {
      Answer ride = get(app + "/" + kind.word());
      assertEquals(200, ride.status());
      assertEquals(kind.word(), ride.body().path("vehicle").path("kind").asText());
      assertEquals("sa-east", ride.body().path("asked_in").asText());
      assertEquals(kind == VehicleKind.CAR, ride.body().has("driver"));
      String rideId = ride.body().path("ride_id").asText();
      Answer receipt = get(app + "/receipt/" + rideId);
      assertEquals("payment-" + rideId, receipt.body().path("payment").asText());
    }
  }

  @Test
  void aQuoteIsAPriceWithoutAVehicle() throws Exception {
    Answer quote = get(start("us-west", "") + "/quote?vehicle=car&riders=2");
    assertEquals(200, quote.status());
    assertEquals(2, quote.body().path("riders").asInt());
    assertTrue(quote.body().path("ride_id").isMissingNode());
  }

  @Test
  void whereNoCarIsFreeTheNeighbourHasOne() throws Exception {
    String app = start("us-west", start("sa-east", ""));
    Answer ride = get(app + "/car");
    assertEquals("sa-east", ride.body().path("region").asText());
    assertEquals("us-west", ride.body().path("asked_in").asText());
    assertEquals(200, get(app + "/receipt/" + ride.body().path("ride_id").asText()).status());
  }

  @Test
  void withoutARideTheReasonIsTold() throws Exception {
    String alone = start("us-west", "");
    String lost = start("us-west", "http://127.0.0.1:1");
    String asking = start("us-west", alone);
    Map<String, String> reasons =
        Map.of(
            alone, "no neighbouring region is known",
            lost, "the neighbouring region cannot be reached",
            asking, "has no ride either (us-west has no free car, and no neighbouring");
    for (Map.Entry<String, String> expected : reasons.entrySet()) {
      Answer answer = get(expected.getKey() + "/car");
      assertEquals(503, answer.status());
      assertTrue(answer.message().contains(expected.getValue()), answer.message());
    }
    Answer forwarded = get(asking + "/car", Order.HOPS_HEADER, "2");
    assertEquals(503, forwarded.status());
    assertTrue(forwarded.message().contains("forwarded 2 times already"), forwarded.message());
  }

  @Test
  void aBadParameterIsRefusedByName() throws Exception {
    String app = start("us-west", "");
    Map<String, String> messages =
        Map.of(
            "/bike?colour=red", "colour is not a parameter; known are lat, lon, riders",
            "/bike?riders=1&riders=1", "riders is given 2 times; give it once",
            "/bike?lat=37.7", "lon is missing; give it together with lat, or neither",
            "/bike?lat=x&lon=1", "lat must be a number of degrees, not 'x'",
            "/bike?lat=1&lon=1",
                "lat must be from 37.5249 to 38.0249, which is in or near San Francisco, not '1'",
            "/bike?riders=0", "riders must be a whole number from 1, not '0'",
            "/bike?riders=2", "riders must be at most 1 for a bike, not '2'",
            "/quote", "vehicle is missing; give one of bike, scooter, car",
            "/quote?vehicle=boat", "vehicle must be one of bike, scooter, car, not 'boat'",
            "/receipt/x?y=1", "y is not a parameter; this route has none");
    for (Map.Entry<String, String> expected : messages.entrySet()) {
      Answer answer = get(app + expected.getKey());
      assertEquals(400, answer.status(), expected.getKey());
      assertEquals(expected.getValue(), answer.message());
    }
    for (String hops : List.of("many", "", "3", "-1", "01")) {
      assertEquals(400, get(app + "/bike", Order.HOPS_HEADER, hops).status(), hops);
    }
    String bicycle = "\uD83D\uDEB2";
    Answer cut = get(app + "/quote?vehicle=" + URLEncoder.encode(bicycle.repeat(41), UTF_8));
    assertTrue(cut.message().endsWith("not '" + bicycle.repeat(40) + "...'"), cut.message());
  }

  @Test
  void whatIsNotThereIsAnErrorInJson() throws Exception {
    String app = start("us-west", "");
    assertEquals("GET /boat: Not Found", get(app + "/boat").message());
    assertEquals(404, get(app + "/bike/").status());
    assertEquals(404, get(app + "/receipt/nobodys").status());
    assertEquals(200, get(app + "/health").status());
    HttpRequest post =
        HttpRequest.newBuilder(URI.create(app + "/bike"))
            .POST(HttpRequest.BodyPublishers.noBody())
            .build();
    HttpResponse<Void> refused = CLIENT.send(post, HttpResponse.BodyHandlers.discarding());
    assertEquals(405, refused.statusCode());
    assertEquals("GET, HEAD", refused.headers().firstValue("Allow").orElse(""));
  }
}
