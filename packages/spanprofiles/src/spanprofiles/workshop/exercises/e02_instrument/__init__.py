"""An app with traces and no profiles: link them."""
