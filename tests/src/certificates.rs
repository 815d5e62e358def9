//! Certificates as an operator has them made: an authority, and what it signs, in files.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

/// An authority; its directory holds all that it signed, and goes when it is dropped.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key, which only the owner may read.
    pub key: PathBuf,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// One that nobody knew before.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a test's authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        // Whoever netctl runs as is to read it.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    /// Its own certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Signs for these names, DNS names or addresses, in files called `stem`.
    #[must_use]
    pub fn sign(&self, stem: &str, names: &[&str]) -> Credential {
        self.write(stem, params(names))
    }

    /// The same, with an end in the past.
    #[must_use]
    pub fn sign_expired(&self, stem: &str, names: &[&str]) -> Credential {
        let mut params = params(names);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.write(stem, params)
    }

    fn write(&self, stem: &str, params: CertificateParams) -> Credential {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let credential = Credential {
            certificate: self.directory.path().join(format!("{stem}.pem")),
            key: self.directory.path().join(format!("{stem}.key")),
        };
        fs::write(&credential.certificate, certificate.pem()).unwrap();
        write_key(&credential.key, &key.serialize_pem());
        credential
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

fn write_key(path: &Path, key: &str) {
    fs::write(path, key).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
