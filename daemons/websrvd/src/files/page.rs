//! The page that says why there is no file: complete in itself, and without a word of the request.

use http::StatusCode;

/// The page for a status, with what it means for the reader.
pub(super) fn page(status: StatusCode, meaning: &str) -> String {
    let code = status.as_u16();
    let reason = status.canonical_reason().unwrap_or("Error");
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{code} {reason}</title>
<style>
:root {{ color-scheme: light dark; --ink: #12303b; --paper: #f4f8f9; --line: #1c7c8c; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #dcebee; --paper: #0c1a20; --line: #58b7c6; }} }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper);
  color: var(--ink); font: 1.05rem/1.6 system-ui, sans-serif; }}
main {{ max-width: 34rem; padding: 2rem; border-left: .3rem solid var(--line); }}
h1 {{ margin: 0; font-size: 4rem; line-height: 1; letter-spacing: -.03em; }}
h1 small {{ display: block; margin-top: .5rem; font-size: 1.3rem; letter-spacing: 0; }}
p {{ margin: 1rem 0 0; }}
a {{ color: var(--line); }}
</style>
</head>
<body>
<main>
<h1>{code}<small>{reason}</small></h1>
<p>{meaning}</p>
<p><a href="/">To the start page</a></p>
</main>
</body>
</html>
"#
    )
}
