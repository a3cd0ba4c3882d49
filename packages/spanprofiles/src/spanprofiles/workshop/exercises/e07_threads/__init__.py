"""An event loop and its helpers: CPU that loses its label on the way to another thread."""
