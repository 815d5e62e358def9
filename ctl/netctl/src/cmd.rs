//! One file for each noun of the command line: its arguments, its calls, its report.

pub(crate) mod cache;
pub(crate) mod completions;
pub(crate) mod drain;
mod each;
pub(crate) mod events;
pub(crate) mod fetch;
pub(crate) mod log_level;
pub(crate) mod man;
pub(crate) mod menu;
pub(crate) mod qos;
pub(crate) mod reload;
pub(crate) mod restart;
pub(crate) mod sessions;
pub(crate) mod status;
mod succession;
pub(crate) mod top;
pub(crate) mod upgrade;

use anyhow::Context;
use tokio::runtime;

use crate::cli::{Cli, Command};
use crate::console::Console;
use crate::exit::Exit;
use crate::output::Output;

/// Does what the command line says, on a runtime of its own.
pub(crate) fn execute(cli: Cli, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let result = runtime.block_on(Box::pin(dispatch(cli, console)));
    // A measurement that was interrupted twice is not waited for.
    runtime.shutdown_background();
    result
}

/// From noun to function.
async fn dispatch(cli: Cli, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let global = &cli.global;
    let output = &mut Output { console, format: global.output };
    match &cli.command {
        Command::Status(args) => status::run(args, global, output).await,
        Command::Reload(args) => reload::run(args, global, output).await,
        Command::Drain(args) => drain::run(args, global, output).await,
        Command::Restart(args) => restart::run(args, global, output).await,
        Command::Upgrade(args) => upgrade::run(args, global, output).await,
        Command::Cache(command) => cache::run(command, global, output).await,
        Command::Sessions(args) => sessions::run(args, global, output).await,
        Command::LogLevel(args) => log_level::run(args, global, output).await,
        Command::Events(args) => events::run(args, global, output).await,
        Command::Top(args) => top::run(args, global, output).await,
        Command::Fetch(args) => fetch::run(args, global, output).await,
        Command::Qos(command) => qos::run(command, global, output).await,
        Command::Menu(args) => menu::run(args, output.console).await,
        Command::Completions(args) => completions::run(args, output.console),
        Command::Man(args) => man::run(args, output.console),
    }
}
