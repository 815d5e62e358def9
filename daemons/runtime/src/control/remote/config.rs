//! The keys of remote control, `[remote]`. Without files for TLS there is none.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{Roles, credentials::CredentialFiles};
use crate::{
    config::{Layers, text},
    exit, listen,
    service::timeout,
};

/// What remote control is configured by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteConfig {
    /// Where to listen; a socket that is passed in needs none of these.
    pub(super) listen: Vec<SocketAddr>,
    pub(super) files: Option<CredentialFiles>,
    pub(super) roles: Roles,
    /// Connections at once.
    pub(super) connections_max: usize,
    /// Time for a TLS handshake.
    pub(super) handshake_timeout: Duration,
}

/// The keys that name files.
const FILE_KEYS: [&str; 3] = ["remote.certificate", "remote.key", "remote.client_ca"];

impl RemoteConfig {
    /// Each key with its parser and its default.
    #[must_use]
    pub fn settings(layers: &mut Layers<'_>) -> Self {
        let listen = layers.many("remote.listen", text::address, Vec::new());
        let files = FILE_KEYS.map(|key| layers.one(key, text::text_or_none, None));
        let roles = Roles {
            admin: layers.many("remote.admin", text::text, Vec::new()),
            reader: layers.many("remote.reader", text::text, Vec::new()),
        };
        let connections_max = layers.one("remote.connections", text::number_within(1, 10_000), 64);
        let handshake_timeout = layers.one("remote.handshake", timeout(), Duration::from_secs(5));
        let files = credential_files(layers, files, !listen.is_empty());
        let config = Self { listen, files, roles, connections_max, handshake_timeout };
        config.check(layers);
        config
    }

    /// What no key can know alone.
    fn check(&self, layers: &mut Layers<'_>) {
        for address in listen::repeated(&self.listen) {
            layers.refuse("remote.listen", format!("{address} is covered by an address before it"));
        }
        for name in self.roles.reader.iter().filter(|name| self.roles.admin.contains(name)) {
            layers.refuse("remote.reader", format!("{name} is in remote.admin, too"));
        }
        let Some(files) = &self.files else { return };
        if let Err(error) = files.read() {
            layers.refuse(error.config_key(files), exit::chain(&error));
        }
        if self.roles.are_empty() {
            layers.refuse(
                "remote.admin",
                "nobody could do anything: name a certificate here or in remote.reader",
            );
        }
    }
}

/// All of the files, or none; none would do only where nothing else asks for remote control.
fn credential_files(
    layers: &mut Layers<'_>,
    files: [Option<String>; 3],
    is_wanted: bool,
) -> Option<CredentialFiles> {
    let is_wanted = is_wanted || files.iter().any(Option::is_some);
    for (key, _) in FILE_KEYS.iter().zip(&files).filter(|(_, file)| is_wanted && file.is_none()) {
        layers.refuse(
            key,
            "a file is needed: remote control is over TLS, with certificates on both sides",
        );
    }
    let [certificate, key, client_ca] = files.map(|file| file.map(PathBuf::from));
    Some(CredentialFiles { certificate: certificate?, key: key?, client_ca: client_ca? })
}
