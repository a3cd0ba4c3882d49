package rideshare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SettingsTest {
  @Test
  void whatIsNotSetHasADefault() throws Settings.Invalid {
    Settings settings = Settings.read(Map.of("RIDESHARE_BIND", "  "));
    assertEquals("sa-east", settings.region().name());
    assertEquals(5000, settings.port());
    assertTrue(settings.neighbourUrl().isEmpty());
    assertEquals(0.4, settings.gatewaySeconds());
  }

  @Test
  void whatIsSetIsTaken() throws Settings.Invalid {
    Settings settings =
        Settings.read(
            Map.of(
                "RIDESHARE_REGION", "us-west",
                "RIDESHARE_BIND", "[::1]:5007",
                "RIDESHARE_NEIGHBOUR_URL", "http://127.0.0.1:5001/"));
    assertEquals("San Francisco", settings.region().city());
    assertEquals("[::1]", settings.host());
    assertEquals("http://127.0.0.1:5001", settings.neighbourUrl().orElseThrow());
  }

  @ParameterizedTest
  @CsvSource({
    "RIDESHARE_REGION, mars",
    "RIDESHARE_SEED, -1",
    "RIDESHARE_BIND, 127.0.0.1:70000",
    "RIDESHARE_NEIGHBOUR_URL, ftp://somewhere",
    "RIDESHARE_NEIGHBOUR_URL, http://[",
    "RIDESHARE_NEIGHBOUR_TIMEOUT_SECONDS, 0",
    "RIDESHARE_GATEWAY_SECONDS, NaN",
  })
  void aBadValueIsRefusedByName(String name, String value) {
    Settings.Invalid error =
        assertThrows(Settings.Invalid.class, () -> Settings.read(Map.of(name, value)));
    assertTrue(error.getMessage().startsWith(name + " is '" + value + "'; "));
  }
}
