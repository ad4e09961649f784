"""The wiring sheets: drawings for whoever connects a kiosk to a door."""
