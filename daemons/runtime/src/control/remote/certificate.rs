//! Who a client's certificate was made out to. Reads nothing but certificates that were verified before.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::{
    Certificate,
    der::{self, Decode},
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// What a certificate says of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientCertificate {
    /// Its DNS names (in lower case), URIs and mail addresses (RFC 5280 §4.2.1.6). The common name of the subject
    /// counts only where it has no alternative names at all.
    pub(super) names: Vec<String>,
    /// Its serial number in hexadecimal.
    pub(super) serial: String,
    /// When it expires.
    pub(super) expires: SystemTime,
}

impl ClientCertificate {
    /// Reads one.
    ///
    /// # Errors
    /// Where it does not follow RFC 5280.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Result<Self, der::Error> {
        let certificate = Certificate::from_der(certificate)?;
        let content = certificate.tbs_certificate();
        let names = match content.get_extension::<SubjectAltName>()? {
            Some((_, SubjectAltName(alternatives))) => {
                alternatives.into_iter().filter_map(text).collect()
            }
            None => {
                let common = content.subject().common_name()?;
                common.iter().map(|name| name.value().into_owned()).collect()
            }
        };
        Ok(Self {
            names,
            serial: content.serial_number().to_string(),
            expires: UNIX_EPOCH + content.validity().not_after.to_unix_duration(),
        })
    }
}

/// A name as it is written in a configuration.
fn text(name: GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        GeneralName::Rfc822Name(name) | GeneralName::UniformResourceIdentifier(name) => {
            Some(name.as_str().to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn names(common: &str, alternatives: Vec<SanType>) -> Vec<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common);
        params.subject_alt_names = alternatives;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        ClientCertificate::read(certificate.der()).unwrap().names
    }

    #[test]
    fn the_common_name_counts_only_without_alternative_names() {
        let dns = SanType::DnsName("Alice.Ops.Example".try_into().unwrap());
        let uri = SanType::URI("spiffe://example/Ops".try_into().unwrap());
        let mail = SanType::Rfc822Name("alice@example.net".try_into().unwrap());
        let address = SanType::IpAddress("192.0.2.1".parse().unwrap());
        assert_eq!(names("alice", Vec::new()), ["alice"]);
        assert_eq!(
            names("root", vec![dns, uri, mail]),
            ["alice.ops.example", "spiffe://example/Ops", "alice@example.net"]
        );
        assert_eq!(names("root", vec![address]), [] as [String; 0]);
    }

    #[test]
    fn what_is_no_certificate_has_no_names() {
        assert!(ClientCertificate::read(&CertificateDer::from(&b"\x30\x03\x02\x01"[..])).is_err());
    }
}
