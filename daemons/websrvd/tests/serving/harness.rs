//! Starts a server on a thread of its own and talks to it as a client that can send anything.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    panic,
    path::{Path, PathBuf},
    sync::OnceLock,
    thread::{self, JoinHandle},
    time::Duration,
};

use selat_proto::v1::Listener;
use selat_runtime::{
    config::Sources,
    last_good::LastGood,
    listen::Inherited,
    log::LogControl,
    process::{Begin, Launch, Origin, ProcessConfig},
    signals::{SignalOrder, SignalOrders},
    workers,
};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Time after which a client gives a server up: a failure, never waited for otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server and the directory it serves.
pub(crate) struct Server {
    pub(crate) listeners: Vec<Listener>,
    directory: TempDir,
    signals: SignalOrders,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<Result<(), websrvd::Error>>>,
}

impl Server {
    /// Serves `files`, each a path below the root and its content.
    pub(crate) fn of(files: &[(&str, &[u8])]) -> Self {
        Self::configured(files, "")
    }

    /// The same, with more lines of configuration.
    pub(crate) fn configured(files: &[(&str, &[u8])], settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("www");
        fs::create_dir(&root).unwrap();
        for (path, content) in files {
            write(&root.join(path), content);
        }
        let file = directory.path().join("websrvd.toml");
        fs::write(&file, configuration(directory.path(), &root, settings)).unwrap();
        Self::start(directory, file).unwrap()
    }

    fn start(directory: TempDir, file: PathBuf) -> Result<Self, String> {
        let sources = Sources::of("websrvdtest").with_file(file);
        let config = websrvd::Config::read(&sources).map_err(|errors| errors.to_string())?;
        let shutdown = CancellationToken::new();
        let signals = SignalOrders::default();
        let (ready, bound) = oneshot::channel();
        let launch = Launch {
            begin: Begin::OnDisk(sources.clone()),
            last_good: LastGood::nowhere(),
            sources,
            sockets: Inherited::none(),
            log: log(),
            shutdown: shutdown.clone(),
            signals: signals.clone(),
            ready,
            origin: Origin::default(),
        };
        let thread = thread::spawn(|| {
            workers::control_plane(websrvd::run(config, launch)).expect("a runtime")
        });
        match bound.blocking_recv() {
            Ok(listeners) => {
                Ok(Self { listeners, directory, signals, shutdown, thread: Some(thread) })
            }
            Err(_) => Err(thread.join().unwrap().unwrap_err().to_string()),
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("www")
    }

    /// A path beside the root.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.beside("control.sock")
    }

    /// The addresses of a role.
    pub(crate) fn addresses(&self, role: &str) -> Vec<SocketAddr> {
        let of_role = self.listeners.iter().filter(|listener| listener.role == role);
        of_role.map(|listener| listener.address.parse().unwrap()).collect()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.addresses("http")[0]
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.http())
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Reply {
        self.connect().request("GET", target, &[])
    }

    /// Puts another configuration on the disk.
    pub(crate) fn rewrite(&self, root: &Path, settings: &str) {
        let text = configuration(self.directory.path(), root, settings);
        fs::write(self.beside("websrvd.toml"), text).unwrap();
    }

    /// What SIGHUP does.
    pub(crate) fn hang_up(&self) {
        self.signals.give(SignalOrder::Reload);
    }

    /// What SIGTERM does.
    pub(crate) fn terminate(&self) {
        self.shutdown.cancel();
    }

    /// Waits for the end, and says how it went.
    pub(crate) fn join(mut self) -> Result<(), websrvd::Error> {
        self.thread.take().unwrap().join().unwrap()
    }

    /// Starts another server with the same configuration file.
    pub(crate) fn twin(&self) -> Result<Self, String> {
        Self::start(tempfile::tempdir().unwrap(), self.beside("websrvd.toml"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(thread::panicking() || ended.unwrap().is_ok(), "the server ends well");
        }
    }
}

pub(crate) fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn configuration(directory: &Path, root: &Path, settings: &str) -> String {
    let given = |key: &str| settings.lines().any(|line| line.starts_with(key));
    let defaults = [
        ("root", format!("{root:?}")),
        ("http", "\"127.0.0.1:0\"".to_owned()),
        ("echo", "\"127.0.0.1:0\"".to_owned()),
        ("control", format!("{:?}", directory.join("control.sock"))),
        ("threads", "2".to_owned()),
    ];
    let ours = defaults.iter().filter(|(key, _)| !given(&format!("{key} =")));
    let ours: String = ours.map(|(key, value)| format!("{key} = {value}\n")).collect();
    format!("{ours}{settings}")
}

/// The log of this process, begun once: every test's server writes to it.
fn log() -> LogControl {
    static LOG: OnceLock<LogControl> = OnceLock::new();
    let begin = || {
        // A test that fails says so on stderr, not in the log.
        let hook = panic::take_hook();
        let log = LogControl::begin("off").unwrap();
        panic::set_hook(hook);
        log
    };
    LOG.get_or_init(begin).clone()
}

/// A connection.
pub(crate) struct Client(BufReader<TcpStream>);

/// A response, with as much of its body as came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body has the length that was announced.
    pub(crate) complete: bool,
}

impl Reply {
    /// The value of a field, empty where there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    fn length(&self) -> u64 {
        self.field("content-length").parse().unwrap_or_default()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn request(&mut self, method: &str, target: &str, fields: &[&str]) -> Reply {
        self.send(method, target, fields);
        let mut reply = self.head();
        if method != "HEAD" && reply.status != 304 {
            self.body(&mut reply);
        }
        reply
    }

    pub(crate) fn send(&mut self, method: &str, target: &str, fields: &[&str]) {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        self.raw(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n").as_bytes());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// The head of the next response.
    pub(crate) fn head(&mut self) -> Reply {
        let status = self.line();
        let status = status.split(' ').nth(1).expect("a status line").parse().unwrap();
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
        Reply { status, fields, body: Vec::new(), complete: false }
    }

    /// The first `length` bytes of a body.
    pub(crate) fn part(&mut self, length: usize) -> Vec<u8> {
        let mut part = vec![0; length];
        self.0.read_exact(&mut part).unwrap();
        part
    }

    /// What is left of the body, or of what comes of it.
    pub(crate) fn body(&mut self, reply: &mut Reply) {
        let missing = reply.length() - reply.body.len() as u64;
        match self.0.by_ref().take(missing).read_to_end(&mut reply.body) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}"),
        }
        reply.complete = reply.body.len() as u64 == reply.length();
    }

    /// Whether the server has closed the connection; waits for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.0.fill_buf(), Ok([]) | Err(_))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}
