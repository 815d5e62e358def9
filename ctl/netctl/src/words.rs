//! Command lines as a person would type them.

use std::borrow::Cow;

/// The words with spaces between them, quoted where a shell would read them as something else.
pub(crate) fn line<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let words: Vec<_> = words.into_iter().map(|it| quoted(it.as_ref()).into_owned()).collect();
    words.join(" ")
}

fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    // A single quote ends the quotation, stands escaped, and begins it again.
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_that_were_meant() {
        let words = ["netctl", "qos", "udp", "[::1]:9090", "--csv", "my file's.csv", "", "$HOME"];
        let expected = r"netctl qos udp '[::1]:9090' --csv 'my file'\''s.csv' '' '$HOME'";
        assert_eq!(line(words), expected);
    }
}
