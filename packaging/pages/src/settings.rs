//! The manual page of a configuration file, from its sample: comments become text, and a key behind a `#` the head of
//! what was said before it.

use std::fmt::Write;

/// One line of a sample.
enum Line<'a> {
    Blank,
    /// `# text`
    Text(&'a str),
    /// `#   text` or a table's row, to be kept as it is.
    Verbatim(&'a str),
    /// `#key = value`, or a table, in force or not.
    Setting(&'a str),
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let Some(comment) = line.strip_prefix('#') else {
            return if line.is_empty() { Self::Blank } else { Self::Setting(line) };
        };
        match comment.strip_prefix(' ') {
            Some(text) if text.starts_with("  ") || text.contains("   ") => Self::Verbatim(text),
            Some(text) => Self::Text(text),
            None if comment.is_empty() => Self::Text(""),
            None => Self::Setting(comment),
        }
    }
}

/// The page `NAME.toml(5)`.
pub(crate) fn page(name: &str, sample: &str) -> String {
    let mut page = format!(
        ".TH {name}.toml 5\n.SH NAME\n{name}.toml \\- configuration of {name}\n.SH SYNOPSIS\n\
         \\fI/etc/selat/{name}.toml\\fR, \\fI/etc/selat/{name}.d/*.toml\\fR\n.SH DESCRIPTION\n"
    );
    let mut blocks = sample.split("\n\n");
    if let Some(opening) = blocks.next() {
        page.push_str(&text(opening.lines().map(Line::of)));
    }
    page.push_str(".SH SETTINGS\n");
    for block in blocks {
        page.push_str(&setting(block));
    }
    let _ = write!(page, ".SH \"SEE ALSO\"\n\\fB{name}\\fR(8), \\fBnetctl\\fR(1)\n");
    page
}

/// Tables, then keys, then what is said of them.
fn setting(block: &str) -> String {
    let (heads, said): (Vec<_>, Vec<_>) =
        block.lines().map(Line::of).partition(|line| matches!(line, Line::Setting(_)));
    let (mut tables, mut keys) = (String::new(), String::new());
    for head in heads {
        let Line::Setting(head) = head else { continue };
        let target = if head.starts_with('[') { &mut tables } else { &mut keys };
        let macros = match (head.starts_with('['), target.is_empty()) {
            (true, _) => ".SS ",
            (false, true) => ".TP\n",
            (false, false) => ".TQ\n",
        };
        let _ = writeln!(target, "{macros}\\fB{}\\fR", escaped(head));
    }
    if keys.is_empty() && !said.is_empty() {
        keys.push_str(".PP\n");
    }
    tables + &keys + &text(said)
}

fn text<'a>(lines: impl IntoIterator<Item = Line<'a>>) -> String {
    let mut roff = String::new();
    for line in lines {
        let _ = match line {
            Line::Blank | Line::Text("") => writeln!(roff, ".br"),
            Line::Text(text) | Line::Setting(text) => writeln!(roff, "{}", escaped(text)),
            Line::Verbatim(text) => writeln!(roff, ".br\n{}\n.br", escaped(text)),
        };
    }
    roff
}

/// As roff takes it for text: `\` and `-` as they are, and no request at the start of a line.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "# Of a thing.\n#   thing --check\n\n# What it does.\n#key = \"a-b\"\n\n\
                          [limits]\n# How many.\n#most = 3\n";

    #[test]
    fn keys_head_what_is_said_of_them() {
        let page = page("thing", SAMPLE);
        assert!(page.contains(".SH DESCRIPTION\nOf a thing.\n.br\n  thing \\-\\-check"), "{page}");
        assert!(page.contains(".TP\n\\fBkey = \"a\\-b\"\\fR\nWhat it does.\n"), "{page}");
        assert!(
            page.contains(".SS \\fB[limits]\\fR\n.TP\n\\fBmost = 3\\fR\nHow many.\n"),
            "{page}"
        );
    }
}
