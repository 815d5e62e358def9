//! Who may do what: the socket that a call came in on says it, and from elsewhere the certificate of the caller. On the
//! control socket everything may be called, on the status socket only what the `.proto` marks as free of side effects
//! (`idempotency_level = NO_SIDE_EFFECTS`), and the services of health and reflection. A method that nobody marked is
//! refused.

use std::{
    collections::BTreeSet,
    future::{self, Ready},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use prost::{DecodeError, Message};
use prost_types::{FileDescriptorProto, FileDescriptorSet, method_options::IdempotencyLevel};
use selat_proto::DESCRIPTORS;
use tonic::Status;
use tower::{Layer, Service};
use tracing::debug;

use super::{
    Actor, brief,
    remote::{Caller, Gate, RefusalReason, Role},
};

/// Services of others, without marks, whose every method only looks.
const LOOKING_SERVICES: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// What may be called on one socket.
#[derive(Clone, Debug)]
pub(super) enum Authority {
    /// Everything.
    Everything,
    /// What has no side effects.
    Looking(Arc<Harmless>),
    /// What the caller's certificate permits now.
    Certificate(Arc<Gate>, Arc<Harmless>),
}

/// The methods without side effects.
#[derive(Debug)]
pub(super) struct Harmless(BTreeSet<String>);

impl Authority {
    /// To look, and to change nothing.
    ///
    /// # Errors
    /// Where the descriptors that this program was built with cannot be read.
    pub(super) fn looking() -> Result<Self, DecodeError> {
        Ok(Self::Looking(Arc::new(Harmless::of(FileDescriptorSet::decode(DESCRIPTORS)?))))
    }

    /// What the certificates of callers permit.
    ///
    /// # Errors
    /// As [`Authority::looking`].
    pub(super) fn by_certificate(gate: Arc<Gate>) -> Result<Self, DecodeError> {
        let harmless = Harmless::of(FileDescriptorSet::decode(DESCRIPTORS)?);
        Ok(Self::Certificate(gate, Arc::new(harmless)))
    }

    /// Lets a call of the method at `path`, `/SERVICE/METHOD`, pass, and says who makes it, where the certificate does.
    fn judge(&self, path: &str, caller: Option<&Caller>) -> Result<Option<Actor>, Box<Status>> {
        match self {
            Self::Everything => Ok(None),
            Self::Looking(harmless) if harmless.has(path) => Ok(None),
            Self::Looking(_) => Err(Box::new(refusal(path, "the status socket"))),
            Self::Certificate(gate, harmless) => {
                let (role, actor) = identify(gate, caller)?;
                match role {
                    Role::Reader if !harmless.has(path) => {
                        gate.refusals.count(RefusalReason::LookingOnly);
                        Err(Box::new(refusal(path, &actor.to_string())))
                    }
                    Role::Admin | Role::Reader => Ok(Some(actor)),
                }
            }
        }
    }
}

/// What the caller from elsewhere may do, and how it is named in the log.
fn identify(gate: &Gate, caller: Option<&Caller>) -> Result<(Role, Actor), Box<Status>> {
    let access = gate.access.load();
    let Some((access, caller)) = access.as_ref().zip(caller) else {
        return Err(Box::new(Status::unauthenticated("remote control is off")));
    };
    caller.role(&access.roles).ok_or_else(|| {
        gate.refusals.count(RefusalReason::NoRole);
        Box::new(Status::permission_denied(format!(
            "{caller} has no role here: one of its names has to be in remote.admin or remote.reader"
        )))
    })
}

fn refusal(path: &str, place: &str) -> Status {
    let method = brief::subject(path.trim_start_matches('/'));
    Status::permission_denied(format!(
        "{method} may change something, and {place} is for looking only"
    ))
}

impl Harmless {
    fn of(descriptors: FileDescriptorSet) -> Self {
        Self(descriptors.file.iter().flat_map(marked).collect())
    }

    fn has(&self, path: &str) -> bool {
        let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let is_looking = |(service, _)| LOOKING_SERVICES.contains(&service);
        self.0.contains(path) || service.is_some_and(is_looking)
    }
}

/// The paths of the methods of `file` that are marked as free of side effects.
fn marked(file: &FileDescriptorProto) -> impl Iterator<Item = String> {
    file.service.iter().flat_map(|service| {
        let harmless = service.method.iter().filter(|method| {
            let level = method.options.as_ref().map(|options| options.idempotency_level());
            level == Some(IdempotencyLevel::NoSideEffects)
        });
        harmless.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name()))
    })
}

impl<S> Layer<S> for Authority {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { authority: self.clone(), inner }
    }
}

/// A service behind an [`Authority`].
#[derive(Clone, Debug)]
pub(super) struct Guarded<S> {
    authority: Authority,
    inner: S,
}

impl<S, B, R> Service<http::Request<B>> for Guarded<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let path = request.uri().path();
        match self.authority.judge(path, request.extensions().get()) {
            Ok(actor) => {
                if let Some(actor) = actor {
                    request.extensions_mut().insert(actor);
                }
                Either::Left(self.inner.call(request))
            }
            Err(refused) => {
                debug!(path, reason = refused.message(), "a call was refused");
                Either::Right(future::ready(Ok(refused.into_http())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_socket_permits_looking_and_nothing_else() {
        let looking = Authority::looking().unwrap();
        let cases = [
            ("/selat.v1.DaemonService/GetStatus", true),
            ("/selat.v1.DaemonService/WatchEvents", true),
            ("/selat.v1.CacheService/ListEntries", true),
            ("/grpc.health.v1.Health/Check", true),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true),
            ("/selat.v1.DaemonService/Reload", false),
            ("/selat.v1.DaemonService/SetLogLevel", false),
            ("/selat.v1.CacheService/Purge", false),
            ("/selat.v1.CacheService/Flush", false),
            ("/selat.v1.CacheService/", false),
            ("/selat.v1.CacheService/GetStats/", false),
            ("//selat.v1.CacheService/GetStats", false),
            ("/selat.v1.Unknown/GetStats", false),
            ("/grpc.health.v1.Healthy/Check", false),
            ("grpc.health.v1.Health/Check", false),
            ("", false),
        ];
        for (path, expected) in cases {
            assert_eq!(looking.judge(path, None).is_ok(), expected, "{path:?}");
            assert!(Authority::Everything.judge(path, None).is_ok(), "{path:?}");
        }
    }
}
