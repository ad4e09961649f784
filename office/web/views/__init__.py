"""Views: thin; each asks for its right, calls one function of the office, and shows a page."""
