//! The daemon's own certificate and key, and the authority whose certificates it takes from clients.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
    version::TLS13,
};

/// Bytes of the largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Permissions that make a key everybody's.
const FOR_OTHERS: u32 = 0o007;

/// What gRPC is called in a TLS handshake (RFC 9113 §3.2).
const HTTP2: &[u8] = b"h2";

/// Where certificates and key are, each as PEM (RFC 7468).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CredentialFiles {
    /// The daemon's certificate, followed by those that lead to its authority.
    pub(super) certificate: PathBuf,
    /// The key that goes with it.
    pub(super) key: PathBuf,
    /// The authorities that make the certificates of clients.
    pub(super) client_ca: PathBuf,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{path} has no {expected} in it (PEM is expected, \"-----BEGIN …\")")]
    Lacks {
        /// Which.
        path: PathBuf,
        /// What is missing.
        expected: &'static str,
    },
    /// Its content is broken.
    #[error("{path} is not PEM: {problem}")]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: pem::Error,
    },
    /// Everybody may use the key.
    #[error("everybody on this machine may use the key {0}; take that away: chmod o= {0}")]
    Exposed(PathBuf),
    /// Key and certificate cannot be used together.
    #[error("cannot use {certificate} with {key}")]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// An authority cannot be used.
    #[error("cannot take certificates of the authority in {path}")]
    Authority {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: VerifierBuilderError,
    },
    /// A certificate among the authorities is none.
    #[error("{path} has a certificate that cannot be an authority's")]
    Root {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
}

/// Credentials that were read.
#[derive(Debug)]
pub(super) struct Credentials {
    /// TLS as it is spoken with them.
    pub(super) tls: Arc<ServerConfig>,
    /// The authorities, to see whether they change.
    pub(super) client_ca: Vec<CertificateDer<'static>>,
}

impl CredentialFiles {
    /// Reads them: TLS 1.3 (RFC 8446) with a certificate of the client, or no connection. Nothing is kept of one
    /// connection for the next, so that each client is verified each time.
    ///
    /// # Errors
    /// [`CredentialError`] for the first that cannot be used.
    pub(super) fn read(&self) -> Result<Credentials, CredentialError> {
        let chain = certificates(&self.certificate)?;
        let key = key(&self.key)?;
        let client_ca = certificates(&self.client_ca)?;
        let mut roots = RootCertStore::empty();
        for certificate in client_ca.iter().cloned() {
            let wrong = |source| CredentialError::Root { path: self.client_ca.clone(), source };
            roots.add(certificate).map_err(wrong)?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = verifier.build().map_err(|source| CredentialError::Authority {
            path: self.client_ca.clone(),
            source,
        })?;
        let unusable = |source| CredentialError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        };
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        tls.alpn_protocols = vec![HTTP2.to_vec()];
        tls.send_tls13_tickets = 0;
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Credentials { tls: Arc::new(tls), client_ca })
    }
}

impl CredentialError {
    /// The key of the configuration that names the file.
    pub(super) fn config_key(&self, files: &CredentialFiles) -> &'static str {
        let of = |path: &Path| match path {
            path if path == files.client_ca => "remote.client_ca",
            path if path == files.key => "remote.key",
            _ => "remote.certificate",
        };
        match self {
            Self::Read { path, .. } | Self::Lacks { path, .. } | Self::Pem { path, .. } => of(path),
            Self::Exposed(_) => "remote.key",
            Self::Pair { .. } => "remote.certificate",
            Self::Authority { .. } | Self::Root { .. } => "remote.client_ca",
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    let (bytes, _) = read(path)?;
    let wrong = |problem| CredentialError::Pem { path: path.to_owned(), problem };
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(wrong)?;
    if certificates.is_empty() {
        return Err(CredentialError::Lacks { path: path.to_owned(), expected: "certificate" });
    }
    Ok(certificates)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, CredentialError> {
    let (bytes, mode) = read(path)?;
    if mode & FOR_OTHERS != 0 {
        return Err(CredentialError::Exposed(path.to_owned()));
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|problem| match problem {
        pem::Error::NoItemsFound => {
            CredentialError::Lacks { path: path.to_owned(), expected: "private key" }
        }
        problem => CredentialError::Pem { path: path.to_owned(), problem },
    })
}

/// A file's content and permissions.
fn read(path: &Path) -> Result<(Vec<u8>, u32), CredentialError> {
    let content = || {
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode();
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 1 MiB"));
        }
        Ok((bytes, mode))
    };
    content().map_err(|source| CredentialError::Read { path: path.to_owned(), source })
}
