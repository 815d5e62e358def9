//! How far a run is, on one line that is redrawn; and Ctrl-C, which ends it early.

use std::future::Future;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use selat_qos::session::{Cancel, Progress, Snapshot};
use tokio::signal;
use tokio::time::{MissedTickBehavior, interval};

use super::threshold::Unmet;
use crate::console::Console;
use crate::output::unit;

/// How often the line is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// Waits for `run`; shows `snapshot` meanwhile. The first Ctrl-C calls `cancel` and waits on; the
/// second gives up.
///
/// # Errors
/// [`Unmet::Interrupted`].
pub(super) async fn watch<T>(
    run: impl Future<Output = T>,
    snapshot: impl Fn() -> Snapshot,
    cancel: &Cancel,
    console: &Console<'_>,
) -> Result<T, Unmet> {
    let bar = bar(console);
    let mut ticks = interval(REDRAW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    tokio::pin!(run);
    loop {
        tokio::select! {
            outcome = &mut run => {
                bar.finish_and_clear();
                return Ok(outcome);
            }
            _ = ticks.tick() => show(&bar, &snapshot()),
            Ok(()) = signal::ctrl_c() => {
                if cancel.is_cancelled() {
                    bar.finish_and_clear();
                    return Err(Unmet::Interrupted);
                }
                cancel.cancel();
            }
        }
    }
}

/// What a UDP run tells.
pub(super) fn udp(progress: &Progress) -> impl Fn() -> Snapshot + use<> {
    let progress = progress.clone();
    move || progress.snapshot()
}

fn bar(console: &Console<'_>) -> ProgressBar {
    if !console.look.progress {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(" {bar:30.cyan/dim} {pos}/{len} sent  {msg}  {eta} to go") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, snapshot: &Snapshot) {
    let lost = match snapshot.lost_so_far {
        0 => "nothing lost".to_owned(),
        lost => format!("{} lost", unit::count(lost)),
    };
    let last = snapshot.last_latency.map_or(unit::NONE.to_owned(), unit::ms);
    bar.set_length(snapshot.planned);
    bar.set_position(snapshot.sent);
    bar.set_message(format!("{} answered, {lost}, last {last}", unit::count(snapshot.received)));
}
