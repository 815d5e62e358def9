Settings for proxyd: each *.toml here wins over ../proxyd.toml, and over those before it by name.
Then: systemctl reload proxyd
