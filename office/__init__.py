"""The site office: registry, issuing, publishing, and the feed of events."""
