//! Placeholder.

mod relay;
