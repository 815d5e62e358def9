//! Streams that fill a path, and probes that tell how it feels meanwhile.
//!
//! 1. [`BulkSpec`] says which way, how many streams, for how long; [`run`] asks for the small object, so
//!    that a server that offers nothing to measure against says so at once.
//! 2. `probe`: a thread of its own probes the idle path, then the loaded one, by requests on connections of
//!    their own (foreign) and, over HTTP/2, on those that carry the load.
//! 3. `stream`: each takes what the server sends, or sends what it takes. Every [`TICK`] the kernel is
//!    asked what it knows of each ([`TcpInfo`]).
//! 4. [`BulkRun`] holds all of it; `figures` (pure) makes of it what is shown.

mod figures;
mod probe;
mod run;
mod spec;
mod stream;
mod tcp_info;

pub use self::figures::{BulkFigures, Goodput};
pub use self::probe::{Probe, ProbeKind};
pub use self::run::{BulkError, BulkRun, Interval, TICK, run};
pub use self::spec::{BulkSpec, BulkSpecError, DURATION_MAX, INTERVAL_MIN, Plan, STREAMS_MAX, Way};
pub use self::stream::{Look, StreamRun};
pub use self::tcp_info::TcpInfo;
