"""A bounded soak: many hostile requests of all kinds, with valid load beside them."""
