"""The office's pages. They show and they ask; what is done, the registry and the publisher do."""
