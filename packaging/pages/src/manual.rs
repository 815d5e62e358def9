//! Manual pages: one of each program, one of each of its commands, one of its configuration file.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use clap_mangen::Man;

use crate::{Program, settings};

/// Writes the pages of `program` into `directory`.
pub(crate) fn write(program: &Program, directory: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot write manual pages to {}", directory.display());
    fs::create_dir_all(directory).with_context(failed)?;
    pages(program, directory).with_context(failed)
}

fn pages(program: &Program, directory: &Path) -> io::Result<()> {
    let Some(sample) = program.sample else {
        return clap_mangen::generate_to(program.command.clone(), directory);
    };
    let name = program.name;
    let mut page = Vec::new();
    Man::new(program.command.clone()).section(program.section).render(&mut page)?;
    write!(page, "{}", service(name))?;
    fs::write(directory.join(format!("{name}.{}", program.section)), page)?;
    fs::write(directory.join(format!("{name}.toml.5")), settings::page(name, sample))
}

/// What is to be said of a program that is a service, beside its command line.
fn service(name: &str) -> String {
    format!(
        r#".SH "EXIT STATUS"
.TP
0
It was told to stop, or the configuration is good.
.TP
1
It could not begin to serve; the log says why.
.TP
2
The command line is wrong.
.TP
78
The configuration is wrong, and there is no last good one to serve.
.SH FILES
.TP
\fI/etc/selat/{name}.toml\fR, \fI/etc/selat/{name}.d/*.toml\fR
Configuration, see \fB{name}.toml\fR(5).
.TP
\fI/var/lib/{name}/last\-good.toml\fR
The last configuration that was in force.
.TP
\fI/var/log/{name}/access.log\fR
One line for each request, where systemd started the service.
.TP
\fI/run/{name}/control.sock\fR, \fI/run/{name}/status.sock\fR
Where \fBnetctl\fR(1) talks to it.
.SH "SEE ALSO"
\fB{name}.toml\fR(5), \fBnetctl\fR(1)
"#
    )
}
