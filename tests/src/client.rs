//! A keep-alive HTTP/1.1 client that accepts nothing but what RFC 9112 allows, and that tells a whole
//! response from one that was cut.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::PATIENCE;

/// Longest line of a head that is taken.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// Why there is no whole response.
#[derive(Debug)]
pub enum ClientError {
    /// The connection ended before the first byte of the response.
    Closed,
    /// The connection ended within the response; how many body bytes had come.
    Incomplete(usize),
    /// What came is no HTTP/1.1.
    Malformed(String),
    /// The connection failed, or took longer than [`PATIENCE`].
    Io(io::Error),
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Incomplete(0),
            _ => Self::Io(error),
        }
    }
}

/// Status and header fields.
#[derive(Clone, Debug)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its head.
    pub head: Head,
    /// Its body, unframed.
    pub body: Vec<u8>,
}

impl Head {
    /// The values of a header field joined as RFC 9110 §5.3 has it, empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the connection ends after this response.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.header("connection").to_ascii_lowercase().split(", ").any(|token| token == "close")
    }
}

impl Response {
    /// Status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// As [`Head::header`].
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        self.head.header(name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// How a body ends (RFC 9112 §6.3).
#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Where nobody listens.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), host: address.to_string() })
    }

    /// Connects to who must listen.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// Gets `path` whole.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get(&mut self, path: &str) -> Result<Response, ClientError> {
        self.request("GET", path, &[])
    }

    /// Sends a request without a body and receives the whole response.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, ClientError> {
        self.send(method, path, headers)?;
        self.receive(method)
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    /// [`ClientError::Io`].
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(), ClientError> {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("host: {}\r\n", self.host);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        Ok(self.stream.get_ref().write_all(head.as_bytes())?)
    }

    /// Sends octets as they are: content after the head of a request.
    ///
    /// # Errors
    /// [`ClientError::Io`].
    pub fn write(&mut self, octets: impl AsRef<[u8]>) -> Result<(), ClientError> {
        Ok(self.stream.get_ref().write_all(octets.as_ref())?)
    }

    /// Receives the whole response to a request of `method`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn receive(&mut self, method: &str) -> Result<Response, ClientError> {
        let head = self.receive_head()?;
        let body = match framing(&head, method)? {
            Framing::Length(len) => self.read_exactly(len)?,
            Framing::Chunked => self.read_chunks()?,
            Framing::Close => {
                let mut body = Vec::new();
                self.stream.read_to_end(&mut body)?;
                body
            }
        };
        Ok(Response { head, body })
    }

    /// Receives the head of a response and leaves its body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn receive_head(&mut self) -> Result<Head, ClientError> {
        let buffered = match self.stream.fill_buf() {
            Ok(buffered) => buffered.len(),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error.into()),
        };
        if buffered == 0 {
            return Err(ClientError::Closed);
        }
        let status = self.read_line()?;
        let status = status_code(&status).ok_or(ClientError::Malformed(status))?;
        let mut headers = HeaderMap::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                return Ok(Head { status, headers });
            }
            let (name, value) = field(&line).ok_or(ClientError::Malformed(line))?;
            headers.append(name, value);
        }
    }

    /// Receives exactly `len` bytes of what follows a head.
    ///
    /// # Errors
    /// [`ClientError::Incomplete`] where fewer come.
    pub fn read_exactly(&mut self, len: usize) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        let mut stream = self.stream.by_ref().take(len as u64);
        match stream.read_to_end(&mut bytes) {
            Ok(_) if bytes.len() == len => Ok(bytes),
            Ok(_) => Err(ClientError::Incomplete(bytes.len())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                Err(ClientError::Incomplete(bytes.len()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the other end has closed the connection; waits for it.
    pub fn ends(&mut self) -> bool {
        self.stream.read(&mut [0]).map_or_else(
            |error| error.kind() == io::ErrorKind::ConnectionReset,
            |received| received == 0,
        )
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line().map_err(|_| ClientError::Incomplete(body.len()))?;
            let len = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .map_err(|_| ClientError::Malformed(line))?;
            body.extend(self.read_exactly(len)?);
            if !self.read_line()?.is_empty() {
                return Err(ClientError::Malformed("a chunk is longer than it says".to_owned()));
            }
            if len == 0 {
                return Ok(body);
            }
        }
    }

    fn read_line(&mut self) -> Result<String, ClientError> {
        let mut line = Vec::new();
        self.stream.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Err(ClientError::Incomplete(0));
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        match text.strip_suffix("\r\n") {
            Some(line) if !line.contains('\r') => Ok(line.to_owned()),
            _ => Err(ClientError::Malformed(text)),
        }
    }
}

fn status_code(line: &str) -> Option<u16> {
    let (code, _reason) = line.strip_prefix("HTTP/1.1 ")?.split_once(' ')?;
    (code.len() == 3).then(|| code.parse().ok()).flatten()
}

fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.parse().ok()?, HeaderValue::from_str(value.trim_matches([' ', '\t'])).ok()?))
}

fn framing(head: &Head, method: &str) -> Result<Framing, ClientError> {
    if method == "HEAD" || head.status < 200 || matches!(head.status, 204 | 304) {
        return Ok(Framing::Length(0));
    }
    let (coding, length) = (head.header("transfer-encoding"), head.header("content-length"));
    match (coding.as_str(), length.as_str()) {
        ("", "") => Ok(Framing::Close),
        ("chunked", "") => Ok(Framing::Chunked),
        ("", length) => length
            .parse()
            .map(Framing::Length)
            .map_err(|_| ClientError::Malformed(format!("content-length: {length}"))),
        _ => Err(ClientError::Malformed(format!("{coding:?} with content-length {length:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Origin, Reply};

    fn get(reply: Reply) -> Result<Response, ClientError> {
        Client::connect(Origin::with("/", reply).address()).get("/")
    }

    #[test]
    fn whole_bodies_are_taken_in_either_framing() {
        let reply = Reply::fresh("one,").piece("two");
        assert_eq!(get(reply.clone()).unwrap().text(), "one,two");
        assert_eq!(get(reply.chunked()).unwrap().text(), "one,two");
        assert_eq!(get(Reply::status(204)).unwrap().status(), 204);
    }

    #[test]
    fn bodies_that_end_too_soon_are_told_from_whole_ones() {
        let cut = get(Reply::fresh("half").cut(4));
        assert!(matches!(cut, Err(ClientError::Incomplete(4))), "{cut:?}");
        let cut = get(Reply::fresh("half").chunked().cut(0));
        assert!(matches!(cut, Err(ClientError::Incomplete(4))), "{cut:?}");
    }

    #[test]
    fn two_framings_at_once_are_no_http() {
        let reply = Reply::fresh("x").header("transfer-encoding", "chunked");
        let both = get(reply);
        assert!(matches!(both, Err(ClientError::Malformed(_))), "{both:?}");
    }
}
