//! A scriptable HTTP/1.1 origin: each path answers with a script of pieces, gates and cuts, and every
//! request is recorded.

use std::{
    collections::HashMap,
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use http::HeaderMap;

use crate::{Gate, PATIENCE};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Request target.
    pub target: String,
    /// Header fields.
    pub headers: HeaderMap,
    /// The client's end of the connection that it came by.
    pub connection: SocketAddr,
    /// Content, unframed; none where the script answers without reading it.
    pub content: Vec<u8>,
}

impl Request {
    /// The values of a header field joined as RFC 9110 §5.3 has it, empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(", ")
    }
}

/// What comes before the head of the response.
#[derive(Clone, Debug)]
enum Early {
    Interim(Box<Reply>),
    Wait(Gate),
    Take(Duration),
    HangUp,
}

#[derive(Clone, Debug)]
enum Step {
    Piece(Vec<u8>),
    Wait(Gate),
    Take(Duration),
    Cut,
}

/// What the origin answers.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    early: Vec<Early>,
    steps: Vec<Step>,
    body_bytes: Option<usize>,
    reads_content: bool,
}

impl Reply {
    /// An answer without a body yet.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let (headers, early, steps) = (Vec::new(), Vec::new(), Vec::new());
        Self { status, headers, early, steps, body_bytes: Some(0), reads_content: true }
    }

    /// The end of the connection, and no answer.
    #[must_use]
    pub fn hang_up() -> Self {
        let mut reply = Self::status(200);
        reply.early.push(Early::HangUp);
        reply
    }

    /// 200 with a body that is fresh for an hour.
    #[must_use]
    pub fn fresh(body: impl AsRef<[u8]>) -> Self {
        Self::status(200).header("cache-control", "max-age=3600").piece(body)
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends this much of the body, in a write of its own.
    #[must_use]
    pub fn piece(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        self.body_bytes = self.body_bytes.map(|sum| sum + bytes.len());
        self.steps.push(Step::Piece(bytes));
        self
    }

    /// Sends `interim`'s head, a 1xx, before its own.
    #[must_use]
    pub fn interim(mut self, interim: Self) -> Self {
        self.early.push(Early::Interim(Box::new(interim)));
        self
    }

    /// Waits at a gate before its head is sent.
    #[must_use]
    pub fn hold(mut self, gate: &Gate) -> Self {
        self.early.push(Early::Wait(gate.clone()));
        self
    }

    /// Takes this long before its head is sent, as an origin of a known speed does.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.early.push(Early::Take(time));
        self
    }

    /// Takes this long here; the head and the pieces before it are sent by then.
    #[must_use]
    pub fn pause(mut self, time: Duration) -> Self {
        self.steps.push(Step::Take(time));
        self
    }

    /// Waits at a gate; the head and the pieces before it are sent by then.
    #[must_use]
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    /// Ends the connection here, `missing` bytes before the body is whole.
    #[must_use]
    pub fn cut(mut self, missing: usize) -> Self {
        self.body_bytes = self.body_bytes.map(|sum| sum + missing);
        self.steps.push(Step::Cut);
        self
    }

    /// Sends the body in chunks instead of with a length.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.body_bytes = None;
        self
    }

    /// Answers before the request's content has come.
    #[must_use]
    pub fn at_once(mut self) -> Self {
        self.reads_content = false;
        self
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} \r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        match self.body_bytes {
            Some(_) if matches!(self.status, 100..200 | 204 | 304) => {}
            Some(len) => head += &format!("content-length: {len}\r\n"),
            None => head += "transfer-encoding: chunked\r\n",
        }
        head + "\r\n"
    }

    /// Writes it; false where the connection is to end.
    fn write(&self, method: &str, mut stream: &TcpStream) -> io::Result<bool> {
        for early in &self.early {
            match early {
                Early::Interim(interim) => stream.write_all(interim.head().as_bytes())?,
                Early::Wait(gate) => gate.pass(),
                Early::Take(time) => thread::sleep(*time),
                Early::HangUp => return Ok(false),
            }
        }
        stream.write_all(self.head().as_bytes())?;
        if method == "HEAD" {
            return Ok(true);
        }
        for step in &self.steps {
            match step {
                Step::Piece(bytes) => self.write_piece(bytes, stream)?,
                Step::Wait(gate) => gate.pass(),
                Step::Take(time) => thread::sleep(*time),
                Step::Cut => return Ok(false),
            }
        }
        if self.body_bytes.is_none() {
            stream.write_all(b"0\r\n\r\n")?;
        }
        Ok(true)
    }

    fn write_piece(&self, bytes: &[u8], mut stream: &TcpStream) -> io::Result<()> {
        if self.body_bytes.is_some() || bytes.is_empty() {
            return stream.write_all(bytes);
        }
        let start = format!("{:x}\r\n", bytes.len());
        stream.write_all(&[start.as_bytes(), bytes, b"\r\n"].concat())
    }
}

/// No target of a request: that of the script for all that have none.
const ANY: &str = "";

type Script = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A running origin. Its threads end with the test's process.
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    scripts: Mutex<HashMap<String, Script>>,
    requests: Mutex<Vec<Request>>,
    arrived: Condvar,
}

impl Origin {
    /// An origin that answers 404 to everything.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::<Shared>::default());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                // A proxy that hangs up is what many tests are about.
                thread::spawn(move || serving.serve(&stream).ok());
            }
        });
        Self { address, shared }
    }

    /// An origin with one path.
    #[must_use]
    pub fn with(path: &str, reply: Reply) -> Self {
        let origin = Self::start();
        origin.on(path, reply);
        origin
    }

    /// Answers `path` with `reply` from now on.
    pub fn on(&self, path: &str, reply: Reply) {
        self.on_request(path, move |_| reply.clone());
    }

    /// Answers `path` with what `script` says from now on.
    pub fn on_request(
        &self,
        path: &str,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) {
        self.shared.scripts.lock().unwrap().insert(path.to_owned(), Arc::new(script));
    }

    /// Answers every path that has no answer of its own with what `script` says from now on.
    pub fn on_any(&self, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        self.on_request(ANY, script);
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests for `path`, in order of arrival.
    #[must_use]
    pub fn requests(&self, path: &str) -> Vec<Request> {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().filter(|request| request.target == path).cloned().collect()
    }

    /// Requests for `path` so far.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.requests(path).len()
    }

    /// Waits until `count` requests for `path` have come in all.
    pub fn wait_for_requests(&self, path: &str, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut requests = self.shared.requests.lock().unwrap();
        while requests.iter().filter(|request| request.target == path).count() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited too long for {count} requests of {path}");
            requests = self.shared.arrived.wait_timeout(requests, left).unwrap().0;
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    fn script(&self, target: &str) -> Option<Script> {
        let scripts = self.scripts.lock().unwrap();
        scripts.get(target).or_else(|| scripts.get(ANY)).cloned()
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        let connection = stream.peer_addr()?;
        while let Some(mut request) = read_head(connection, &mut reader)? {
            let script = self.script(&request.target);
            let reply = script.map_or_else(|| Reply::status(404), |script| script(&request));
            if reply.reads_content {
                request.content = read_content(&request, &mut reader)?;
            }
            self.requests.lock().unwrap().push(request.clone());
            self.arrived.notify_all();
            if !reply.write(&request.method, stream)? {
                return Ok(());
            }
            if !reply.reads_content {
                read_content(&request, &mut reader)?;
            }
        }
        Ok(())
    }
}

fn read_head(connection: SocketAddr, reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let name: http::HeaderName = name.parse().map_err(io::Error::other)?;
        headers.append(name, value.trim().parse().map_err(io::Error::other)?);
    }
    Ok(Some(Request { method, target, headers, connection, content: Vec::new() }))
}

fn read_content(request: &Request, reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    if request.header("transfer-encoding") != "chunked" {
        let bytes = request.header("content-length").parse().unwrap_or(0);
        reader.take(bytes).read_to_end(&mut content)?;
        return Ok(content);
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let bytes = u64::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        reader.by_ref().take(bytes).read_to_end(&mut content)?;
        reader.read_line(&mut line)?;
        if bytes == 0 {
            return Ok(content);
        }
    }
}
