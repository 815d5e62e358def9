//! What the grades of a measurement presume, as the command line has it.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use clap::ValueEnum;
use selat_qos::grade::emodel::Codec;
use selat_qos::grade::tables::{Tables, VARIANTS};
use selat_qos::grade::{self, PROFILE_BYTES_MAX, Profile};

/// How a measurement is graded.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Grades")]
pub(super) struct Grading {
    /// Nominal bandwidth of the path, such as 10M bit/s, to grade the throughput against
    #[arg(long, value_name = "BIT_PER_S", value_parser = bandwidth)]
    bandwidth: Option<f64>,
    /// Grade by these tables: variants such as L-A,J-B (of D-A, J-A, J-B, L-A, L-B, T-P, T-A), or
    /// a TOML file
    #[arg(long, value_name = "PROFILE", value_parser = tables)]
    profile: Option<Arc<Tables>>,
    /// What classes are called in
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    language: Option<Language>,
}

/// A language of the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Very good, good, fair, poor
    En,
    /// Sangat Bagus, Bagus, Sedang, Jelek
    Id,
}

impl Grading {
    /// The profile that is asked for; what is not asked is as usual.
    pub(super) fn profile(&self, codec: Codec) -> Profile {
        self.over(Profile { codec, ..Profile::default() })
    }

    /// `profile`, but for what is asked.
    pub(super) fn over(&self, profile: Profile) -> Profile {
        let language = self.language.map(|language| match language {
            Language::En => grade::Language::English,
            Language::Id => grade::Language::Indonesian,
        });
        Profile {
            bandwidth_bps: self.bandwidth.or(profile.bandwidth_bps),
            tables: self.profile.as_deref().cloned().unwrap_or(profile.tables),
            language: language.unwrap_or(profile.language),
            codec: profile.codec,
        }
    }
}

/// Variants by their names, or else a file.
fn tables(text: &str) -> Result<Arc<Tables>, String> {
    let no_variant = match Tables::of_variants(text.split(',').map(str::trim)) {
        Ok(tables) => return Ok(Arc::new(tables)),
        Err(name) => name,
    };
    let read = File::open(text).and_then(|file| {
        let mut profile = String::new();
        file.take(PROFILE_BYTES_MAX).read_to_string(&mut profile).map(|_| profile)
    });
    match read {
        Ok(profile) => {
            Tables::from_toml(&profile).map(Arc::new).map_err(|error| format!("{text}: {error}"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let variants = VARIANTS.join(", ");
            Err(format!(
                "{no_variant} is none of the variants {variants}, and there is no such file"
            ))
        }
        Err(error) => Err(format!("cannot read {text}: {error}")),
    }
}

/// `10M`, `64k`, `1.5G` or a plain number, in bit/s.
pub(super) fn bandwidth(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let (number, factor) = match text.chars().next_back() {
        Some('k' | 'K') => (&text[..text.len() - 1], 1e3),
        Some('M') => (&text[..text.len() - 1], 1e6),
        Some('G') => (&text[..text.len() - 1], 1e9),
        _ => (text, 1.0),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number * factor),
        _ => Err("write it as bit/s, such as 64k, 10M or 1G".to_owned()),
    }
}
