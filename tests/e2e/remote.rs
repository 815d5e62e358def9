//! Control from elsewhere: over TLS, by certificate, and in no other way.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use selat_tests::{Authority, Credential, Daemon, Descriptor, Launcher, Netctl, Output, PATIENCE};
use tokio_rustls::rustls::{
    self, AlertDescription, ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS13,
};

/// An operator's authority, and a daemon's configuration that goes with it.
struct Operator {
    authority: Authority,
    daemon: Credential,
}

impl Operator {
    fn new() -> Self {
        let authority = Authority::new();
        let daemon = authority.sign("daemon", &["localhost", "127.0.0.1"]);
        Self { authority, daemon }
    }

    /// The keys of `[remote]`, with `more`.
    fn config(&self, more: &str) -> String {
        let Credential { certificate, key } = &self.daemon;
        let client_ca = self.authority.certificate();
        format!(
            "http = [\"127.0.0.1:0\"]\nudp = []\n[remote]\ncertificate = {certificate:?}\nkey = {key:?}\n\
             client_ca = {client_ca:?}\nadmin = [\"alice\"]\nreader = [\"bob\"]\n{more}\n"
        )
    }

    fn listening(&self) -> String {
        self.config("listen = [\"127.0.0.1:0\"]")
    }

    /// netctl with a certificate of this authority.
    fn caller(&self, name: &str) -> Caller {
        let credential = self.authority.sign(name, &[name]);
        Caller { credential, ca: self.authority.certificate() }
    }
}

/// Who calls a daemon from elsewhere.
struct Caller {
    credential: Credential,
    ca: PathBuf,
}

impl Caller {
    /// Runs netctl against the daemon that serves `address` as `role`.
    fn run(&self, host: &str, address: SocketAddr, arguments: &[&str]) -> Output {
        let Credential { certificate, key } = &self.credential;
        let target = format!("https://{host}:{}", address.port());
        let files = [&self.ca, certificate, key].map(|path| path.to_str().unwrap());
        let flags = ["--tls-ca", files[0], "--tls-cert", files[1], "--tls-key", files[2]];
        let targets = ["--proxyd", &target, "--websrvd", &target];
        Netctl::new().run(&[&targets[..], &flags, arguments].concat())
    }

    fn refused(&self, address: SocketAddr, arguments: &[&str], code: i32, reasons: &[&str]) {
        let refused = self.run("localhost", address, arguments);
        assert_eq!(refused.code, code, "{refused:?}");
        for reason in reasons {
            assert!(refused.stderr.contains(reason), "no {reason:?} in {refused:?}");
        }
    }

    fn allowed(&self, address: SocketAddr, arguments: &[&str]) -> String {
        self.run("localhost", address, arguments).success(arguments)
    }
}

/// Waits until so many were turned away for a reason: what a client is told comes before it is counted.
fn wait_for_refused(proxyd: &Daemon, reason: &str, count: u64) {
    let (netctl, deadline) = (Netctl::new().proxyd(proxyd), Instant::now() + PATIENCE);
    loop {
        let status = netctl.json(&["status", "proxyd"]);
        let refused = status["proxyd"]["remote_refused"][reason].as_u64().unwrap_or_default();
        if refused == count {
            return;
        }
        assert!(refused < count && Instant::now() < deadline, "{status}");
    }
}

fn debugged(launcher: Launcher) -> Launcher {
    launcher.env("PROXYD_LOG", "debug")
}

#[test]
fn an_administrator_may_do_everything_and_is_named_in_the_log() {
    let operator = Operator::new();
    let proxyd = Daemon::proxyd().config(&operator.listening()).start();
    let (alice, address) = (operator.caller("alice"), proxyd.address("remote"));
    let status = alice.allowed(address, &["-o", "json", "status", "proxyd"]);
    assert!(status.contains("\"remote\"") && status.contains(&address.to_string()), "{status}");
    let _ = alice.allowed(address, &["cache", "flush"]);
    let flushed = proxyd.process().wait_for_log("purge");
    assert!(flushed.contains("certificate=alice serial="), "{flushed}");
    assert!(flushed.contains("address=127.0.0.1:"), "{flushed}");
    let _ = alice.allowed(address, &["log-level", "debug", "proxyd"]);
    let _ = alice.allowed(address, &["reload", "proxyd"]);
}

#[test]
fn a_reader_looks_and_changes_nothing() {
    let operator = Operator::new();
    let proxyd = Daemon::proxyd().config(&operator.listening()).start();
    let (bob, address) = (operator.caller("bob"), proxyd.address("remote"));
    let _ = bob.allowed(address, &["status", "proxyd"]);
    let _ = bob.allowed(address, &["cache", "stats"]);
    for arguments in
        [&["cache", "flush"][..], &["reload", "proxyd"], &["log-level", "debug", "proxyd"]]
    {
        bob.refused(address, arguments, 77, &["certificate=bob", "looking only", "[remote]"]);
    }
    assert!(!proxyd.process().stderr().contains("order"), "{}", proxyd.process().stderr());
    wait_for_refused(&proxyd, "looking_only", 3);
}

#[test]
fn a_certificate_without_a_role_may_not_even_look() {
    let operator = Operator::new();
    let proxyd = Daemon::proxyd().config(&operator.listening()).start();
    let address = proxyd.address("remote");
    for name in ["mallory", "alice.example", "bob2"] {
        let reasons = [name, "no role", "remote.admin or remote.reader"];
        operator.caller(name).refused(address, &["status", "proxyd"], 77, &reasons);
    }
}

#[test]
fn certificates_of_another_authority_and_expired_ones_are_told_so() {
    let (operator, stranger) = (Operator::new(), Operator::new());
    let proxyd = Daemon::proxyd().config(&operator.listening()).start();
    let address = proxyd.address("remote");
    let foreign = Caller { ca: operator.authority.certificate(), ..stranger.caller("alice") };
    foreign.refused(address, &["status", "proxyd"], 77, &["authority that made ours", "client_ca"]);
    let credential = operator.authority.sign_expired("late", &["alice"]);
    let late = Caller { credential, ca: operator.authority.certificate() };
    late.refused(address, &["status", "proxyd"], 77, &["our certificate is not valid now"]);
    let alice = operator.caller("alice");
    let deceived = Caller { ca: stranger.authority.certificate(), ..alice };
    deceived.refused(address, &["status", "proxyd"], 3, &["another authority", "--tls-ca"]);
    wait_for_refused(&proxyd, "handshake", 3);
}

#[test]
fn a_daemon_has_to_be_who_it_is_called_and_now() {
    let mut operator = Operator::new();
    let elsewhere = operator.authority.sign("elsewhere", &["proxy.example"]);
    let past = operator.authority.sign_expired("past", &["localhost"]);
    let alice = operator.caller("alice");
    for (credential, reasons) in [
        (elsewhere, ["made out to", "proxy.example"]),
        (past, ["its certificate is not valid now", "remote.certificate"]),
    ] {
        operator.daemon = credential;
        let proxyd = Daemon::proxyd().config(&operator.listening()).start();
        alice.refused(proxyd.address("remote"), &["status", "proxyd"], 3, &reasons);
    }
}

/// What every HTTP/2 client says first, with empty settings (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A connection to `address` by TLS alone, with a certificate or without.
fn tls(
    operator: &Operator,
    credential: Option<&Credential>,
    address: SocketAddr,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(operator.authority.certificate()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match credential {
        None => config.with_no_client_auth(),
        Some(Credential { certificate, key }) => {
            let certificate = CertificateDer::from_pem_file(certificate).unwrap();
            let key = PrivateKeyDer::from_pem_file(key).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(session, stream)
}

#[test]
fn nobody_is_heard_without_a_certificate_or_without_tls() {
    let operator = Operator::new();
    let proxyd = Daemon::proxyd().config(&operator.listening()).start();
    let address = proxyd.address("remote");
    let unread = tls(&operator, None, address).read(&mut [0; 64]).unwrap_err();
    let alert = unread.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
    let expected = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
    assert_eq!(alert, Some(&expected), "{unread}");

    let mut plain = TcpStream::connect(address).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(PREFACE).unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).unwrap();
    assert!(matches!(answer.as_slice(), [] | [21, ..]), "an alert at most: {answer:?}");

    let target = format!("http://{address}");
    let refused = Netctl::new().run(&["--proxyd", &target, "status", "proxyd"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    let target = format!("https://{address}");
    let refused = Netctl::new().run(&["--proxyd", &target, "status", "proxyd"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("NETCTL_TLS_CA"), "{refused:?}");
}

#[test]
fn it_is_off_unless_it_is_configured_and_unreachable_is_3() {
    let proxyd = Daemon::proxyd().args(["--http", "127.0.0.1:0"]).start();
    assert_eq!(proxyd.addresses("remote"), []);
    let operator = Operator::new();
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    operator.caller("alice").refused(free, &["status", "proxyd"], 3, &["cannot reach proxyd"]);
}

#[test]
fn a_reload_renews_certificates_for_those_who_come_then() {
    let mut operator = Operator::new();
    let proxyd = Daemon::proxyd().config(&operator.listening()).start();
    let (alice, address) = (operator.caller("alice"), proxyd.address("remote"));
    let _ = alice.allowed(address, &["status", "proxyd"]);
    operator.daemon = operator.authority.sign("daemon", &["renewed.example"]);
    let _ = alice.allowed(address, &["reload", "proxyd"]);
    alice.refused(address, &["status", "proxyd"], 3, &["renewed.example"]);
}

#[test]
fn a_role_that_is_taken_away_is_gone_for_who_is_connected_too() {
    let operator = Operator::new();
    let proxyd = Daemon::proxyd().config(&operator.listening()).start();
    let address = proxyd.address("remote");
    let (alice, bob) = (operator.caller("alice"), operator.caller("bob"));
    let mut connections = [&alice, &bob].map(|caller| {
        let mut connection = tls(&operator, Some(&caller.credential), address);
        connection.write_all(PREFACE).unwrap();
        assert_ne!(connection.read(&mut [0; 64]).unwrap(), 0, "let in");
        connection
    });
    proxyd.rewrite_config(&operator.listening().replace("\"bob\"", "\"carol\""));
    // The answer still comes, although its connection is from before the change.
    let _ = alice.allowed(address, &["reload", "proxyd"]);
    for connection in &mut connections {
        let _ = connection.read_to_end(&mut Vec::new());
    }
    bob.refused(address, &["status", "proxyd"], 77, &["no role"]);
    let _ = operator.caller("carol").allowed(address, &["status", "proxyd"]);
}

#[test]
fn a_reload_turns_it_on_and_off() {
    let operator = Operator::new();
    let off = "http = [\"127.0.0.1:0\"]\nudp = []\n";
    let proxyd = Daemon::proxyd().config(off).start();
    let netctl = Netctl::new().proxyd(&proxyd);
    proxyd.rewrite_config(&operator.listening());
    let _ = netctl.text(&["reload", "proxyd"]);
    let status = netctl.json(&["status", "proxyd"]);
    let listeners = status["proxyd"]["listeners"].as_array().unwrap();
    let remote = listeners.iter().find(|it| it["role"] == "remote").unwrap();
    let address: SocketAddr = remote["address"].as_str().unwrap().parse().unwrap();
    let alice = operator.caller("alice");
    let _ = alice.allowed(address, &["status", "proxyd"]);
    proxyd.rewrite_config(off);
    let _ = netctl.text(&["reload", "proxyd"]);
    alice.refused(address, &["status", "proxyd"], 3, &["cannot reach proxyd"]);
}

#[test]
fn who_says_nothing_keeps_nobody_out_for_longer_than_a_handshake_may_take() {
    let operator = Operator::new();
    let more = "listen = [\"127.0.0.1:0\"]\nconnections = 1\nhandshake = \"200ms\"";
    let proxyd = debugged(Daemon::proxyd().config(&operator.config(more))).start();
    let address = proxyd.address("remote");
    let silent: Vec<_> = (0..4).map(|_| TcpStream::connect(address).unwrap()).collect();
    let _ = operator.caller("alice").allowed(address, &["status", "proxyd"]);
    proxyd.process().wait_for_logs("took too long for its handshake", silent.len());
}

#[test]
fn websrvd_is_controlled_on_a_socket_that_is_passed_in() {
    let operator = Operator::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let config =
        operator.config("").replace("udp = []", "echo = [\"127.0.0.1:0\"]\nroot = \"/usr\"");
    let websrvd =
        Daemon::websrvd().config(&config).inherit(Descriptor::new("remote", socket)).start();
    assert_eq!(websrvd.addresses("remote"), [address]);
    let _ = operator.caller("alice").allowed(address, &["reload", "websrvd"]);
}

#[test]
fn what_is_wrong_with_its_configuration_is_told_by_key() {
    let operator = Operator::new();
    let other = operator.authority.sign("other", &["localhost"]);
    let good = operator.listening();
    let key = |path: &PathBuf| format!("key = {path:?}");
    let exposed = operator.authority.sign("exposed", &["localhost"]);
    fs::set_permissions(&exposed.key, fs::Permissions::from_mode(0o644)).unwrap();
    let cases = [
        (
            "http = [\"127.0.0.1:0\"]\nudp = []\n[remote]\nlisten = [\"127.0.0.1:0\"]".to_owned(),
            "remote.client_ca",
        ),
        (good.replace(&key(&operator.daemon.key), "key = \"/nonexistent\""), "cannot read"),
        (good.replace(&key(&operator.daemon.key), &key(&other.key)), "cannot use"),
        (good.replace(&key(&operator.daemon.key), &key(&exposed.key)), "chmod o="),
        (good.replace(&key(&operator.daemon.key), &key(&operator.daemon.certificate)), "chmod o="),
        (good.replace("\"alice\"", "").replace("\"bob\"", ""), "nobody could do anything"),
        (good.replace("\"bob\"", "\"alice\""), "is in remote.admin, too"),
    ];
    for (config, reason) in cases {
        let (status, log) = Daemon::proxyd().config(&config).args(["--check"]).fail();
        assert_eq!(status.code(), Some(78), "{config}{log}");
        assert!(log.contains(reason) && log.contains("remote."), "no {reason:?} in {log}");
    }
}
