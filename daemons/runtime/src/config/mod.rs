//! Reads settings from flags, the environment and files, in that order of precedence.
//!
//! 1. [`Sources`] says where a daemon's settings are; it is kept, since a reload reads them again.
//! 2. [`Sources::read`] collects them into [`Layers`].
//! 3. The daemon asks [`Layers`] for each key with its parser and its default, the only place
//!    where either is written down.
//! 4. [`Layers::finish`] gives the daemon's configuration, or every error at once.

mod error;
mod file;
mod layers;
pub mod sample;
mod shown;
mod source_file;
pub mod text;
mod written;

pub use self::{
    error::{ConfigError, ConfigErrors, Origin},
    layers::{Layers, PassedSockets, Sources},
    shown::{Change, Shown},
    source_file::SourceFile,
    written::Written,
};
