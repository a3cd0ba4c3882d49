package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
)

// AskForHealth asks the region that listens on bind whether it is ready. An error says why it is not.
func AskForHealth(ctx context.Context, bind string) error {
	host, port, err := net.SplitHostPort(bind)
	if err != nil {
		return err
	}
	if address := net.ParseIP(host); address != nil && address.IsUnspecified() {
		host = "localhost" // it listens on all addresses, of which this is the nearest
	}
	address := "http://" + net.JoinHostPort(host, port) + "/health"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // directly, whatever proxies there are
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers with %s", address, response.Status)
	}
	return nil
}
