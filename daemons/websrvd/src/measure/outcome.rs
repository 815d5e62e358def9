//! What became of a request below the measurement path: counted, and shown under these names.

use http::StatusCode;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MeasureOutcome {
    /// 200: the document, or the small object.
    Small,
    /// 200: a download was begun.
    Download,
    /// 200: an upload was taken in whole.
    Upload,
    /// 405: a method that it has no use for.
    MethodRefused,
    /// 400: a number of bytes that is none.
    BadLength,
    /// 413: an upload of more than a transfer may have.
    TooLarge,
    /// 408: an upload that took longer than a transfer may.
    TooLong,
    /// 400: an upload that its sender broke off.
    BrokenOff,
    /// 503: as many transfers as may be are under way.
    Busy,
}

impl MeasureOutcome {
    /// Every one, in the order of [`MeasureOutcome::index`].
    pub(crate) const ALL: [Self; 9] = [
        Self::Small,
        Self::Download,
        Self::Upload,
        Self::MethodRefused,
        Self::BadLength,
        Self::TooLarge,
        Self::TooLong,
        Self::BrokenOff,
        Self::Busy,
    ];

    /// Place of this outcome in an array of counters.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The name that it is counted under.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Download => "download",
            Self::Upload => "upload",
            Self::MethodRefused => "method_refused",
            Self::BadLength => "bad_length",
            Self::TooLarge => "too_large",
            Self::TooLong => "too_long",
            Self::BrokenOff => "broken_off",
            Self::Busy => "busy",
        }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Small | Self::Download | Self::Upload => StatusCode::OK,
            Self::MethodRefused => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadLength | Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooLong => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What it means for whoever asked, with what would help.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Small | Self::Download | Self::Upload => "",
            Self::MethodRefused => "this method is not answered here\n",
            Self::BadLength => "bytes must be a whole number, such as bytes=1000000\n",
            Self::TooLarge => "larger than a transfer may be (measure.bytes)\n",
            Self::TooLong => "longer than a transfer may take (measure.duration)\n",
            Self::BrokenOff => "the upload was broken off\n",
            Self::Busy => "as many transfers as may be are under way (measure.transfers)\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_place() {
        let places: Vec<usize> = MeasureOutcome::ALL.map(MeasureOutcome::index).to_vec();
        assert_eq!(places, (0..MeasureOutcome::ALL.len()).collect::<Vec<_>>());
    }
}
