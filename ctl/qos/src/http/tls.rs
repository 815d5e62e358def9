//! TLS by rustls: whom a server must prove to be, and what is spoken inside (ALPN, RFC 7301).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::dialer::Protocol;
use super::error::HttpError;

/// Which certificates are good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those of the authorities that this system trusts.
    #[default]
    System,
    /// Those of the authorities in this file (PEM).
    Authorities(PathBuf),
    /// Any: whoever answers is measured.
    Anyone,
}

/// TLS to one server.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    server: Option<ServerName<'static>>,
}

impl Tls {
    /// Connections that trust by `trust` and speak `protocol` inside.
    ///
    /// # Errors
    /// There are no authorities to trust.
    pub fn new(trust: &Trust, protocol: Protocol) -> Result<Self, HttpError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::trust(trust, &error))?;
        let mut config = match trust {
            Trust::Anyone => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth(),
            _ => builder.with_root_certificates(authorities(trust)?).with_no_client_auth(),
        };
        config.alpn_protocols = match protocol {
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        Ok(Self { connector: Arc::new(config).into(), server: None })
    }

    /// The same to the server `host`.
    pub(super) fn to(self, host: &str) -> Result<Self, HttpError> {
        let server = ServerName::try_from(host.to_owned());
        let server = server.map_err(|source| HttpError::Tls {
            host: host.to_owned(),
            source: std::io::Error::other(source),
        })?;
        Ok(Self { server: Some(server), ..self })
    }

    /// A TLS session over `stream`, and what was agreed to be spoken inside.
    pub(super) async fn secure(
        &self,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Protocol), HttpError> {
        let failed = |source| HttpError::Tls { host: format!("{:?}", self.server), source };
        let server =
            self.server.clone().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let host = server.to_str().into_owned();
        let stream = self.connector.connect(server, stream).await;
        let stream = stream.map_err(|source| HttpError::Tls { host, source })?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok((stream, protocol))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tls").field("server", &self.server).finish_non_exhaustive()
    }
}

fn authorities(trust: &Trust) -> Result<RootCertStore, HttpError> {
    let certificates = match trust {
        Trust::Authorities(file) => {
            of_file(file).map_err(|error| HttpError::trust(trust, &error))?
        }
        _ => rustls_native_certs::load_native_certs().certs,
    };
    let mut store = RootCertStore::empty();
    match store.add_parsable_certificates(certificates) {
        (0, _) => Err(HttpError::trust(trust, &"there is no certificate")),
        _ => Ok(store),
    }
}

fn of_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_file_iter(file)?.collect()
}

/// Takes any certificate, but no signature that its key did not make.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
