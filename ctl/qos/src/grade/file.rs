//! Tables of a person's own, as a TOML file has them.

use toml::{Table, Value};

use super::tables::{Bounds, BoundsError, Side, Tables, Throughput, VARIANTS};

/// Largest file that is read, bytes.
pub const PROFILE_BYTES_MAX: u64 = 64 * 1024;

const SIDES: [Side; 4] = [Side::Below, Side::UpTo, Side::From, Side::Above];
/// Marks jitter that is rounded to whole milliseconds first.
const WHOLE: &str = "whole";

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProfileError {
    /// It is no TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// It says something that no profile has.
    #[error(
        "{0}: unknown; a profile has name, delay_ms, jitter_ms, loss_pct, and throughput_pct or \
         throughput_bps"
    )]
    Key(String),
    /// A key has a value of another kind.
    #[error("{key}: {expected}")]
    Value {
        /// Which.
        key: String,
        /// What it takes.
        expected: String,
    },
    /// The bounds leave a gap or overlap.
    #[error("{key}: {problem}")]
    Bounds {
        /// Of which measure.
        key: String,
        /// Which bound, and how.
        problem: BoundsError,
    },
    /// Throughput is graded twice.
    #[error("throughput_pct and throughput_bps: only one of them can grade the throughput")]
    TwoThroughputs,
}

impl Tables {
    /// Reads the tables of a profile; a measure that it does not name keeps its usual table.
    ///
    /// ```toml
    /// name = "Campus network"
    /// delay_ms = { below = [100, 200, 400] }  # 4 below 100, 3 below 200, 2 below 400, else 1
    /// jitter_ms = "J-B"                       # a built-in variant
    /// loss_pct = { up_to = [0, 1, 5] }        # the bound itself is of the better class
    /// throughput_pct = { from = [75, 50, 25] } # of --bandwidth; or throughput_bps
    /// ```
    ///
    /// # Errors
    /// No TOML, a key that is unknown, bounds that are not monotone: the first problem, by its key.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let file: Table = text
            .parse()
            .map_err(|error: toml::de::Error| ProfileError::Syntax(error.to_string()))?;
        if file.contains_key("throughput_pct") && file.contains_key("throughput_bps") {
            return Err(ProfileError::TwoThroughputs);
        }
        let mut tables = Self { name: "a profile without a name".to_owned(), ..Self::default() };
        for (key, value) in &file {
            match key.as_str() {
                "name" => tables.name = text_of(key, value)?,
                "delay_ms" => tables.take(key, value, 'D', |it, bounds| it.delay = bounds)?,
                "jitter_ms" => {
                    tables.whole_jitter = is_whole(key, value)?;
                    tables.take(key, value, 'J', |it, bounds| it.jitter = bounds)?;
                }
                "loss_pct" => tables.take(key, value, 'L', |it, bounds| it.loss = bounds)?,
                "throughput_pct" => tables.take(key, value, 'T', |it, bounds| {
                    it.throughput = Throughput::Share(bounds);
                })?,
                "throughput_bps" => tables.take(key, value, 'T', |it, bounds| {
                    it.throughput = Throughput::Rate(bounds);
                })?,
                _ => return Err(ProfileError::Key(key.clone())),
            }
        }
        Ok(tables)
    }

    fn take(
        &mut self,
        key: &str,
        value: &Value,
        family: char,
        set: impl FnOnce(&mut Self, Bounds),
    ) -> Result<(), ProfileError> {
        match value {
            Value::String(name) => {
                let is_kin = name.to_ascii_uppercase().starts_with(family);
                if is_kin && self.take_variant(name) { Ok(()) } else { Err(variant(key, family)) }
            }
            Value::Table(table) => {
                set(self, bounds(key, table, family == 'T')?);
                Ok(())
            }
            _ => Err(shape(key, family == 'T')),
        }
    }
}

fn text_of(key: &str, value: &Value) -> Result<String, ProfileError> {
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| wrong(key, "a text that is not empty"))
}

/// Whether a table of jitter asks for whole milliseconds.
fn is_whole(key: &str, value: &Value) -> Result<bool, ProfileError> {
    match value.get(WHOLE) {
        None => Ok(false),
        Some(Value::Boolean(is_whole)) => Ok(*is_whole),
        Some(_) => Err(wrong(&format!("{key}.{WHOLE}"), "true or false")),
    }
}

fn bounds(key: &str, table: &Table, is_benefit: bool) -> Result<Bounds, ProfileError> {
    let is_known = |name: &str| name == WHOLE && key == "jitter_ms";
    let mut sides = table.iter().filter(|(name, _)| !is_known(name));
    let (Some((name, cuts)), None) = (sides.next(), sides.next()) else {
        return Err(shape(key, is_benefit));
    };
    let side = SIDES.into_iter().find(|side| side.name() == name && side.is_cost() != is_benefit);
    let side = side.ok_or_else(|| shape(key, is_benefit))?;
    let numbers = cuts.as_array().into_iter().flatten().map(number).collect::<Option<Vec<f64>>>();
    let cuts = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
    let cuts = cuts.ok_or_else(|| shape(key, is_benefit))?;
    Bounds::new(side, cuts)
        .map_err(|problem| ProfileError::Bounds { key: format!("{key}.{name}"), problem })
}

fn number(value: &Value) -> Option<f64> {
    // Exact for every bound that a person would write.
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

fn variant(key: &str, family: char) -> ProfileError {
    let names: Vec<_> = VARIANTS.into_iter().filter(|name| name.starts_with(family)).collect();
    wrong(key, &format!("no such variant; there is {}", names.join(" and ")))
}

fn shape(key: &str, is_benefit: bool) -> ProfileError {
    wrong(
        key,
        if is_benefit {
            "bounds are written as { from = [a, b, c] } or { above = [a, b, c] }: three numbers, \
             for the indices 4, 3 and 2"
        } else {
            "bounds are written as { below = [a, b, c] } or { up_to = [a, b, c] }: three numbers, \
             for the indices 4, 3 and 2"
        },
    )
}

fn wrong(key: &str, expected: &str) -> ProfileError {
    ProfileError::Value { key: key.to_owned(), expected: expected.to_owned() }
}
