//! The socket units that are shipped, and the daemons that they are for.

use std::{
    collections::BTreeMap,
    fs,
    net::{TcpListener, UdpSocket},
    os::fd::OwnedFd,
    os::unix::net::UnixListener,
    path::Path,
};

use selat_tests::{Daemon, Descriptor, Netctl, repository};

/// One shipped socket unit.
#[derive(Debug)]
struct Unit {
    stem: String,
    settings: BTreeMap<String, String>,
}

impl Unit {
    fn setting(&self, key: &str) -> &str {
        self.settings.get(key).unwrap_or_else(|| panic!("no {key}= in {}", self.stem))
    }

    fn role(&self) -> &str {
        self.setting("FileDescriptorName")
    }

    /// A socket of the kind that it has, elsewhere, and the port of that.
    fn bind(&self, directory: &Path) -> (OwnedFd, u16) {
        if self.settings.contains_key("ListenDatagram") {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = socket.local_addr().unwrap().port();
            return (socket.into(), port);
        }
        match Path::new(self.setting("ListenStream")).file_name() {
            Some(name) if self.setting("ListenStream").starts_with('/') => {
                (UnixListener::bind(directory.join(name)).unwrap().into(), 0)
            }
            _ => {
                let socket = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = socket.local_addr().unwrap().port();
                (socket.into(), port)
            }
        }
    }
}

/// The socket units of a daemon.
fn units(daemon: &str) -> Vec<Unit> {
    let files = fs::read_dir(repository().join("packaging/units")).unwrap();
    let sockets = files.map(|entry| entry.unwrap().path()).filter(|path| {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        stem.starts_with(&format!("{daemon}-")) && path.extension().unwrap() == "socket"
    });
    let units = sockets.map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let settings = text.lines().filter(|line| !line.starts_with('#'));
        let settings = settings.filter_map(|line| line.split_once('='));
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Unit { stem: path.file_stem().unwrap().to_str().unwrap().to_owned(), settings }
    });
    units.collect()
}

/// Starts `daemon` on sockets as its units make them, and returns the roles that it says it has inherited.
fn inherited_roles(daemon: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let (mut launcher, option) = match daemon {
        "websrvd" => (Daemon::websrvd().args(["--root", "/usr"]), "--websrvd"),
        _ => (Daemon::proxyd(), "--proxyd"),
    };
    for unit in units(daemon) {
        let (socket, port) = unit.bind(directory.path());
        if ["udp", "tcp"].contains(&unit.role()) {
            let upstream = format!("127.0.0.1:{port}=127.0.0.1:9");
            launcher = launcher.args([format!("--{}", unit.role()), upstream]);
        }
        launcher = launcher.inherit(Descriptor { name: unit.role().to_owned(), fd: socket });
    }
    let running = launcher.start();
    let control = directory.path().join("control.sock");
    let status = Netctl::new().json(&[option, control.to_str().unwrap(), "status", daemon]);
    assert!(!running.process().stderr().contains("nothing here serves"));
    let listeners = status[daemon]["listeners"].as_array().unwrap().clone();
    assert!(listeners.iter().all(|listener| listener["inherited"] == true), "{listeners:?}");
    listeners.iter().map(|listener| listener["role"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_role_of_a_daemon_has_a_unit_that_is_named_after_it() {
    for (daemon, roles) in [
        ("websrvd", &["control", "echo", "http", "status"][..]),
        ("proxyd", &["control", "http", "status", "tcp", "udp"]),
    ] {
        for unit in units(daemon) {
            assert_eq!(unit.stem, format!("{daemon}-{}", unit.role()));
            assert_eq!(unit.setting("Service"), format!("{daemon}.service"));
        }
        let mut inherited = inherited_roles(daemon);
        inherited.sort();
        assert_eq!(inherited, roles, "{daemon}");
    }
}

#[test]
fn the_units_listen_where_the_daemons_would() {
    let mut compared = 0;
    for daemon in ["websrvd", "proxyd"] {
        let sample = repository().join(format!("packaging/{daemon}.toml"));
        let sample = fs::read_to_string(sample).unwrap();
        for unit in units(daemon).iter().filter(|unit| unit.role() != "tcp") {
            let listens = ["ListenStream", "ListenDatagram"].map(|key| unit.settings.get(key));
            let listen = listens.into_iter().flatten().next().unwrap();
            let key = format!("#{} = ", unit.role());
            let default = sample.lines().find_map(|line| line.strip_prefix(&key)).unwrap();
            assert!(default.contains(listen.as_str()), "{}: {listen}, not {default}", unit.stem);
            compared += 1;
        }
    }
    assert_eq!(compared, 8);
}
