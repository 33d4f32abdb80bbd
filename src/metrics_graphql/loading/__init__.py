"""From files and generators to stored sessions. Knows neither door."""
