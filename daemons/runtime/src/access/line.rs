//! One request as a line of text. What clients say is escaped: it can neither end a line nor a field.

use std::{
    cell::RefCell,
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;
use jiff::Timestamp;

use super::{Entry, Mode};

/// Bytes of one thing that a client said; more is cut off.
const SAID_BYTES_MAX: usize = 4096;

/// What a thread keeps from line to line.
#[derive(Default)]
struct Scratch {
    line: String,
    /// The second that `time` says.
    second: u64,
    is_json: bool,
    time: String,
}

/// Calls `take` with the line for `entry`, its end included.
pub(super) fn with(entry: &Entry<'_>, mode: Mode, now: SystemTime, take: impl FnOnce(&[u8])) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let is_json = matches!(mode, Mode::Json);
        scratch.turn_to(since.as_secs(), is_json);
        scratch.line.clear();
        // Writing to a string does not fail.
        let _ = match is_json {
            true => json(&mut scratch.line, &scratch.time, since, entry),
            false => combined(&mut scratch.line, &scratch.time, entry),
        };
        take(scratch.line.as_bytes());
    });
}

impl Scratch {
    /// Says the time anew if it is another one.
    fn turn_to(&mut self, second: u64, is_json: bool) {
        if self.second == second && self.is_json == is_json {
            return;
        }
        let format = if is_json { "%Y-%m-%dT%H:%M:%S" } else { "%d/%b/%Y:%H:%M:%S +0000" };
        let time =
            i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
        self.time = time.unwrap_or_default().strftime(format).to_string();
        (self.second, self.is_json) = (second, is_json);
    }
}

fn combined(line: &mut String, time: &str, entry: &Entry<'_>) -> std::fmt::Result {
    write!(line, "{} - - [{time}] \"", entry.client.ip())?;
    quoted(line, entry.method.as_str());
    line.push(' ');
    quoted(line, entry.target);
    write!(line, " {:?}\" {} ", entry.version, entry.status.as_u16())?;
    match entry.bytes {
        Some(bytes) => write!(line, "{bytes}")?,
        None => line.push('-'),
    }
    for said in [entry.referer, entry.user_agent] {
        line.push_str(" \"");
        match said {
            Some(said) => quoted(line, &text(said)),
            None => line.push('-'),
        }
        line.push('"');
    }
    let (cache, route) = (entry.cache.unwrap_or("-"), entry.route.unwrap_or("-"));
    writeln!(line, " {cache} {:.6} {route}", entry.elapsed.as_secs_f64())
}

fn json(line: &mut String, time: &str, since: Duration, entry: &Entry<'_>) -> std::fmt::Result {
    write!(line, "{{\"time\":\"{time}.{:03}Z\",", since.subsec_millis())?;
    write!(line, "\"client\":\"{}\",", entry.client)?;
    let said = [Some(entry.method.as_str()), entry.host, Some(entry.target)];
    for (name, said) in ["method", "host", "target"].into_iter().zip(said) {
        if let Some(said) = said {
            write!(line, "\"{name}\":\"")?;
            json_text(line, said);
            line.push_str("\",");
        }
    }
    write!(line, "\"version\":\"{:?}\",\"status\":{}", entry.version, entry.status.as_u16())?;
    if let Some(bytes) = entry.bytes {
        write!(line, ",\"bytes\":{bytes}")?;
    }
    // Neither is of a client's making.
    for (name, own) in [("cache", entry.cache), ("route", entry.route)] {
        if let Some(own) = own {
            write!(line, ",\"{name}\":\"{own}\"")?;
        }
    }
    for (name, said) in [("referer", entry.referer), ("user_agent", entry.user_agent)] {
        if let Some(said) = said {
            write!(line, ",\"{name}\":\"")?;
            json_text(line, &text(said));
            line.push('"');
        }
    }
    writeln!(line, ",\"elapsed_us\":{}}}", entry.elapsed.as_micros())
}

/// What a client said, as far as it is text.
fn text(said: &HeaderValue) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(said.as_bytes())
}

/// As much of `text` as a line takes.
fn shortened(text: &str) -> &str {
    let end = text.floor_char_boundary(SAID_BYTES_MAX.min(text.len()));
    text.get(..end).unwrap_or_default()
}

/// As nginx does it: what could end the field, and what is no character to see, in hexadecimal.
fn quoted(line: &mut String, text: &str) {
    for character in shortened(text).chars() {
        if matches!(character, '"' | '\\') || character.is_control() {
            let _ = write!(line, "\\x{:02X}", u32::from(character));
        } else {
            line.push(character);
        }
    }
}

/// RFC 8259 §7.
fn json_text(line: &mut String, text: &str) {
    for character in shortened(text).chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            _ if character.is_control() => {
                let _ = write!(line, "\\u{:04x}", u32::from(character));
            }
            _ => line.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode, Version};

    use super::*;

    fn line(mode: Mode, target: &str, agent: &[u8]) -> String {
        let agent = HeaderValue::from_bytes(agent).unwrap();
        let entry = Entry {
            client: ([192, 0, 2, 7], 4711).into(),
            method: &Method::GET,
            host: Some("a.example"),
            target,
            version: Version::HTTP_11,
            referer: None,
            user_agent: Some(&agent),
            status: StatusCode::OK,
            bytes: Some(11),
            cache: Some("hit"),
            route: Some("default"),
            elapsed: Duration::from_micros(1234),
        };
        let now = UNIX_EPOCH + Duration::from_millis(1_800_000_000_042);
        let mut text = String::new();
        with(&entry, mode, now, |line| text = String::from_utf8(line.to_vec()).unwrap());
        text
    }

    #[test]
    fn both_formats_say_all_that_there_is_to_say() {
        assert_eq!(
            line(Mode::Combined, "/a?b=c", b"curl/8"),
            "192.0.2.7 - - [15/Jan/2027:08:00:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 11 \"-\" \"curl/8\" hit 0.001234 default\n"
        );
        assert_eq!(
            line(Mode::Json, "/a?b=c", b"curl/8"),
            "{\"time\":\"2027-01-15T08:00:00.042Z\",\"client\":\"192.0.2.7:4711\",\"method\":\"GET\",\
             \"host\":\"a.example\",\"target\":\"/a?b=c\",\"version\":\"HTTP/1.1\",\"status\":200,\"bytes\":11,\"cache\":\"hit\",\
             \"route\":\"default\",\"user_agent\":\"curl/8\",\"elapsed_us\":1234}\n"
        );
    }

    #[test]
    fn what_clients_say_ends_neither_lines_nor_fields() {
        let odd = b"a\" 200 \\ \t\xff";
        let combined = line(Mode::Combined, "/\u{85}", odd);
        assert!(combined.contains("\"GET /\\x85 HTTP/1.1\""), "{combined}");
        assert!(combined.contains("\"a\\x22 200 \\x5C \\x09\u{fffd}\" hit"), "{combined}");
        let json = line(Mode::Json, "/", odd);
        assert!(json.contains(r#""user_agent":"a\" 200 \\ \u0009"#), "{json}");
        assert_eq!((combined.lines().count(), json.lines().count()), (1, 1));
    }

    #[test]
    fn long_texts_are_cut_off() {
        let long = line(Mode::Combined, &"é".repeat(SAID_BYTES_MAX), b"-");
        assert!(long.len() < SAID_BYTES_MAX + 200, "{}", long.len());
    }
}
