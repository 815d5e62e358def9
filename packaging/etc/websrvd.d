Settings for websrvd: each *.toml here wins over ../websrvd.toml, and over those before it by name.
Then: systemctl reload websrvd
