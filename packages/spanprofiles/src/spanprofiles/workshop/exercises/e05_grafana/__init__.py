"""Settings of Grafana that Grafana accepts and that cannot work: mend them until the button leads to the samples."""
