//! Who may do what: the socket that a call came in on says it. On the control socket everything may be
//! called, on the status socket only what the `.proto` marks as free of side effects (`idempotency_level =
//! NO_SIDE_EFFECTS`), and the services of health and reflection. A method that nobody marked is refused.

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

    /// Whether the method at `path`, `/SERVICE/METHOD`, may be called.
    fn permits(&self, path: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Looking(harmless) => harmless.has(path),
        }
    }
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

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let path = request.uri().path();
        if self.authority.permits(path) {
            return Either::Left(self.inner.call(request));
        }
        debug!(path, "a call was refused: the status socket is for looking only");
        let refused = Status::permission_denied(format!(
            "{} may change something, and the status socket is for looking only",
            path.trim_start_matches('/')
        ));
        Either::Right(future::ready(Ok(refused.into_http())))
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
            assert_eq!(looking.permits(path), expected, "{path:?}");
            assert!(Authority::Everything.permits(path), "{path:?}");
        }
    }
}
