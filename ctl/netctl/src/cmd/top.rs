//! `netctl top`: both daemons on a live screen, or a line for each look at them.
//!
//! 1. `reading` asks both daemons for their counters, once an interval; who cannot be reached is
//!    asked again.
//! 2. `Pace` makes rates of two readings.
//! 3. A screen shows them (`screen::daemons`), or `line` writes them where there is no terminal.

mod line;
mod pace;
pub(crate) mod reading;
mod watching;

use std::time::Duration;

use anyhow::Context;
use tokio::time::{MissedTickBehavior, interval};

use self::line::Moment;
pub(crate) use self::pace::Pace;
pub(crate) use self::reading::Reading;
pub(crate) use self::watching::Happening;
use crate::cli::Global;
use crate::duration;
use crate::exit::Exit;
use crate::output::{Format, Output};
use crate::screen::daemons::{Daemons, News};
use crate::screen::{Screen, Tint};

/// Shortest time between two looks: the control planes are not to be kept busy by who looks.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "\
Examples:
  netctl top                             until q or Ctrl-C
  netctl top --interval 5s
  netctl top --count 10                  ten lines, one a second, for a script or a log
  netctl -o json top --count 2 | jq '.proxyd.requests_per_s'

On a terminal it is a screen: q ends it, p freezes it, ? explains it. Elsewhere, with -o, or with
--count, it writes a line for each look. A daemon that cannot be reached is asked again.";

/// Watch both daemons live: requests, hit ratio, bytes, sessions, connections, events
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Time between two looks, at least 100ms
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = pause)]
    interval: Duration,
    /// Write a line for each look, and end after this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

pub(crate) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let screen = output.console.look.screen.filter(|_| output.console.look.interactive);
    match screen.filter(|_| args.count.is_none() && output.format == Format::Table) {
        Some(tint) => on_screen(args, global, tint).await,
        None => in_lines(args, global, output).await,
    }
}

async fn in_lines(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let mut ticks = ticks(args.interval);
    let (mut before, mut number) = (None, 0);
    while args.count.is_none_or(|count| number < count) {
        ticks.tick().await;
        let reading = Reading::take(global).await;
        if let (0, Some(error)) = (number, reading.nobody()) {
            return Err(error.into());
        }
        let reading = reading.told();
        let pace = Pace::between(before.as_ref(), &reading);
        output.show_next(&Moment { reading: &reading, pace, number }, number == 0)?;
        before = Some(reading);
        number += 1;
    }
    Ok(Exit::Success)
}

async fn on_screen(args: &Args, global: &Global, tint: Tint) -> anyhow::Result<Exit> {
    let (news, arrivals) = std::sync::mpsc::channel();
    let take_in = move |picture: &mut Daemons| {
        arrivals.try_iter().for_each(|news| picture.take_in(news));
    };
    let _events = watching::watch(global, news.clone());
    let mut screen = Screen::open(Daemons::new(args.interval), take_in, tint)
        .context("cannot draw on this terminal")?;
    let mut ticks = ticks(args.interval);
    let look = async {
        loop {
            ticks.tick().await;
            // The screen is gone only when this is over, too.
            let _ = news.send(News::Reading(Box::new(Reading::take(global).await.told())));
        }
    };
    tokio::select! {
        () = look => {}
        _ = screen.wish() => {}
    }
    Ok(Exit::Success)
}

fn ticks(pause: Duration) -> tokio::time::Interval {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn pause(text: &str) -> Result<Duration, String> {
    let pause = duration::parse(text)?;
    if pause < INTERVAL_MIN {
        Err(format!("it must be at least {INTERVAL_MIN:?}"))
    } else {
        Ok(pause)
    }
}
