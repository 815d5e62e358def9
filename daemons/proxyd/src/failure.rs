//! What a client gets where its origin fails: what is stored, as far as that is allowed, else the
//! failure.

use std::{sync::Arc, time::SystemTime};

use http::{HeaderValue, Response, StatusCode, header};
use selat_core::cache::{
    policy::{OriginFailure, serve_on_error},
    status::{CacheStatus, Forward},
};

use crate::{
    body::ReplyBody,
    cache::{
        flight::{Landing, Permit, land},
        object::Object,
    },
    fetch::Why,
    origin::OriginError,
    reply,
    request::{Ask, Reply, Verdict},
};

/// Answers with what is stored although the origin failed, if that is allowed, else with the failure.
pub(crate) fn give_up(
    ask: &Ask<'_>,
    why: Why,
    stored: Option<&Arc<Object>>,
    permit: Option<&Permit>,
    error: OriginError,
) -> Reply {
    if let Some(reply) = serve_stale(ask, stored, permit, error.failure()) {
        return reply;
    }
    land(permit, || Landing::Failed(error));
    (failed(error, why), why.verdict())
}

/// Answers with what is stored in place of an error of the origin, if that is allowed.
pub(crate) fn rescue(
    ask: &Ask<'_>,
    stored: Option<&Arc<Object>>,
    permit: Option<&Permit>,
    status: StatusCode,
) -> Option<Reply> {
    if !status.is_server_error() {
        return None;
    }
    serve_stale(ask, stored, permit, OriginFailure::Status(status))
}

/// Answers with what is stored, stale, if that is allowed.
pub(crate) fn serve_stale(
    ask: &Ask<'_>,
    stored: Option<&Arc<Object>>,
    permit: Option<&Permit>,
    failure: OriginFailure,
) -> Option<Reply> {
    let (object, now) = (stored?, SystemTime::now());
    let reason =
        serve_on_error(ask.request_head(), &object.meta, failure, now, &ask.route.options).ok()?;
    let forward_status = match failure {
        OriginFailure::Status(status) => Some(status.as_u16()),
        OriginFailure::Unreachable | OriginFailure::Timeout => None,
    };
    // Others may want what this client would not have, or less: each decides for itself.
    land(permit, || match failure {
        OriginFailure::Timeout => Landing::Failed(OriginError::Timeout),
        OriginFailure::Unreachable => Landing::Failed(OriginError::Unreachable),
        OriginFailure::Status(_) => Landing::NotShared,
    });
    let said = CacheStatus {
        forward: Some(Forward::Stale),
        forward_status,
        detail: Some(reason.as_str()),
        ..reply::silent()
    };
    Some((reply::from_object(ask, object, now, said), Verdict::Hit(reason)))
}

/// The response to a request whose origin failed.
pub(crate) fn failed(error: OriginError, why: Why) -> Response<ReplyBody> {
    let status = match error {
        OriginError::Timeout => StatusCode::GATEWAY_TIMEOUT,
        OriginError::Request => StatusCode::BAD_REQUEST,
        OriginError::Stalled => StatusCode::REQUEST_TIMEOUT,
        OriginError::Unreachable | OriginError::Broken => StatusCode::BAD_GATEWAY,
    };
    let mut response =
        reply::error(status, CacheStatus { detail: Some(error.as_str()), ..why.said() });
    if error == OriginError::Stalled {
        // RFC 9110 §15.5.9: the rest of the request is not waited for.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
