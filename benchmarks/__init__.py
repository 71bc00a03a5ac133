"""Side by side with peers: one command each, results as JSON and a table."""
