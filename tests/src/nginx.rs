//! Debian's nginx as an origin that nobody here wrote.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{Descriptor, Process, process::with_descriptors};

/// A running nginx that serves a directory; dropping it ends it.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    address: SocketAddr,
    _directory: TempDir,
}

impl Nginx {
    /// Serves `root`; every response may be cached for an hour.
    #[must_use]
    pub fn serving(root: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (here, file) = (directory.path(), directory.path().join("nginx.conf"));
        fs::write(&file, configuration(here, root, address)).unwrap();
        // It takes listening sockets over from a predecessor, and so the port can be the kernel's choice.
        let mut command =
            with_descriptors(Path::new("/usr/sbin/nginx"), &[Descriptor::new("http", listener)]);
        command.env("NGINX", "3;").arg("-p").arg(here).arg("-e").arg(here.join("error.log"));
        let process = Process::start(command.arg("-c").arg(file));
        Self { process, address, _directory: directory }
    }

    /// Whether nginx is installed.
    #[must_use]
    pub fn is_installed() -> bool {
        Command::new("/usr/sbin/nginx").arg("-v").output().is_ok_and(|run| run.status.success())
    }

    /// Where it listens. It may not have started yet; what is sent is answered when it has.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.signal(Signal::QUIT);
    }
}

fn configuration(here: &Path, root: &Path, address: SocketAddr) -> String {
    let (here, root) = (here.display(), root.display());
    // Workers of root would be nobody, who may not enter the test's directories.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "{user}
        daemon off;
        worker_processes 1;
        pid {here}/pid;
        error_log stderr;
        events {{ worker_connections 1024; }}
        http {{
            types {{ text/html html; text/css css; image/png png; application/json json; }}
            default_type application/octet-stream;
            access_log off;
            client_body_temp_path {here}/body;
            proxy_temp_path {here}/proxy;
            fastcgi_temp_path {here}/fastcgi;
            uwsgi_temp_path {here}/uwsgi;
            scgi_temp_path {here}/scgi;
            server {{
                listen {address};
                root {root};
                expires 1h;
            }}
        }}
        "
    )
}
