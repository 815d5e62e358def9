//! What shells need to complete a program's command line, under the names by which they look for it.

use std::{fs, path::Path};

use anyhow::Context;
use clap_complete::Shell;

use crate::Program;

/// Writes `bash/NAME`, `zsh/_NAME` and `fish/NAME.fish` below `directory`.
pub(crate) fn write(program: &Program, directory: &Path) -> anyhow::Result<()> {
    let name = program.name;
    let shells = [
        (Shell::Bash, "bash", name.to_owned()),
        (Shell::Zsh, "zsh", format!("_{name}")),
        (Shell::Fish, "fish", format!("{name}.fish")),
    ];
    for (shell, folder, file) in shells {
        let folder = directory.join(folder);
        let failed = || format!("cannot write completions to {}", folder.display());
        fs::create_dir_all(&folder).with_context(failed)?;
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut program.command.clone(), name, &mut script);
        fs::write(folder.join(file), script).with_context(failed)?;
    }
    Ok(())
}
