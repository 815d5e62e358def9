//! Web servers behind TLS: whom netctl takes for the server, and what is spoken inside.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use hyper::{Request, Response, Version, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use selat_tests::{Authority, Credential, Netctl, Output};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// The versions of the requests that came.
type Spoken = Arc<Mutex<Vec<Version>>>;

/// A web server with a certificate of an authority that no system knows. It ends when it is dropped.
struct Secure {
    authority: Authority,
    address: SocketAddr,
    spoken: Spoken,
    _runtime: Runtime,
}

impl Secure {
    /// One called `name` that offers these protocols (RFC 7301).
    fn start(name: &str, protocols: &[&str]) -> Self {
        let authority = Authority::new();
        let acceptor = acceptor(&authority.sign("server", &[name]), protocols);
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let spoken = Spoken::default();
        runtime.spawn(serve(listener, acceptor, Arc::clone(&spoken)));
        Self { authority, address, spoken, _runtime: runtime }
    }

    fn url(&self) -> String {
        format!("https://{}/", self.address)
    }

    fn ca(&self) -> String {
        self.authority.certificate().to_str().unwrap().to_owned()
    }

    /// Four requests by `netctl qos http`.
    fn run(&self, arguments: &[&str]) -> Output {
        let url = self.url();
        let requests = ["-o", "json", "qos", "http", &url, "-n", "4", "-c", "2"];
        Netctl::new().run(&[&requests[..], arguments].concat())
    }

    #[track_caller]
    fn measured(&self, arguments: &[&str]) -> Value {
        let document: Value =
            serde_json::from_str(&self.run(arguments).success(arguments)).unwrap();
        let result = &document["results"][0];
        assert_eq!((&result["received"], &result["lost"]), (&4.into(), &0.into()), "{result}");
        result.clone()
    }

    /// What was spoken since the last call, where all requests had the same.
    fn version(&self) -> Version {
        let mut spoken = std::mem::take(&mut *self.spoken.lock().unwrap());
        spoken.dedup();
        assert_eq!(spoken.len(), 1, "{spoken:?}");
        spoken[0]
    }
}

fn acceptor(credential: &Credential, protocols: &[&str]) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(&credential.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&credential.key).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config).into()
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, spoken: Spoken) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, spoken) = (acceptor.clone(), Arc::clone(&spoken));
        tokio::spawn(async move {
            // Who does not trust us hangs up.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                spoken.lock().unwrap().push(request.version());
                async { Ok::<_, Infallible>(Response::new("page".to_owned())) }
            });
            let server = auto::Builder::new(TokioExecutor::new());
            // What went wrong shows on the other side.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[track_caller]
fn assert_refused(run: &Output, reasons: &[&str]) {
    assert_eq!(run.code, 1, "{run:?}");
    for reason in reasons {
        assert!(run.stderr.contains(reason), "no {reason:?} in {run:?}");
    }
}

#[test]
fn a_server_is_trusted_by_the_authority_that_is_named() {
    let server = Secure::start("127.0.0.1", &["h2", "http/1.1"]);
    let result = server.measured(&["--ca", &server.ca()]);
    assert_eq!((&result["connect"]["count"], &result["tls"]["count"]), (&2.into(), &2.into()));
    assert!(result["tls"]["p50_ms"].as_f64().unwrap() > 0.0, "{result}");
}

#[test]
fn a_server_of_an_unknown_authority_is_refused_with_what_helps() {
    let server = Secure::start("127.0.0.1", &[]);
    let known = ["no TLS session with 127.0.0.1", "invalid peer certificate", "--ca", "--insecure"];
    let stranger = Authority::new();
    let stranger_ca = stranger.certificate();
    assert_refused(&server.run(&["--ca", stranger_ca.to_str().unwrap()]), &known);
    assert!(server.spoken.lock().unwrap().is_empty(), "nothing is asked of a stranger");
    let missing = server.run(&["--ca", "/nonexistent/ca.pem"]);
    assert_refused(&missing, &["/nonexistent/ca.pem", "(PEM)"]);
}

#[test]
fn a_server_of_another_name_is_refused_with_the_names_that_it_has() {
    let server = Secure::start("web.example", &[]);
    let refused = server.run(&["--ca", &server.ca()]);
    assert_refused(&refused, &["not valid for name", "web.example", "--insecure"]);
}

#[test]
fn any_certificate_will_do_where_that_is_asked_for() {
    let server = Secure::start("web.example", &[]);
    server.measured(&["--insecure"]);
    server.measured(&["-k"]);
    let both = server.run(&["--insecure", "--ca", &server.ca()]);
    assert_eq!(both.code, 2, "{both:?}");
}

#[test]
fn what_is_spoken_is_what_both_sides_know() {
    let (both, old) = (["h2", "http/1.1"], ["http/1.1"]);
    for (offered, asked, spoken) in [
        (&both[..], &["-k", "--http2"][..], Version::HTTP_2),
        (&both, &["-k"], Version::HTTP_11),
        (&old, &["-k", "--http2"], Version::HTTP_11),
        (&[], &["-k", "--http2"], Version::HTTP_11),
    ] {
        let server = Secure::start("127.0.0.1", offered);
        server.measured(asked);
        assert_eq!(server.version(), spoken, "{offered:?}, {asked:?}");
    }
}

#[test]
fn a_page_is_fetched_over_https() {
    let server = Secure::start("127.0.0.1", &["h2", "http/1.1"]);
    let (url, ca) = (server.url(), server.ca());
    let text = Netctl::new().text(&["fetch", "--ca", &ca, &url]);
    assert!(text.contains("200 OK") && text.contains("page"), "{text}");
    assert_eq!(server.version(), Version::HTTP_11);
    let document = Netctl::new().json(&["fetch", "-k", &url]);
    assert_eq!((&document["status"], &document["url"]), (&200.into(), &url.as_str().into()));
    let stranger = Authority::new();
    let stranger_ca = stranger.certificate();
    let refused = Netctl::new().run(&["fetch", "--ca", stranger_ca.to_str().unwrap(), &url]);
    assert_refused(&refused, &["no TLS session with 127.0.0.1", "--ca", "--insecure"]);
}
