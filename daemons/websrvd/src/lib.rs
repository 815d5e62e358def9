//! Placeholder.

mod echo;
