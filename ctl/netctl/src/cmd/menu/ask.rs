//! Questions: with a cursor on a terminal, as plain lines elsewhere.

use std::fmt;

use anyhow::Context;
use inquire::{InquireError, Select, Text};

use super::Choice;
use crate::console::Console;

/// Longest answer that is read, bytes.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Something to ask for.
pub(super) struct Question<'a> {
    pub(super) text: &'a str,
    /// What an empty answer means.
    pub(super) proposal: &'a str,
}

/// A question that nobody wants to answer: back to the menu.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no answer")]
pub(super) struct Left;

/// Asks; the proposal where the answer is empty or the input has ended.
///
/// # Errors
/// [`Left`] where the answer is `q`, Escape or Ctrl-C; or nothing can be asked here.
pub(super) fn ask(question: &Question<'_>, console: &mut Console<'_>) -> anyhow::Result<String> {
    let Question { text, proposal } = question;
    if console.look.interactive {
        let answer = Text::new(&format!("{text}:")).with_default(proposal).prompt();
        return answered(told(answer)?.ok_or(Left)?);
    }
    console.print(&format!("{text} [{proposal}]: "))?;
    let answer = line(console)?.unwrap_or_default();
    console.print("\n")?;
    answered(if answer.is_empty() { (*proposal).to_owned() } else { answer })
}

fn answered(answer: String) -> anyhow::Result<String> {
    if answer.eq_ignore_ascii_case("q") { Err(Left.into()) } else { Ok(answer) }
}

/// Asks for a choice of the menu; the end of the input, Escape and Ctrl-C quit.
pub(super) fn choose(console: &mut Console<'_>) -> anyhow::Result<Choice> {
    if console.look.interactive {
        let answer = Select::new("What next?", Choice::ALL.to_vec())
            .with_page_size(Choice::ALL.len())
            .prompt();
        return Ok(told(answer)?.unwrap_or(Choice::Quit));
    }
    for choice in Choice::ALL {
        console.print(&format!("  {choice}\n"))?;
    }
    loop {
        console.print("Choice: ")?;
        let Some(answer) = line(console)? else { return Ok(Choice::Quit) };
        console.print("\n")?;
        match Choice::of_answer(&answer.to_lowercase()) {
            Some(choice) => return Ok(choice),
            None => console.note(&format!("{answer:?} is none of 1 to 10 and q")),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

fn told<T>(answer: Result<T, InquireError>) -> anyhow::Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Ok(None),
        Err(error) => Err(error).context("cannot ask on this terminal"),
    }
}

/// The next line of the input without its end; `None` at the end of the input.
fn line(console: &mut Console<'_>) -> anyhow::Result<Option<String>> {
    use std::io::{BufRead, Read};
    let mut bytes = Vec::new();
    let input = &mut console.input;
    let read = input.take(ANSWER_BYTES_MAX).read_until(b'\n', &mut bytes)?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&bytes).trim().to_owned()))
}
