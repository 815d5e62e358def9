//! The sink: content is counted and dropped as it comes.

use http_body::Body;
use hyper::body::Incoming;
use std::{future::poll_fn, pin::Pin};
use tokio::time::{Instant, timeout_at};

use super::outcome::MeasureOutcome;

/// Bytes of `content`, once all of it has come.
///
/// # Errors
/// It is larger than `bytes_max`, did not come by `ends_at`, or was broken off.
pub(super) async fn sink(
    mut content: Incoming,
    bytes_max: u64,
    ends_at: Instant,
) -> Result<u64, MeasureOutcome> {
    if content.size_hint().lower() > bytes_max {
        return Err(MeasureOutcome::TooLarge);
    }
    let receive = async {
        let mut bytes = 0;
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut content).poll_frame(cx)).await {
            let frame = frame.map_err(|_| MeasureOutcome::BrokenOff)?;
            bytes += frame.data_ref().map_or(0, bytes::Bytes::len) as u64;
            if bytes > bytes_max {
                return Err(MeasureOutcome::TooLarge);
            }
        }
        Ok(bytes)
    };
    timeout_at(ends_at, receive).await.unwrap_or(Err(MeasureOutcome::TooLong))
}
